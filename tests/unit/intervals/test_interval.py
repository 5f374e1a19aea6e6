"""Whether moments are inside of intervals, against the oracle and by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from random import Random
from zoneinfo import ZoneInfo

import pytest

from engine.intervals import Pattern, TimeInterval
from tests.unit.intervals import oracle
from tests.unit.intervals.oracle import OFFSETS, changes, random_interval, random_moment

NIGHT = (22 * 60, 5 * 60)
BERLIN = ZoneInfo("Europe/Berlin")


def interval(*excepted: TimeInterval, **parts: object) -> TimeInterval:
    return TimeInterval("named", (Pattern(**{"zone": BERLIN, **parts}),), excepted)  # type: ignore[arg-type]


def held(interval: TimeInterval, *texts: str) -> list[bool]:
    """Whether local times of Berlin are inside."""
    return [interval.holds(datetime.fromisoformat(text).replace(tzinfo=BERLIN)) for text in texts]


def agree(seed: int, count: int, moments_each: int = 10) -> tuple[int, int]:
    """Ask both about `count` moments; how many were inside, how many near a change."""
    random = Random(seed)
    inside = near = 0
    for _ in range(count // moments_each):
        zone = random.choice(tuple(OFFSETS))
        asked = random_interval(random, zone)
        for _ in range(moments_each):
            moment = random_moment(random, zone)
            found = asked.holds(moment)
            assert found == oracle.holds(asked, moment), f"{asked} at {moment}"
            inside += found
            near += any(abs(moment - change) < timedelta(hours=2) for change in changes(zone))
    return inside, near


def test_intervals_hold_as_the_oracle_says() -> None:
    inside, near = agree(seed=1, count=3_000)
    assert inside > 300
    assert near > 60


@pytest.mark.slow
def test_intervals_hold_as_the_oracle_says_at_many_moments() -> None:
    inside, near = agree(seed=2, count=100_000)
    assert inside > 10_000
    assert near > 2_000


@pytest.mark.slow
@pytest.mark.parametrize("zone", OFFSETS)
def test_every_minute_around_both_changes_is_as_the_oracle_says(zone: str) -> None:
    random = Random(zone)
    for change in changes(zone):
        for _ in range(8):
            asked = random_interval(random, zone)
            for minute in range(-26 * 60, 26 * 60):
                moment = change + timedelta(minutes=minute)
                assert asked.holds(moment) == oracle.holds(asked, moment), f"{asked} at {moment}"


def test_a_range_over_midnight_belongs_to_the_day_on_which_it_starts() -> None:
    friday = interval(times=(NIGHT,), weekdays=frozenset({4}))
    # 2026-07-03 is a Friday.
    assert held(friday, "2026-07-03T22:00", "2026-07-04T04:59:59") == [True, True]
    assert held(friday, "2026-07-03T04:00", "2026-07-04T05:00", "2026-07-04T23:00") == [False] * 3
    last = interval(times=(NIGHT,), days_of_month=((-1, -1),))
    assert held(last, "2026-07-01T01:00", "2026-06-30T23:00", "2026-07-01T23:00") == [
        True,
        True,
        False,
    ]
    december = interval(times=(NIGHT,), months=frozenset({12}), years=((2026, 2026),))
    assert held(december, "2027-01-01T03:00", "2026-12-01T03:00") == [True, False]


def test_a_time_ends_before_its_end() -> None:
    hours = interval(times=((8 * 60, 17 * 60),))
    assert held(hours, "2026-07-03T08:00", "2026-07-03T16:59:59.999999") == [True, True]
    assert held(hours, "2026-07-03T17:00", "2026-07-03T07:59:59") == [False, False]


def test_an_hour_that_is_shown_twice_counts_both_times() -> None:
    hour = interval(times=((2 * 60, 3 * 60),))
    start = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    found = [hour.holds(start + timedelta(minutes=30 * step)) for step in range(-1, 5)]
    assert found == [False, True, True, True, True, False]


def test_an_hour_that_is_skipped_does_not_occur() -> None:
    hour = interval(times=((2 * 60, 3 * 60),))
    start = datetime(2026, 3, 29, tzinfo=UTC)
    assert not any(hour.holds(start + timedelta(minutes=step)) for step in range(20 * 60))


def test_days_that_a_month_lacks_are_not_those_of_the_next() -> None:
    late = interval(days_of_month=((30, 31),))
    assert held(late, "2026-02-28T12:00", "2026-03-01T12:00", "2026-04-30T12:00") == [
        False,
        False,
        True,
    ]
    early = interval(days_of_month=((-31, -30),))
    assert held(early, "2026-02-01T12:00", "2026-04-01T12:00", "2026-05-02T12:00") == [
        False,
        True,
        True,
    ]


def test_an_exception_of_an_exception_counts_again() -> None:
    market = interval(times=((6 * 60, 9 * 60),))
    closed = interval(market, weekdays=frozenset({6}))
    work = interval(closed)
    # A Sunday.
    assert held(work, "2026-07-05T07:00", "2026-07-05T10:00", "2026-07-06T10:00") == [
        True,
        False,
        True,
    ]


def test_moments_at_the_ends_of_the_calendar_are_outside() -> None:
    night = interval(times=(NIGHT,))
    east, west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-14))
    assert not night.holds(datetime.min.replace(tzinfo=east))
    assert not night.holds(datetime.min.replace(tzinfo=UTC))
    assert not night.holds(datetime.max.replace(tzinfo=west))
