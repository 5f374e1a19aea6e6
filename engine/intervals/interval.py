"""A time interval: a set of moments, described by times of day, weekdays, dates and a zone.

The wall clock of the zone decides. A time of day that the change to daylight saving skips does not
occur on that day; one that is shown twice on the way back counts both times.
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

MINUTES_OF_DAY: Final = 24 * 60
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Times of day on certain days in one zone; a part that is empty excludes nothing.

    `times` are ranges of minutes since midnight, without their last minute. A range whose end is
    not after its start runs over midnight; it belongs to the day on which it starts, in all parts.
    `weekdays` count from 0, Monday. `days_of_month` are ranges from 1 to 31, or from -31 to -1 for
    days counted from the month's end. Ranges of `days_of_month`, `years` and `dates` include both
    ends. `dates` are sorted and don't overlap.
    """

    zone: tzinfo
    times: tuple[tuple[int, int], ...] = ()
    weekdays: frozenset[int] = frozenset()
    days_of_month: tuple[tuple[int, int], ...] = ()
    months: frozenset[int] = frozenset()
    years: tuple[tuple[int, int], ...] = ()
    dates: tuple[tuple[date, date], ...] = ()

    def holds(self, moment: datetime) -> bool:
        """Whether an aware moment is among its times; OverflowError at the calendar's ends."""
        local = moment.astimezone(self.zone)
        if not self.times:
            return self.has_day(local.date())
        minute = local.hour * 60 + local.minute
        for start, end in self.times:
            if start <= minute < end or minute >= start >= end:
                if self.has_day(local.date()):
                    return True
            elif minute < end <= start and self.has_day(local.date() - _DAY):
                return True
        return False

    def has_day(self, day: date) -> bool:
        """Whether times that start on this day count."""
        if self.weekdays and day.weekday() not in self.weekdays:
            return False
        if self.months and day.month not in self.months:
            return False
        if self.years and not any(first <= day.year <= last for first, last in self.years):
            return False
        if self.dates:
            place = bisect_right(self.dates, (day, date.max)) - 1
            if place < 0 or day > self.dates[place][1]:
                return False
        return not self.days_of_month or self._has_day_of_month(day)

    def _has_day_of_month(self, day: date) -> bool:
        length = monthrange(day.year, day.month)[1]
        for first, last in self.days_of_month:
            start = first if first > 0 else length + 1 + first
            end = last if last > 0 else length + 1 + last
            if start <= day.day <= end:
                return True
        return False


@dataclass(frozen=True, slots=True)
class TimeInterval:
    """The moments of any of its `patterns` that are in none of the `excepted` intervals."""

    name: str
    patterns: tuple[Pattern, ...]
    excepted: tuple[TimeInterval, ...] = ()

    def holds(self, moment: datetime) -> bool:
        """Whether an aware moment is inside of it; moments at the calendar's ends are not."""
        try:
            for pattern in self.patterns:
                if pattern.holds(moment):
                    break
            else:
                return False
        except OverflowError:
            return False
        return not any(each.holds(moment) for each in self.excepted)

    def all_patterns(self) -> Iterator[Pattern]:
        """Its patterns, and those of the excepted intervals at any depth."""
        yield from self.patterns
        for each in self.excepted:
            yield from each.all_patterns()
