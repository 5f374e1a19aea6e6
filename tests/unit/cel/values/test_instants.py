"""Timestamps, durations and time zones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import evaluate
from engine.cel.values.instants import (
    find_zone,
    format_duration,
    format_timestamp,
    parse_duration,
    parse_timestamp,
)
from engine.cel.values.values import (
    DURATION_MAX,
    DURATION_MIN,
    TIMESTAMP_MAX,
    TIMESTAMP_MIN,
    Duration,
    FailureKind,
    Timestamp,
)
from engine.errors import EvaluationError


def failure_of(expression: str) -> str:
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression)
    return caught.value.error_type


@given(st.integers(TIMESTAMP_MIN, TIMESTAMP_MAX).map(Timestamp))
def test_a_timestamp_reads_back_from_its_text(value: Timestamp) -> None:
    assert parse_timestamp(format_timestamp(value)) == value


@given(st.integers(DURATION_MIN, DURATION_MAX).map(Duration))
def test_a_duration_reads_back_from_its_text(value: Duration) -> None:
    assert parse_duration(format_duration(value)) == value


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("1h30m", 5_400 * 10**9),
        ("-1.5s", -1_500_000_000),
        (".5ms", 500_000),
        ("1.s", 10**9),
        ("+2µs", 2_000),
        ("1us1ns", 1_001),
    ],
)
def test_durations_are_read_as_written(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == Duration(nanoseconds)


@pytest.mark.parametrize("text", ["", "-", "1", "1h 2m", "s", ".s", "1d", "1e3s", "h1", "9" * 99])
def test_what_is_no_duration_fails(text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        parse_duration(text)
    assert caught.value.error_type == FailureKind.BAD_CONVERSION


def test_a_timestamp_with_an_offset_is_the_same_instant() -> None:
    utc = parse_timestamp("2025-12-25T16:00:00.500Z")
    assert parse_timestamp("2025-12-25T17:00:00.5+01:00") == utc
    assert format_timestamp(parse_timestamp("0999-01-01T00:00:00Z")) == "0999-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "text",
    ["2025-12-25", "2025-12-25T16:00:00", "2025-12-25 16:00:00Z", "2025-12-25T16:00:00z", "now"],
)
def test_what_is_no_timestamp_fails(text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        parse_timestamp(text)
    assert caught.value.error_type == FailureKind.BAD_CONVERSION


@pytest.mark.parametrize(
    "text",
    ["2025-02-30T00:00:00Z", "2025-01-01T24:00:00Z", "0001-01-01T00:00:00+01:00",
     "9999-12-31T23:59:59-01:00", "2025-01-01T00:00:00+24:00"],
)  # fmt: skip
def test_a_time_that_is_not_on_the_calendar_fails(text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        parse_timestamp(text)
    assert caught.value.error_type == FailureKind.OUT_OF_RANGE


def test_the_parts_are_those_on_the_clocks_of_the_zone() -> None:
    stamp = "timestamp('2025-12-31T23:30:15.250Z')"
    assert evaluate(f"{stamp}.getFullYear()") == 2025
    assert evaluate(f"{stamp}.getFullYear('Europe/Berlin')") == 2026
    assert evaluate(f"{stamp}.getMonth('+00:30')") == 0
    assert evaluate(f"{stamp}.getDate('-08:00')") == 31
    assert evaluate(f"{stamp}.getDayOfMonth()") == 30
    assert evaluate(f"{stamp}.getDayOfWeek()") == 3
    assert evaluate(f"{stamp}.getDayOfYear()") == 364
    assert evaluate(f"{stamp}.getHours('America/New_York')") == 18
    assert evaluate(f"{stamp}.getMinutes('Asia/Kathmandu')") == 15
    assert evaluate(f"{stamp}.getSeconds() + {stamp}.getMilliseconds()") == 265


def test_summer_time_is_observed() -> None:
    assert evaluate("timestamp('2025-07-01T12:00:00Z').getHours('Europe/Berlin')") == 14
    assert evaluate("timestamp('2025-01-01T12:00:00Z').getHours('Europe/Berlin')") == 13


def test_the_parts_of_a_duration_are_whole_units() -> None:
    assert evaluate("duration('3730.5s').getHours()") == 1
    assert evaluate("duration('3730.5s').getMinutes()") == 62
    assert evaluate("duration('-3730.5s').getSeconds()") == -3730
    assert evaluate("duration('3730.5s').getMilliseconds()") == 500
    assert failure_of("duration('1s').getDate()") == FailureKind.NO_OVERLOAD


@pytest.mark.parametrize(
    "name", ["Mars/Phobos", "../../etc/passwd", "/etc/localtime", "+25:00", "1:2:3", "é", "a\0b"]
)
def test_an_unknown_zone_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        find_zone(name)
    assert failure_of(f"timestamp(0).getHours({name!r})".replace("\\x00", "\\u0000")) == (
        FailureKind.BAD_ARGUMENT
    )


def test_a_zone_that_leaves_the_calendar_fails() -> None:
    expression = "timestamp('0001-01-01T00:00:00Z').getFullYear('-01:00')"
    assert failure_of(expression) == FailureKind.OUT_OF_RANGE
