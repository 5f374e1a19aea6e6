"""A measurement of pytest-benchmark, typed, that tells its result as a figure too."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

_NUMBER: Final = re.compile(r"[0-9][0-9,]*")
_WARM_UP_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a run: `section` is what it belongs to, `unit` what it counts."""

    section: str
    what: str
    value: float
    unit: str

    def __str__(self) -> str:
        digits = 0 if abs(self.value) >= 100 else 1 if abs(self.value) >= 10 else 2
        return f"{self.value:,.{digits}f} {self.unit}"


class Figures:
    """All figures of a run, and ratios between those of one section."""

    def __init__(self) -> None:
        self._figures: list[Figure] = []

    def add(self, figure: Figure) -> None:
        """Keep it, unless nothing was measured."""
        if not math.isnan(figure.value):
            self._figures.append(figure)

    def lines(self) -> Iterator[str]:
        """A table in Markdown."""
        if not self._figures:
            return
        width = max(len(figure.what) for figure in self._figures)
        for section in sorted({figure.section for figure in self._figures}, key=_natural):
            yield ""
            yield f"| {section:<{width}} | figure |"
            yield f"|{'-' * (width + 2)}|---:|"
            own = [figure for figure in self._figures if figure.section == section]
            for figure in sorted(own, key=lambda each: _natural(each.what)):
                yield f"| {figure.what:<{width}} | {figure} |"


def _natural(text: str) -> str:
    """A key that sorts 1,000 behind 100."""
    return _NUMBER.sub(lambda found: found[0].replace(",", "").zfill(12), text)


class Measurement:
    """What one benchmark measures; `group` puts those to be compared into one table."""

    def __init__(self, fixture: Any, figures: Figures) -> None:
        self._fixture = fixture
        self._figures = figures

    def calls(self, group: str, call: Callable[[], object]) -> float:
        """Call again and again for a second or so; the median seconds of a call."""
        self._fixture.group = group
        # The number of rounds is settled by the first call, which must not be the slow one.
        warm_at = time.perf_counter() + _WARM_UP_SECONDS
        while time.perf_counter() < warm_at:
            call()
        self._fixture(call)
        return self._statistic("median")

    def rounds(
        self,
        group: str,
        call: Callable[..., object],
        count: int,
        setup: Callable[[], tuple[Any, ...]] = tuple,
        teardown: Callable[..., object] = lambda *made: None,
    ) -> float:
        """Call `count` times, each with what `setup` has made for it; the seconds of the best.

        The best: a round takes long enough for something else on the machine to slow it down.
        `teardown` gets what `setup` made; neither of the two is measured.
        """
        self._fixture.group = group
        self._fixture.pedantic(call, setup=lambda: (setup(), {}), teardown=teardown, rounds=count)
        return self._statistic("min")

    def tell(self, section: str, what: str, value: float, unit: str) -> None:
        """A figure of this measurement, shown at the end of the run."""
        self._fixture.extra_info[f"{what} ({unit})"] = value
        self._figures.add(Figure(section, what, value, unit))

    def _statistic(self, name: str) -> float:
        stats = self._fixture.stats
        # None with --benchmark-disable.
        return math.nan if stats is None else float(getattr(stats.stats, name))
