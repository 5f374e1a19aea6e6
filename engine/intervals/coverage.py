"""Whether an interval or a schedule holds never, always, or sometimes.

What holds can change only at a local midnight, at the ends of its times of day, and where a zone's
offset changes. So it is enough to look at these moments. The days of all years need not be looked
at either: between years that patterns name, the calendar has 14 kinds of years.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import Enum, auto
from typing import Final

from engine.intervals.interval import MINUTES_OF_DAY, Pattern

#: Older moments don't count: no event has them, and zones had other rules.
FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 9998
#: So many years in a row contain 28 without an irregular century year among them, and so all
#: kinds of years.
_YEARS_OF_ALL_KINDS: Final = 56
_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


class Coverage(Enum):
    """How much of the time something holds."""

    NEVER = auto()
    SOMETIMES = auto()
    ALWAYS = auto()


def coverage(holds: Callable[[datetime], bool], patterns: Iterable[Pattern]) -> Coverage:
    """How much of the time, from the year 2000 on, `holds` is true, which depends on `patterns`."""
    known = tuple(patterns)
    zones: dict[tzinfo, set[int]] = {}
    for pattern in known:
        minutes = zones.setdefault(pattern.zone, {0})
        minutes.update(minute % MINUTES_OF_DAY for times in pattern.times for minute in times)
    found = set[bool]()
    for moment in _moments(known, zones):
        found.add(holds(moment))
        if len(found) == 2:
            return Coverage.SOMETIMES
    return Coverage.ALWAYS if True in found else Coverage.NEVER


def _moments(patterns: tuple[Pattern, ...], zones: dict[tzinfo, set[int]]) -> Iterator[datetime]:
    """The moments at which what holds may change, and one moment of every kind of year.

    The years that patterns name come first: most intervals are decided there.
    """
    yield datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    for first, last in sorted(_spans(patterns), key=lambda span: span[1] - span[0]):
        day = date(first, 1, 1)
        end = date(min(last, first + _YEARS_OF_ALL_KINDS - 1), 12, 31)
        while day <= end:
            for zone, minutes in zones.items():
                yield from _moments_of_day(day, zone, minutes)
            day += _DAY


def _spans(patterns: tuple[Pattern, ...]) -> list[tuple[int, int]]:
    """The first and last years of the spans inside of which all years count alike, but by kind."""
    starts = {FIRST_YEAR}
    for pattern in patterns:
        dates = ((first.year, last.year) for first, last in pattern.dates)
        for first, last in (*pattern.years, *dates):
            # A date is in one year only; that a range of years is cut here costs little.
            starts.update((first, first + 1, last, last + 1))
    ordered = sorted(year for year in starts if FIRST_YEAR <= year <= _LAST_YEAR)
    ends = [year - 1 for year in ordered[1:]] + [_LAST_YEAR]
    return list(zip(ordered, ends, strict=True))


def _moments_of_day(day: date, zone: tzinfo, minutes: Iterable[int]) -> Iterator[datetime]:
    """The moments of a local day at which these minutes are shown, or the offset changes."""
    for minute in minutes:
        shown = datetime.combine(day, time(*divmod(minute, 60)), zone)
        yield shown.astimezone(UTC)
        if shown.utcoffset() != shown.replace(fold=1).utcoffset():
            yield shown.replace(fold=1).astimezone(UTC)
    start = datetime.combine(day, time(), zone).astimezone(UTC)
    if _offset(start, zone) != _offset(start + _DAY, zone):
        yield _change(start, start + _DAY, zone)


def _change(start: datetime, end: datetime, zone: tzinfo) -> datetime:
    """The first second between two moments from which on the offset is that of the end."""
    before = _offset(start, zone)
    while end - start > _SECOND:
        middle = start + (end - start) // 2
        if _offset(middle, zone) == before:
            start = middle
        else:
            end = middle
    return end.replace(microsecond=0)


def _offset(moment: datetime, zone: tzinfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()
