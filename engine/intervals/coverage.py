"""Whether an interval or a schedule holds never, always, or sometimes.

What holds can change only at a local midnight, at the ends of its times of day, and where a zone's
offset changes. So it is enough to look at these moments, on one day of each kind: days are alike
where the patterns count alike on them and around them, and all zones have the same offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum, auto
from typing import Final

from engine.intervals.interval import Pattern

#: Earlier moments don't count: no event has them, and zones had other rules.
FIRST_YEAR: Final = 2020
_LAST_YEAR: Final = 9998
#: In so many years in a row the calendar has all of its 14 kinds of years, unless a century year
#: without a leap day is among them.
_CYCLE: Final = 28
#: The local days that a day of UTC may touch, and the one before: its times may run over midnight.
_TOUCHED: Final = (-2, -1, 0, 1)
_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


class Coverage(Enum):
    """How much of the time something holds."""

    NEVER = auto()
    SOMETIMES = auto()
    ALWAYS = auto()


def coverage(holds: Callable[[datetime], bool], patterns: Iterable[Pattern]) -> Coverage:
    """How much of the time, from the year 2020 on, `holds` is true, which depends on `patterns`."""
    found = set[bool]()
    for moment in _moments(tuple(dict.fromkeys(patterns))):
        found.add(holds(moment))
        if len(found) == 2:
            return Coverage.SOMETIMES
    return Coverage.ALWAYS if True in found else Coverage.NEVER


def _moments(patterns: tuple[Pattern, ...]) -> Iterator[datetime]:
    """The moments at which what holds may change, on one day of each kind.

    The years that patterns name come first: most intervals are decided there.
    """
    minutes: dict[tzinfo, set[int]] = {}
    for pattern in patterns:
        of_zone = minutes.setdefault(pattern.zone, {0})
        of_zone.update(minute for times in pattern.times for minute in times)
    seen = set[object]()
    for first, last in sorted(_spans(patterns), key=lambda span: span[1] - span[0]):
        start = datetime(first, 1, 1, tzinfo=UTC)
        end = datetime(min(last + 1, _end_of_all_kinds(first)), 1, 1, tzinfo=UTC)
        days = [start.date() + step * _DAY for step in _TOUCHED]
        counts = [tuple(each.has_day(day - _DAY) for each in patterns) for day in days]
        offsets = [_offset(start, zone) for zone in minutes]
        while start < end:
            before, offsets = offsets, [_offset(start + _DAY, zone) for zone in minutes]
            tomorrow = start.date() + _DAY
            counts = [*counts[1:], tuple(each.has_day(tomorrow) for each in patterns)]
            kind = (tuple(counts), tuple(before))
            if offsets != before:
                yield from _moments_of_change(start, minutes)
            elif kind not in seen:
                seen.add(kind)
                yield from _moments_of_day(start, zip(minutes.values(), before, strict=True))
            start += _DAY


def _spans(patterns: tuple[Pattern, ...]) -> list[tuple[int, int]]:
    """The first and last years of the spans inside of which all years count alike, but by kind."""
    starts = {FIRST_YEAR}
    for pattern in patterns:
        dates = ((day.year, day.year) for days in pattern.dates for day in days)
        for first, last in (*pattern.years, *dates):
            starts.update((first, last + 1))
    ordered = sorted(year for year in starts if FIRST_YEAR <= year <= _LAST_YEAR)
    ends = [year - 1 for year in ordered[1:]] + [_LAST_YEAR]
    return list(zip(ordered, ends, strict=True))


def _end_of_all_kinds(first: int) -> int:
    """The year before which the calendar has had all kinds of years since `first`."""
    end = first + _CYCLE
    is_regular = all(year % 100 or not year % 400 for year in range(first, end))
    return end if is_regular else end + _CYCLE


def _moments_of_day(
    start: datetime, shown: Iterable[tuple[Iterable[int], timedelta]]
) -> Iterator[datetime]:
    """The start of a day of UTC, and when clocks of these offsets show these minutes."""
    yield start
    for minutes, offset in shown:
        for minute in minutes:
            yield start + (minute * _MINUTE - offset) % _DAY


def _moments_of_change(start: datetime, minutes: dict[tzinfo, set[int]]) -> Iterator[datetime]:
    """The moments of a day of UTC on which the offset of a zone changes."""
    for zone, of_zone in minutes.items():
        offsets = {_offset(start, zone), _offset(start + _DAY, zone)}
        yield from _moments_of_day(start, ((of_zone, offset) for offset in offsets))
        if len(offsets) > 1:
            yield _change(start, start + _DAY, zone)


def _change(start: datetime, end: datetime, zone: tzinfo) -> datetime:
    """The first second between two moments from which on the offset is that of the end."""
    before = _offset(start, zone)
    while end - start > _SECOND:
        middle = (start + (end - start) // 2).replace(microsecond=0)
        if _offset(middle, zone) == before:
            start = middle
        else:
            end = middle
    return end


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()
