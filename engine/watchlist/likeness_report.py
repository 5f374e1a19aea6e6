"""What should be known of a list that is asked by likeness, before it is live.

The list is asked as it will be: by readings of other cars, made up in the forms of its own plates.
And its plates are compared with each other, for those that a camera may read for another.
"""

from __future__ import annotations

import codecs
import random
import re
import string
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import sqrt
from pathlib import Path
from typing import Final

import numpy as np

from engine.errors import Fault, Severity
from engine.watchlist.likeness import edits_of, edits_text, likeness_of
from engine.watchlist.likeness_pairs import Pairs, find_pairs
from engine.watchlist.plates import CHARACTERS, normalise
from engine.watchlist.watchlist import Watchlist
from engine.watchlist.wildcards import literals

#: Where surely more of the readings of other cars match, it is reported: one in a thousand.
MOST_FALSE: Final = 0.001
#: How many readings are made up.
READINGS: Final = 20_000
#: How many pairs are told one by one.
SHOWN_PAIRS: Final = 10
#: Plates of so many characters or fewer are reported.
SHORT: Final = 3
#: Up to this threshold plates that differ in their last digit, such as 3 and 8, are merged.
SEQUENTIAL: Final = 0.86
#: Plates with wildcards and fewer literal characters than these are reported, and more than so many
#: plates with wildcards.
LITERALS: Final = 4
MOST_WILDCARDS: Final = 2_000
#: More plates than these, with which one reading has to be compared, are reported.
CROWD: Final = 1_000
#: The thresholds that are proposed in place of lower ones.
THRESHOLDS: Final = (0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)

#: The forms of plates are taken from about so many rows, evenly from the whole list.
_LOOKED_AT: Final = 100_000
#: Most plates of a rare form may be on the list: a reading that is none is tried so often.
_TRIES: Final = 20
#: Between the cells of a line, and before a comment.
_CELLS: Final = re.compile(r"[,;\t|#(\[]|//| - ")
#: Of the normal distribution, for bounds that hold in 95 of 100 cases.
_Z: Final = 1.96
_FORMS: Final = str.maketrans(
    CHARACTERS,
    "A" * len(string.ascii_uppercase) + "0" * len(string.digits),
    "*",
)
_CHARACTERS: Final = {"A": string.ascii_uppercase, "0": string.digits, "?": CHARACTERS}


class LikenessFaultCode(StrEnum):
    """The stable codes of warnings about lists that are asked by likeness."""

    FALSE_MATCHES = "likeness-false-matches"
    THRESHOLD = "likeness-threshold"
    SHORT = "likeness-short"
    LITERALS = "likeness-literals"
    WILDCARDS = "likeness-wildcards"
    CROWD = "likeness-crowd"


@dataclass(frozen=True, slots=True)
class Share:
    """How many of `total` readings match."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        """The share, 0 to 1."""
        return self.hits / self.total if self.total else 0.0

    @property
    def bounds(self) -> tuple[float, float]:
        """Between what the share of all readings is, in 95 of 100 cases (Wilson, 1927)."""
        if not self.total:
            return 0.0, 1.0
        square = _Z**2 / self.total
        middle = self.value + square / 2
        spread = _Z * sqrt((self.value * (1 - self.value) + square / 4) / self.total)
        low, high = ((middle + each) / (1 + square) for each in (-spread, spread))
        return (low if self.hits else 0.0), min(1.0, high)

    def __str__(self) -> str:
        if not self.total:
            return "an unknown share"
        low, high = self.bounds
        if not self.hits:
            return f"less than {_percent(high, 1)} %"
        value = _percent(self.value, 2)
        return f"about {value} % ({_percent(low, 2)} to {_percent(high, 2)} %)"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two plates of a list of which a reading of one may be taken for the other.

    `lines` are those of their first rows, the lower one first, 0 where unknown. `edits` make the
    second plate of the first, in words.
    """

    lines: tuple[int, int]
    likeness: float
    edits: str

    def __str__(self) -> str:
        one, two = self.lines
        where = f"lines {one} and {two}" if one and two else "two plates"
        return f"{where}, {100 * self.likeness:.0f} %: {self.edits}"


@dataclass(frozen=True, slots=True)
class LikenessReport:
    """What should be known of one list that is asked by likeness.

    `threshold` is the lowest that a row is asked with. `pair_count` is the number of pairs of its
    plates that reach their thresholds, an estimate with `is_estimated`; `pairs` are the first.
    `false_matches` is the share of made-up readings that match. Where it is surely above
    `MOST_FALSE`, `better` is the threshold to use instead, else it is None. `short` is the number
    of plates of `SHORT` characters or fewer, `crowd` the most plates that one reading is compared
    with. Of its `wildcards`, the plates with such, the loose ones have few literal characters.
    """

    threshold: float
    pair_count: int
    is_estimated: bool
    pairs: tuple[Pair, ...]
    false_matches: Share
    better: float | None
    short: int
    crowd: int
    wildcards: int
    loose_wildcards: int


def likeness_report(
    watchlist: Watchlist, asked: Collection[float | None], time: datetime
) -> LikenessReport:
    """The report on a list that is asked with these thresholds, one or more, at `time` (aware).

    None among them stands for the thresholds of its rows. A million rows take some seconds.
    """
    plates = list(watchlist.plates)
    thresholds = _thresholds(watchlist, asked)
    wildcards = _wildcards(watchlist)
    index = watchlist.near_plates.prepare()
    pairs = find_pairs(index, plates, thresholds, watchlist.costs)
    lowest = min(thresholds, default=_threshold(watchlist, asked))
    found = [
        max(
            (
                near.likeness
                for threshold in asked
                for near in watchlist.nearest(reading, time, 1, threshold)
            ),
            default=0.0,
        )
        for reading in made_up_readings(watchlist, READINGS)
    ]
    false_matches = Share(sum(map(bool, found)), len(found))
    return LikenessReport(
        threshold=lowest,
        pair_count=pairs.count,
        is_estimated=pairs.share < 1,
        pairs=tuple(_first(watchlist, plates, pairs)),
        false_matches=false_matches,
        better=_better(found, lowest),
        short=sum(len(plate) <= SHORT for plate in plates),
        crowd=pairs.crowd,
        wildcards=len(wildcards),
        loose_wildcards=sum(len(literals(plate)) < LITERALS for plate in wildcards),
    )


def _percent(share: float, digits: int) -> str:
    """So many digits of a share in percent, without an exponent."""
    return f"{float(f'{100 * share:.{digits}g}'):g}"


def likeness_faults(watchlist: Watchlist, report: LikenessReport) -> Iterator[Fault]:
    """What of the report is a warning, at the place where the list is defined."""
    for code, what, remedy in _warnings(report):
        definition = watchlist.definition
        what = f"the watchlist {definition.name}: {what}"
        yield Fault(definition.place, code, what, remedy, Severity.WARNING)


def _warnings(report: LikenessReport) -> Iterator[tuple[LikenessFaultCode, str, str]]:
    threshold = f"with the threshold {report.threshold:g}"
    if report.better is not None:
        what = f"{report.false_matches} of the readings of other cars match {threshold}"
        yield LikenessFaultCode.FALSE_MATCHES, what, f"ask with {report.better:g}"
    if report.threshold <= SEQUENTIAL:
        what = f"plates of one sequence match each other {threshold}, as ABC123 and ABC128"
        yield LikenessFaultCode.THRESHOLD, what, "ask with 0.87 or more; 0.9 is usual"
    if report.short:
        plates = "1 plate has" if report.short == 1 else f"{report.short:,} plates have"
        what = f"{plates} {SHORT} characters or fewer, as parts of other plates have"
        yield LikenessFaultCode.SHORT, what, "look whether they are whole plates"
    if report.loose_wildcards:
        count = report.loose_wildcards
        plates = "1 plate has wildcards" if count == 1 else f"{count:,} plates have wildcards"
        what = f"{plates} and fewer than {LITERALS} other characters"
        yield LikenessFaultCode.LITERALS, what, "they match many cars: write more of the plate"
    if report.wildcards > MOST_WILDCARDS:
        what = f"{report.wildcards:,} plates have wildcards, with which every reading is compared"
        remedy = f"write whole plates, or at most {MOST_WILDCARDS:,} with wildcards"
        yield LikenessFaultCode.WILDCARDS, what, remedy
    if report.crowd > CROWD:
        what = f"a reading may be compared with {report.crowd:,} of its plates, which takes long"
        yield LikenessFaultCode.CROWD, what, "ask for the same plates, by `in`"


def made_up_readings(watchlist: Watchlist, count: int) -> list[str]:
    """Readings in the forms of a list's plates, none of which is on it; always the same.

    A form says where letters are and where digits. Each is as frequent as among the plates, but
    where nearly all plates of a form are on the list there are fewer readings.
    """
    plates = [*watchlist.plates, *_wildcards(watchlist)]
    step = max(1, len(plates) // _LOOKED_AT)
    forms = Counter(plate.translate(_FORMS) for plate in plates[::step])
    chance = random.Random("readings")  # noqa: S311 - always the same readings
    readings: list[str] = []
    drawn = Counter(chance.choices(tuple(forms), tuple(forms.values()), k=count) if forms else ())
    for form, missing in drawn.items():
        for _ in range(_TRIES):
            columns = [chance.choices(_CHARACTERS[each], k=missing) for each in form]
            others = map("".join, zip(*columns, strict=True))
            found = [reading for reading in others if not watchlist.may_be_on(reading)]
            readings += found
            missing -= len(found)
            if not missing:
                break
    return readings


def _wildcards(watchlist: Watchlist) -> Collection[str]:
    return watchlist.wildcards.numbers if watchlist.wildcards is not None else ()


def _threshold(watchlist: Watchlist, asked: Collection[float | None]) -> float:
    """The lowest threshold of a row without one of its own."""
    return min(watchlist.thresholds.usual if each is None else each for each in asked)


def _thresholds(watchlist: Watchlist, asked: Collection[float | None]) -> list[float]:
    """The lowest threshold that each plate without wildcards is asked with."""
    given, plates = _threshold(watchlist, asked), watchlist.plates
    if None not in asked or watchlist.thresholds.of_rows is None:
        return [given] * len(plates)
    given = min((each for each in asked if each is not None), default=1.0)
    return [min(given, watchlist.thresholds.lowest(number)) for number in plates.values()]


def _better(found: Sequence[float], lowest: float) -> float | None:
    """The threshold to use in place of the lowest one; None where that one is high enough."""
    for threshold in (lowest, *(each for each in THRESHOLDS if each > lowest)):
        hits = sum(bool(each) and each >= threshold for each in found)
        if Share(hits, len(found)).bounds[0] <= MOST_FALSE:
            return threshold if threshold != lowest else None
    return 1.0


def _first(watchlist: Watchlist, plates: Sequence[str], pairs: Pairs) -> Iterator[Pair]:
    """The first pairs, in the order in which the list completes them."""
    order = np.lexsort((pairs.first, pairs.second))[:SHOWN_PAIRS]
    shown = [
        (plates[one], plates[two], cost)
        for one, two, cost in zip(
            pairs.first[order].tolist(),
            pairs.second[order].tolist(),
            pairs.cost[order].tolist(),
            strict=True,
        )
    ]
    lines = lines_of(watchlist, {plate for one, two, _ in shown for plate in (one, two)})
    for one, two, cost in shown:
        yield Pair(
            lines=(lines.get(one, 0), lines.get(two, 0)),
            likeness=likeness_of(cost, max(len(one), len(two))),
            edits=edits_text(edits_of(one, two, watchlist.costs)),
        )


def lines_of(watchlist: Watchlist, plates: Collection[str]) -> dict[str, int]:
    """The line of the first row of each of these plates of the list, where it is known."""
    found: dict[str, int] = {}
    for plate in plates:
        number = watchlist.plates[plate]
        row = number if number >= 0 else watchlist.repeated[-1 - number][0]
        line = watchlist.lines.line_of(row)
        if line:
            found[plate] = line
    missing = {*plates} - found.keys()
    # Of rows that have only a plate the list does not keep the lines.
    return {**found, **_lines_in(watchlist.path, missing)} if missing else found


def _lines_in(path: Path, plates: set[str]) -> dict[str, int]:
    """The first line of a list's file for each of these plates; none where it has changed."""
    found: dict[str, int] = {}
    try:
        with path.open("rb") as file:
            is_wide = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        with path.open(encoding="utf-16" if is_wide else "utf-8-sig", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                for plate in plates.intersection(map(normalise, _CELLS.split(line))):
                    found[plate] = number
                    plates.discard(plate)
                if not plates:
                    break
    except OSError:
        pass
    return found
