"""Intervals that never hold, and those that always do."""

from __future__ import annotations

from datetime import UTC, date
from random import Random
from zoneinfo import ZoneInfo

import pytest

from engine.intervals import Coverage, Pattern, Schedule, TimeInterval, coverage
from tests.unit.intervals.oracle import OFFSETS, random_interval, random_moment

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
MONDAY, SUNDAY = 0, 6
LATE, EARLY = ((22 * 60, 5 * 60),), ((5 * 60, 22 * 60),)
SKIPPED = ((2 * 60 + 10, 2 * 60 + 50),)


def pattern(**parts: object) -> Pattern:
    return Pattern(**{"zone": BERLIN, **parts})  # type: ignore[arg-type]


def of(*patterns: Pattern, without: tuple[Pattern, ...] = ()) -> Coverage:
    excepted = (TimeInterval("excepted", without),) if without else ()
    found = TimeInterval("named", patterns, excepted)
    return coverage(found.holds, found.all_patterns())


def days(first: str, last: str) -> tuple[tuple[date, date], ...]:
    return ((date.fromisoformat(first), date.fromisoformat(last)),)


FEBRUARY, MARCH = frozenset({2}), frozenset({3})


@pytest.mark.parametrize(
    "parts",
    [
        {"months": FEBRUARY, "days_of_month": ((30, 31),)},
        {"months": FEBRUARY, "days_of_month": ((29, 29),), "years": ((2025, 2027),)},
        {"months": FEBRUARY, "days_of_month": ((29, 29),), "years": ((2100, 2100),)},
        {"dates": days("2026-07-01", "2026-07-04"), "weekdays": frozenset({SUNDAY})},
        {"dates": days("2026-07-01", "2026-07-04"), "years": ((2027, 2040),)},
        {"days_of_month": ((1, 7),), "dates": days("2026-07-08", "2026-07-31")},
        {"years": ((1990, 1999),)},
        # The clock shows none of this on the day of the change.
        {"dates": days("2026-03-29", "2026-03-29"), "times": SKIPPED},
        {
            "times": SKIPPED,
            "months": MARCH,
            "days_of_month": ((-7, -1),),
            "weekdays": frozenset({SUNDAY}),
        },
    ],
)
def test_parts_that_never_hold_together_are_found(parts: dict[str, object]) -> None:
    assert of(pattern(**parts)) is Coverage.NEVER


@pytest.mark.parametrize(
    "parts",
    [
        {"months": FEBRUARY, "days_of_month": ((29, 29),)},
        # Once in 28 years.
        {"months": FEBRUARY, "days_of_month": ((29, 29),), "weekdays": frozenset({MONDAY})},
        {"dates": days("2026-07-01", "2026-07-05"), "weekdays": frozenset({SUNDAY})},
        {"dates": days("2026-03-29", "2026-03-29"), "times": ((2 * 60, 3 * 60 + 1),)},
        {"dates": days("2026-10-25", "2026-10-25"), "times": SKIPPED},
        # It begins where the clock jumps into it.
        {"dates": days("2026-03-29", "2026-03-29"), "times": ((2 * 60 + 30, 3 * 60 + 5),)},
        {"dates": days("2480-02-29", "2480-02-29")},
        {"times": ((0, 24 * 60 - 1),)},
        {"times": ((1, 24 * 60),)},
        {"years": ((2020, 9000),)},
        {"dates": days("2020-01-01", "2030-12-30")},
        {"days_of_month": ((1, 30),)},
        {"weekdays": frozenset(range(6))},
    ],
)
def test_parts_that_hold_sometimes_are_found(parts: dict[str, object]) -> None:
    assert of(pattern(**parts)) is Coverage.SOMETIMES


@pytest.mark.parametrize(
    "patterns",
    [
        [{}],
        [{"times": ((0, 24 * 60),)}],
        [{"times": (*LATE, *EARLY)}],
        [{"times": LATE}, {"times": EARLY}],
        [{"weekdays": frozenset(range(5))}, {"weekdays": frozenset({5, 6})}],
        [{"months": frozenset(range(1, 13)), "days_of_month": ((1, 15), (16, -1))}],
        [{"years": ((1, 2030),)}, {"years": ((2031, 9999),)}],
        # By the clock of New York the week has no other days.
        [
            {"weekdays": frozenset(range(4))},
            {"weekdays": frozenset({3, 4, 5, 6}), "zone": NEW_YORK},
            {"weekdays": frozenset({4, 6})},
        ],
    ],
)
def test_patterns_that_always_hold_together_are_found(patterns: list[dict[str, object]]) -> None:
    assert of(*(pattern(**parts) for parts in patterns)) is Coverage.ALWAYS


def test_what_an_exception_takes_away_counts() -> None:
    weekend = pattern(weekdays=frozenset({5, 6}))
    assert of(weekend, without=(weekend,)) is Coverage.NEVER
    assert of(weekend, without=(pattern(),)) is Coverage.NEVER
    # While it is Sunday in Berlin it may be Saturday in New York, but not all the time.
    there = pattern(weekdays=frozenset({5}), zone=NEW_YORK)
    assert of(pattern(weekdays=frozenset({6})), without=(there,)) is Coverage.SOMETIMES
    assert of(pattern(), without=(pattern(years=((1, 1999),)),)) is Coverage.ALWAYS


def test_a_schedule_that_never_counts_is_found() -> None:
    night = TimeInterval("night", (pattern(times=LATE),))
    rest = TimeInterval("rest", (pattern(times=((21 * 60, 6 * 60),)),))
    never, sometimes = Schedule((night,), (rest,)), Schedule((rest,), (night,))
    assert coverage(never.counts, never.all_patterns()) is Coverage.NEVER
    assert coverage(sometimes.counts, sometimes.all_patterns()) is Coverage.SOMETIMES


def disagreements(seed: int, count: int) -> tuple[list[str], set[Coverage]]:
    """Random intervals that are said to hold never or always, and don't at some moment."""
    random = Random(seed)
    wrong, seen = [], set[Coverage]()
    for _ in range(count):
        zone = random.choice(tuple(OFFSETS))
        made = random_interval(random, zone)
        # Half of an interval and half of what remains are all or nothing more often.
        rest = TimeInterval("rest", (Pattern(UTC),), (made,))
        asked = random.choice((made, rest, TimeInterval("none", made.patterns, (made,))))
        found = coverage(asked.holds, asked.all_patterns())
        seen.add(found)
        held = {asked.holds(random_moment(random, zone)) for _ in range(50)}
        expected = {Coverage.NEVER: {False}, Coverage.ALWAYS: {True}}.get(found, held)
        if held != expected:
            wrong.append(f"{asked} is said to hold {found}")
    return wrong, seen


@pytest.mark.slow
def test_what_never_or_always_holds_does_so_at_random_moments() -> None:
    wrong, seen = disagreements(seed=3, count=300)
    assert wrong == []
    assert Coverage.NEVER in seen


def test_a_change_of_the_offset_alone_is_noticed() -> None:
    # In New York and Berlin the clocks differ by six hours, but by five for some weeks.
    six = pattern(times=((12 * 60, 18 * 60),))
    there = pattern(times=((6 * 60, 12 * 60),), zone=NEW_YORK)
    assert of(six, without=(there,)) is Coverage.SOMETIMES
    assert of(six, without=(there, pattern(months=frozenset({3, 10, 11})))) is Coverage.NEVER
