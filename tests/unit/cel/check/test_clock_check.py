"""Warnings of clocks that are read in UTC where the site has another zone."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

import pytest

from engine.cel import compile_expression, compile_template
from tests.unit.cel.plate_variables import VARIABLES

BERLIN = ZoneInfo("Europe/Berlin")
KOLKATA = ZoneInfo("Asia/Kolkata")


def remedies(text: str, zone: tzinfo = BERLIN) -> list[str]:
    """What is to be written instead, by the warnings of the expression."""
    problems = compile_expression(text, VARIABLES, zone=zone).warnings
    assert {problem.code for problem in problems} <= {"utc-clock"}
    return [problem.remedy for problem in problems]


@pytest.mark.parametrize(
    "part",
    ["getHours", "getDayOfWeek", "getDate", "getDayOfMonth", "getDayOfYear", "getMonth"],
)
def test_a_part_that_differs_between_zones_is_warned_of(part: str) -> None:
    assert remedies(f"time.{part}() > 5") == [f'write time.{part}("Europe/Berlin")']
    assert remedies(f'time.{part}("UTC") > 5') == []
    assert remedies(f'time.{part}("Europe/Berlin") > 5') == []


def test_the_year_differs_too() -> None:
    assert remedies("time.getFullYear() > 2025") == ['write time.getFullYear("Europe/Berlin")']


def test_minutes_differ_only_where_the_zone_is_off_by_half_an_hour() -> None:
    assert remedies("time.getMinutes() == 30") == []
    assert remedies("time.getMinutes() == 30", KOLKATA) == ['write time.getMinutes("Asia/Kolkata")']


@pytest.mark.parametrize("part", ["getSeconds", "getMilliseconds"])
def test_seconds_differ_nowhere(part: str) -> None:
    assert remedies(f"time.{part}() == 30", KOLKATA) == []


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("UTC"), ZoneInfo("Etc/UTC")])
def test_a_site_in_utc_is_not_warned(zone: tzinfo) -> None:
    assert remedies("time.getHours() > 5", zone) == []


def test_a_span_has_no_zone() -> None:
    text = "(time - timestamp('2025-12-25T12:00:00Z')).getHours() > 5"
    assert remedies(text) == []


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("(time - duration('1h')).getHours() > 5", '(time - duration("1h")).getHours("…")'),
        ("cel.bind(t, time, t.getHours() > 5)", 't.getHours("…")'),
        ("[time].exists(t, t.getDate() == 1)", 't.getDate("…")'),
        ("timestamp('2025-12-25T12:00:00Z').getHours() > 5 && is_test", None),
    ],
)
def test_the_remedy_is_the_call_to_write(text: str, remedy: str | None) -> None:
    expected = remedy or 'timestamp("2025-12-25T12:00:00Z").getHours("…")'
    assert remedies(text) == [f"write {expected.replace('…', 'Europe/Berlin')}"]


def test_each_call_is_warned_of_at_its_place() -> None:
    problems = compile_expression(
        "time.getHours() >= 22 || time.getHours() < 5", VARIABLES, zone=BERLIN
    ).warnings
    assert [problem.offset for problem in problems] == [5, 30]


def test_a_placeholder_is_warned_of_too() -> None:
    template = compile_template("at {time.getHours()} o'clock", VARIABLES, zone=BERLIN)
    (warning,) = template.warnings
    assert (warning.offset, warning.remedy) == (9, 'write time.getHours("Europe/Berlin")')
