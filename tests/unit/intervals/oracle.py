"""A plain second opinion on time intervals, and the moments to ask both for.

The oracle has the offsets of five zones over 2026 written out, lists the days of a month one by
one, and lays every range of times on the calendar as two local moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from engine.intervals import Pattern, TimeInterval

MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)

#: The offset from UTC in minutes at the start of 2026, and both changes of the year.
OFFSETS: Final[dict[str, tuple[int, tuple[tuple[str, int], ...]]]] = {
    "Europe/Berlin": (60, (("2026-03-29T01:00", 120), ("2026-10-25T01:00", 60))),
    "America/New_York": (-300, (("2026-03-08T07:00", -240), ("2026-11-01T06:00", -300))),
    "Australia/Lord_Howe": (660, (("2026-04-04T15:00", 630), ("2026-10-03T15:30", 660))),
    "America/Santiago": (-180, (("2026-04-05T03:00", -240), ("2026-09-06T04:00", -180))),
    "Asia/Beirut": (120, (("2026-03-28T22:00", 180), ("2026-10-24T21:00", 120))),
}


def changes(zone: str) -> list[datetime]:
    """The two moments of 2026 at which the zone's offset changes."""
    return [datetime.fromisoformat(text).replace(tzinfo=UTC) for text, _ in OFFSETS[zone][1]]


def wall_clock(moment: datetime, zone: str) -> datetime:
    """What a clock on the wall shows, without a zone."""
    minutes, later = OFFSETS[zone]
    for text, offset in later:
        if moment >= datetime.fromisoformat(text).replace(tzinfo=UTC):
            minutes = offset
    return moment.replace(tzinfo=None) + timedelta(minutes=minutes)


def holds(interval: TimeInterval, moment: datetime) -> bool:
    """Whether the moment, of 2026, is inside of the interval."""
    return any(_is_in_pattern(each, moment) for each in interval.patterns) and not any(
        holds(each, moment) for each in interval.excepted
    )


def _is_in_pattern(pattern: Pattern, moment: datetime) -> bool:
    shown = wall_clock(moment, str(pattern.zone))
    for start, end in pattern.times or ((0, 24 * 60),):
        for day in (shown.date() - DAY, shown.date()):
            midnight = datetime.combine(day, time())
            begins = midnight + start * MINUTE
            ends = midnight + (end if end > start else end + 24 * 60) * MINUTE
            if begins <= shown < ends and _has_day(pattern, day):
                return True
    return False


def _has_day(pattern: Pattern, day: date) -> bool:
    days = [date(day.year, day.month, 1)]
    while (days[-1] + DAY).month == day.month:
        days.append(days[-1] + DAY)
    chosen: set[date] = set()
    for first, last in pattern.days_of_month:
        place = first - 1 if first > 0 else len(days) + first
        end = last if last > 0 else len(days) + last + 1
        chosen.update(days[max(place, 0) : max(end, 0)] if place < len(days) else ())
    return all(
        (
            not pattern.weekdays or day.isoweekday() - 1 in pattern.weekdays,
            not pattern.months or day.month in pattern.months,
            not pattern.years or any(day.year in range(a, b + 1) for a, b in pattern.years),
            not pattern.dates or any(a <= day <= b for a, b in pattern.dates),
            not pattern.days_of_month or day in chosen,
        )
    )


def random_moment(random: Random, zone: str) -> datetime:
    """A moment of 2026; every second one is within a day and a half of a change of the zone."""
    if random.random() < 0.5:
        start = random.choice(changes(zone)) - timedelta(hours=36)
        minutes = random.randrange(72 * 60)
    else:
        start, minutes = datetime(2026, 1, 3, tzinfo=UTC), random.randrange(360 * 24 * 60)
    return start + timedelta(minutes=minutes, seconds=random.choice((0, 0, 1, 59.999999)))


def random_interval(random: Random, zone: str, depth: int = 0) -> TimeInterval:
    """An interval of the zone, with parts that hold often enough; it may except another one."""
    patterns = tuple(_random_pattern(random, zone) for _ in range(random.choice((1, 1, 2))))
    excepted: tuple[TimeInterval, ...] = ()
    if depth == 0 and random.random() < 0.3:
        other = random.choice(tuple(OFFSETS)) if random.random() < 0.2 else zone
        excepted = (random_interval(random, other, depth + 1),)
    return TimeInterval("random", patterns, excepted)


def _random_pattern(random: Random, zone: str) -> Pattern:
    pattern = Pattern(ZoneInfo(zone))
    if random.random() < 0.7:
        pattern = replace(
            pattern, times=tuple(_times(random) for _ in range(random.choice((1, 2))))
        )
    if random.random() < 0.4:
        pattern = replace(pattern, weekdays=frozenset(random.sample(range(7), 4)))
    if random.random() < 0.3:
        pattern = replace(pattern, months=frozenset(random.sample(range(1, 13), 8)))
    if random.random() < 0.3:
        pattern = replace(pattern, days_of_month=tuple(_days(random)))
    if random.random() < 0.2:
        pattern = replace(
            pattern, years=random.choice((((2026, 2026),), ((2020, 2025), (2026, 2030))))
        )
    if random.random() < 0.2:
        pattern = replace(pattern, dates=tuple(_dates(random, zone)))
    return pattern


def _times(random: Random) -> tuple[int, int]:
    start = random.choice((0, 22 * 60, 120, 150, random.randrange(24 * 60)))
    end = random.choice((5 * 60, 150, 180, 24 * 60, random.randrange(1, 24 * 60)))
    return (start, end) if start != end else (start, start + 1)


def _days(random: Random) -> Iterator[tuple[int, int]]:
    yield random.choice(((1, 20), (10, 31), (29, 31), (-10, -1), (-31, -15), (5, -3), (25, -1)))
    if random.random() < 0.5:
        yield random.choice(((1, 1), (-1, -1), (31, 31), (7, 8)))


def _dates(random: Random, zone: str) -> Iterator[tuple[date, date]]:
    for change in changes(zone):
        first = change.date() - random.randrange(4) * DAY
        yield first, first + random.randrange(5) * DAY
