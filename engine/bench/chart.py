"""The curve of an event's time over the number of rules, as SVG; both axes are logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from engine.bench.machine import Machine
from engine.bench.measured_set import SetKind
from engine.bench.mixed_rules import SITE_PLATES
from engine.bench.result import Result
from engine.terminal import printable

WIDTH: Final = 960
HEIGHT: Final = 600
LEFT: Final = 112
RIGHT: Final = 924
TOP: Final = 112
BOTTOM: Final = 520
# The curve is flat: with fewer decades it would look steep.
FEWEST_DECADES: Final = 3
# The first is the font that PNG files are drawn with.
FONTS: Final = "Aileron, 'Helvetica Neue', Helvetica, Arial, sans-serif"
INK: Final = "#1f2933"
FAINT: Final = "#7b8794"
GRID: Final = "#e4e7eb"
COLORS: Final = {SetKind.MIXED: "#1f6feb", SetKind.SITE: "#d9480f", SetKind.OWN: "#2b8a3e"}


@dataclass(frozen=True, slots=True)
class Axis:
    """Powers of ten, from 10**`low` at `start` to 10**`high` at `end`, in pixels."""

    low: int
    high: int
    start: float
    end: float

    def place(self, value: float) -> float:
        """Where a value lies."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def powers(self) -> range:
        """The exponents of its lines."""
        return range(self.low, self.high + 1)


def axis_of(values: Sequence[float], fewest: int, start: float, end: float) -> Axis:
    """The axis that holds all values, of at least so many decades."""
    low = math.floor(math.log10(min(values)))
    high = math.ceil(math.log10(max(values)))
    return Axis(low, max(high, low + fewest), start, end)


def chart(results: Sequence[Result], machine: Machine) -> str:
    """The drawing of at least one result."""
    mixed = sorted((each for each in results if each.kind is SetKind.MIXED), key=_rules)
    across = axis_of([_rules(each) for each in results], 1, LEFT, RIGHT)
    up = axis_of([each.us_per_event for each in results], FEWEST_DECADES, BOTTOM, TOP)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"'
            f' viewBox="0 0 {WIDTH} {HEIGHT}" font-family="{FONTS}" fill="{INK}">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            *_title(machine),
            *_grid(across, up),
            *_proportional(mixed, across, up),
            *_curve(mixed, across, up),
            *(
                _marker(each.kind, across.place(_rules(each)), up.place(each.us_per_event))
                for each in results
                if each.kind is not SetKind.MIXED
            ),
            *_legend(results, mixed),
            "</svg>\n",
        ]
    )


def _rules(result: Result) -> int:
    """Where a result lies; a logarithmic axis has no 0."""
    return max(1, result.rules)


def number(value: float) -> str:
    """With three digits or so: 0.52, 3.4, 47, 1,250."""
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _power(exponent: int) -> str:
    return f"{10**exponent:,}" if exponent >= 0 else f"{10.0**exponent:.{-exponent}f}"


def _text(
    x: float, y: float, text: str, size: int, *, anchor: str = "start", fill: str = INK
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
        f' fill="{fill}">{escape(printable(text))}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def _title(machine: Machine) -> Iterator[str]:
    yield _text(LEFT, 44, "Time to match one event against all rules", 24)
    yield _text(LEFT, 70, "; ".join(machine.hardware()), 14, fill=FAINT)
    yield _text(LEFT, 90, "; ".join(machine.software()), 14, fill=FAINT)


def _grid(across: Axis, up: Axis) -> Iterator[str]:
    style = f'stroke="{GRID}"'
    for power in up.powers():
        y = up.place(10.0**power)
        yield _line(LEFT, y, RIGHT, y, style)
        yield _text(LEFT - 12, y + 5, _power(power), 14, anchor="end")
    for power in across.powers():
        x = across.place(10.0**power)
        yield _line(x, TOP, x, BOTTOM, style)
        yield _text(x, BOTTOM + 24, _power(power), 14, anchor="middle")
    yield _text((LEFT + RIGHT) / 2, BOTTOM + 56, "rules", 16, anchor="middle")
    yield (
        f'<g transform="translate(28 {(TOP + BOTTOM) / 2:.1f}) rotate(-90)">'
        f"{_text(0, 0, 'microseconds an event', 16, anchor='middle')}</g>"
    )


def _proportional(mixed: Sequence[Result], across: Axis, up: Axis) -> Iterator[str]:
    """What the first point would grow to in proportion, as far as the drawing goes."""
    if len(mixed) < 2:
        return
    first, last = mixed[0], mixed[-1]
    most = min(last.rules, first.rules * 10.0**up.high / first.us_per_event)
    yield _line(
        across.place(first.rules),
        up.place(first.us_per_event),
        across.place(most),
        up.place(first.us_per_event * most / first.rules),
        f'stroke="{FAINT}" stroke-width="1.5" stroke-dasharray="5 5"',
    )


def _curve(mixed: Sequence[Result], across: Axis, up: Axis) -> Iterator[str]:
    points = [(across.place(_rules(each)), up.place(each.us_per_event)) for each in mixed]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    color = COLORS[SetKind.MIXED]
    yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.5"/>'
    for (x, y), each in zip(points, mixed, strict=True):
        yield _marker(SetKind.MIXED, x, y)
        # Where the marker is at an edge, its text stays inside.
        anchor = "start" if x < LEFT + 20 else "end" if x > RIGHT - 20 else "middle"
        below = y + 26 if y < BOTTOM - 34 else y - 14
        yield _text(x, below, number(each.us_per_event), 14, anchor=anchor, fill=color)


def _marker(kind: SetKind, x: float, y: float) -> str:
    style = f'fill="{COLORS[kind]}" stroke="#ffffff" stroke-width="1.5"'
    match kind:
        case SetKind.MIXED:
            return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" {style}/>'
        case SetKind.SITE:
            corners = ((0, -9), (9, 0), (0, 9), (-9, 0))
        case SetKind.OWN:
            corners = ((-7, -7), (7, -7), (7, 7), (-7, 7))
    points = " ".join(f"{x + right:.1f},{y + down:.1f}" for right, down in corners)
    return f'<polygon points="{points}" {style}/>'


def _legend(results: Sequence[Result], mixed: Sequence[Result]) -> Iterator[str]:
    x, y = LEFT + 24, TOP + 26
    told = list(_told(results, mixed))
    height = 24 * (len(told) + (len(mixed) > 1)) + 8
    yield f'<rect x="{x - 16}" y="{TOP + 4}" width="430" height="{height}" fill="#ffffff"/>'
    for kind, text in told:
        yield _marker(kind, x, y - 5)
        yield _text(x + 20, y, text, 14)
        y += 24
    if len(mixed) > 1:
        style = f'stroke="{FAINT}" stroke-width="1.5" stroke-dasharray="5 5"'
        yield _line(x - 10, y - 5, x + 10, y - 5, style)
        yield _text(x + 20, y, "if it grew with the rules", 14, fill=FAINT)


def _told(results: Sequence[Result], mixed: Sequence[Result]) -> Iterator[tuple[SetKind, str]]:
    if mixed:
        yield SetKind.MIXED, "mixed rules: lists, regexes, texts, ranges at a camera"
    for each in results:
        figure = f"{number(each.us_per_event)} microseconds"
        if each.kind is SetKind.SITE:
            yield each.kind, f"{each.rules} rules on one list of {SITE_PLATES:,} plates: {figure}"
        elif each.kind is SetKind.OWN:
            noun = "rule" if each.rules == 1 else "rules"
            yield each.kind, f"your {each.rules:,} {noun}: {figure}"
