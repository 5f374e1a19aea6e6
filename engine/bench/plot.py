"""Plots the time to match an event against the number of rules; both axes are logarithmic.

Needs matplotlib, of the extra `plot`. Only `bench --plot` imports this module.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from engine.bench.machine import Machine
from engine.bench.measurement import Result
from engine.bench.rule_sets import SITE_PLATES, SetKind
from engine.errors import BenchError
from engine.logs.text import printable

INCHES: Final = (9.6, 6.0)
# A PNG of 1920 × 1200 pixels.
DOTS_PER_INCH: Final = 200
# With fewer decades a flat curve would look steep.
FEWEST_DECADES: Final = 3
INK: Final = "#1f2933"
FAINT: Final = "#7b8794"
GRID: Final = "#e4e7eb"
COLORS: Final = {SetKind.MIXED: "#1f6feb", SetKind.SITE: "#d9480f", SetKind.OWN: "#2b8a3e"}
MARKERS: Final = {SetKind.MIXED: "o", SetKind.SITE: "D", SetKind.OWN: "s"}
# The default font comes with matplotlib; a container has no others.
STYLE: Final[dict[Any, Any]] = {
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.parse_math": False,  # a `$` in the processor's name
    "svg.fonttype": "none",  # text that can be searched, not outlines
    "svg.hashsalt": "alert-engine",  # the same file for the same results
}


def save_plot(path: Path, results: Sequence[Result], machine: Machine) -> None:
    """Plot one or more results into a file, as SVG where its name ends so, else as PNG.

    Raises BenchError when the file can't be written.
    """
    # It warns where it can't write its cache folder.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with rc_context(STYLE):
        figure = draw(results, machine)
        try:
            if path.suffix.lower() == ".svg":
                figure.savefig(path, format="svg", metadata={"Date": None})
            else:
                figure.savefig(path, format="png", dpi=DOTS_PER_INCH)
        except OSError as error:
            raise BenchError(f"{path}: can't be written: {error.strerror or error}") from error


def draw(results: Sequence[Result], machine: Machine) -> Figure:
    """The plot of one or more results."""
    mixed = sorted((each for each in results if each.kind is SetKind.MIXED), key=_rules)
    figure = Figure(figsize=INCHES, facecolor="white")
    axes = figure.add_axes((0.12, 0.13, 0.84, 0.68))
    figure.text(0.12, 0.92, "Time to match one event against all rules", fontsize=16)
    for y, texts in ((0.875, machine.hardware()), (0.835, machine.software())):
        figure.text(0.12, y, printable("; ".join(texts)), fontsize=10, color=FAINT)
    _set_axes(axes, results)
    _draw_curve(axes, mixed)
    for each in results:
        if each.kind is not SetKind.MIXED:
            place = [_rules(each)], [each.us_per_event]
            axes.plot(*place, linestyle="none", label=_label(each), **_look(each.kind))
    axes.legend(loc="upper left", frameon=True, framealpha=1, edgecolor="white", fontsize=10)
    return figure


def decades(values: Sequence[float], fewest: int) -> tuple[float, float]:
    """The powers of ten around all values, at least `fewest` decades apart."""
    low = math.floor(math.log10(min(values)))
    high = math.ceil(math.log10(max(values)))
    return 10.0**low, 10.0 ** max(high, low + fewest)


def number(value: float) -> str:
    """The value with about two digits: 0.52, 3.4, 47, 1,250."""
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _rules(result: Result) -> int:
    """The place of a result on the axis of rules; a logarithmic axis has no 0."""
    return max(1, result.rules)


def _set_axes(axes: Axes, results: Sequence[Result]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*decades([_rules(each) for each in results], 1))
    axes.set_ylim(*decades([each.us_per_event for each in results], FEWEST_DECADES))
    axes.set_xlabel("rules", fontsize=12)
    axes.set_ylabel("microseconds an event", fontsize=12)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=20))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.tick_params(length=0, pad=8, labelsize=10)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color(GRID)


def _draw_curve(axes: Axes, mixed: Sequence[Result]) -> None:
    if not mixed:
        return
    x, y = [_rules(each) for each in mixed], [each.us_per_event for each in mixed]
    label = "mixed rules: lists, regexes, texts, ranges at a camera"
    axes.plot(x, y, linewidth=2, label=label, **_look(SetKind.MIXED))
    for across, up in zip(x, y, strict=True):
        _write_beside(axes, across, up)
    if len(mixed) > 1:
        in_proportion = [y[0] * each / x[0] for each in x]
        label = "if it grew with the rules"
        axes.plot(x, in_proportion, color=FAINT, linestyle="--", zorder=1, label=label)


def _write_beside(axes: Axes, across: float, up: float) -> None:
    """Write the value of a point beside its marker, inside the axes."""
    left, right = axes.get_xlim()
    low, high = axes.get_ylim()
    is_low = math.log(up / low) < 0.08 * math.log(high / low)
    axes.annotate(
        number(up),
        (across, up),
        xytext=(0, 9 if is_low else -17),
        textcoords="offset points",
        ha="left" if across == left else "right" if across == right else "center",
        color=COLORS[SetKind.MIXED],
    )


def _look(kind: SetKind) -> dict[str, Any]:
    """The style of a kind's markers, which are not clipped at the edges of the axes."""
    return {
        "color": COLORS[kind],
        "marker": MARKERS[kind],
        "markersize": 9,
        "markeredgecolor": "white",
        "clip_on": False,
        "zorder": 3,
    }


def _label(result: Result) -> str:
    figure = f"{number(result.us_per_event)} microseconds"
    if result.kind is SetKind.SITE:
        return f"{result.rules} rules on one list of {SITE_PLATES:,} plates: {figure}"
    noun = "rule" if result.rules == 1 else "rules"
    return f"your {result.rules:,} {noun}: {figure}"
