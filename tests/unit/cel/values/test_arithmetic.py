"""Arithmetic with its bounds."""

from __future__ import annotations

import math
from typing import Any

import pytest

from engine.cel.values.numbers import (
    MAX_SIZE,
    OPERATIONS,
    add,
    divide,
    make_duration,
    make_timestamp,
    multiply,
    negate,
    remainder,
    subtract,
)
from engine.cel.values.values import (
    DURATION_MAX,
    INT_MAX,
    INT_MIN,
    TIMESTAMP_MAX,
    UINT_MAX,
    Duration,
    FailureKind,
    Timestamp,
    UInt,
)
from engine.errors import EvaluationError


def failure_of(function: str, *args: Any) -> str:
    with pytest.raises(EvaluationError) as caught:
        OPERATIONS[function](*args)
    return caught.value.error_type


def test_integers_are_cut_towards_zero() -> None:
    assert [divide(7, 2), divide(-7, 2), divide(7, -2)] == [3, -3, -3]
    assert [remainder(7, 3), remainder(-7, 3), remainder(7, -3)] == [1, -1, 1]
    assert type(divide(UInt(7), UInt(2))) is UInt


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("_+_", (INT_MAX, 1)),
        ("_-_", (INT_MIN, 1)),
        ("_*_", (INT_MIN, -1)),
        ("_/_", (INT_MIN, -1)),
        ("_%_", (INT_MIN, -1)),
        ("_+_", (UInt(UINT_MAX), UInt(1))),
        ("_-_", (UInt(0), UInt(1))),
        ("_*_", (UInt(2**40), UInt(2**40))),
    ],
)
def test_results_beyond_64_bits_fail(function: str, args: tuple[Any, Any]) -> None:
    assert failure_of(function, *args) == FailureKind.OVERFLOW


def test_the_least_integer_has_no_opposite() -> None:
    assert negate(INT_MAX) == -INT_MAX
    with pytest.raises(EvaluationError):
        negate(INT_MIN)
    with pytest.raises(EvaluationError):
        negate(UInt(1))


def test_division_by_zero_fails_for_integers_and_not_for_doubles() -> None:
    assert failure_of("_/_", 1, 0) == FailureKind.DIVISION_BY_ZERO
    assert failure_of("_%_", UInt(1), UInt(0)) == FailureKind.DIVISION_BY_ZERO
    assert divide(1.0, 0.0) == math.inf
    assert divide(-1.0, 0.0) == -math.inf
    assert divide(1.0, -0.0) == -math.inf
    assert math.isnan(divide(0.0, 0.0))


@pytest.mark.parametrize("function", sorted(OPERATIONS))
def test_kinds_of_numbers_never_mix(function: str) -> None:
    for left, right in [(1, 1.0), (1, UInt(1)), (UInt(1), 1.0), (True, 1), (True, True)]:
        assert failure_of(function, left, right) == FailureKind.NO_OVERLOAD
    assert failure_of(function, None, 1) == FailureKind.NULL_OPERAND


def test_doubles_overflow_to_infinity_and_have_no_remainder() -> None:
    assert multiply(1e308, 10.0) == math.inf
    assert failure_of("_%_", 5.0, 2.0) == FailureKind.NO_OVERLOAD


def test_text_bytes_and_lists_are_joined() -> None:
    assert (add("a", "b"), add(b"a", b"b"), add([1], ["x"])) == ("ab", b"ab", [1, "x"])
    assert failure_of("_+_", "a", b"b") == FailureKind.NO_OVERLOAD
    assert failure_of("_+_", "a" * MAX_SIZE, "b") == FailureKind.TOO_LARGE


def test_instants_and_durations_are_added_and_subtracted() -> None:
    assert add(Timestamp(5), Duration(2)) == add(Duration(2), Timestamp(5)) == Timestamp(7)
    assert subtract(Timestamp(5), Timestamp(7)) == Duration(-2)
    assert subtract(Timestamp(5), Duration(7)) == Timestamp(-2)
    assert subtract(Duration(5), Duration(7)) == Duration(-2)
    assert failure_of("_+_", Timestamp(0), Timestamp(0)) == FailureKind.NO_OVERLOAD
    assert failure_of("_-_", Duration(0), Timestamp(0)) == FailureKind.NO_OVERLOAD


def test_instants_and_durations_have_their_ranges() -> None:
    assert failure_of("_+_", Timestamp(TIMESTAMP_MAX), Duration(1)) == FailureKind.OUT_OF_RANGE
    assert failure_of("_+_", Duration(DURATION_MAX), Duration(1)) == FailureKind.OUT_OF_RANGE
    assert make_timestamp(TIMESTAMP_MAX) == Timestamp(TIMESTAMP_MAX)
    with pytest.raises(EvaluationError):
        make_duration(DURATION_MAX + 1)
