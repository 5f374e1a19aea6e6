"""`+ - * / %` and negation, with CEL's overflow and range checks; kinds of numbers never mix."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from engine.cel.failures import Failure, failure, no_overload
from engine.cel.values import (
    DURATION_MAX,
    DURATION_MIN,
    INT_MAX,
    INT_MIN,
    TIMESTAMP_MAX,
    TIMESTAMP_MIN,
    UINT_MAX,
    Duration,
    Timestamp,
    UInt,
)

#: Most characters, bytes or elements that one operation may make.
MAX_SIZE: Final = 1_048_576


def int64(value: int) -> int:
    """A value that must fit a 64-bit integer."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise failure(Failure.OVERFLOW, "the result does not fit a 64-bit integer")


def _uint(value: int) -> UInt:
    if 0 <= value <= UINT_MAX:
        return UInt(value)
    raise failure(Failure.OVERFLOW, "the result does not fit a 64-bit unsigned integer")


def make_timestamp(nanoseconds: int) -> Timestamp:
    """A timestamp of the years 1 to 9999, or an evaluation error."""
    if TIMESTAMP_MIN <= nanoseconds <= TIMESTAMP_MAX:
        return Timestamp(nanoseconds)
    raise failure(Failure.OUT_OF_RANGE, "a timestamp must lie in the years 0001 to 9999")


def make_duration(nanoseconds: int) -> Duration:
    """A duration of at most about 292 years, or an evaluation error."""
    if DURATION_MIN <= nanoseconds <= DURATION_MAX:
        return Duration(nanoseconds)
    raise failure(Failure.OUT_OF_RANGE, "a duration must be shorter than 292 years")


def add(left: Any, right: Any) -> Any:
    """`left + right`: numbers of one kind, text, bytes, lists, durations, an instant and those."""
    kind = type(left)
    other = type(right)
    if kind is other:
        if kind is int:
            return int64(left + right)
        if kind is float:
            return left + right
        if kind in _JOINED:
            return joined(left, right)
        if kind is UInt:
            return _uint(int(left) + int(right))
        if kind is Duration:
            return make_duration(left.nanoseconds + right.nanoseconds)
    elif (kind is Timestamp and other is Duration) or (kind is Duration and other is Timestamp):
        return make_timestamp(left.nanoseconds + right.nanoseconds)
    raise no_overload("_+_", left, right)


_JOINED: Final = frozenset({str, bytes, list})


def joined(left: Any, right: Any) -> Any:
    """Two texts, bytes or lists as one, if that is not too large."""
    if len(left) + len(right) > MAX_SIZE:
        raise failure(Failure.TOO_LARGE, f"the result is larger than {MAX_SIZE:,}")
    return left + right


def subtract(left: Any, right: Any) -> Any:
    """`left - right`: numbers of one kind, durations, instants, a duration from an instant."""
    kind = type(left)
    other = type(right)
    if kind is other:
        if kind is int:
            return int64(left - right)
        if kind is float:
            return left - right
        if kind is UInt:
            return _uint(int(left) - int(right))
        if kind is Duration or kind is Timestamp:
            return make_duration(left.nanoseconds - right.nanoseconds)
    elif kind is Timestamp and other is Duration:
        return make_timestamp(left.nanoseconds - right.nanoseconds)
    raise no_overload("_-_", left, right)


def multiply(left: Any, right: Any) -> Any:
    """`left * right` of numbers of one kind."""
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return int64(left * right)
        if kind is float:
            return left * right
        if kind is UInt:
            return _uint(int(left) * int(right))
    raise no_overload("_*_", left, right)


def divide(left: Any, right: Any) -> Any:
    """`left / right`: integers are cut towards zero, doubles follow IEEE 754."""
    kind = type(left)
    if kind is type(right):
        if kind is int or kind is UInt:
            if right == 0:
                raise failure(Failure.DIVISION_BY_ZERO, "division by zero")
            quotient = abs(left) // abs(right)
            if kind is UInt:
                return UInt(quotient)
            return int64(quotient if (left < 0) == (right < 0) else -quotient)
        if kind is float:
            return left / right if right else _divide_by_zero(left, right)
    raise no_overload("_/_", left, right)


def _divide_by_zero(left: float, right: float) -> float:
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def remainder(left: Any, right: Any) -> Any:
    """`left % right` of integers; the sign is the left one's."""
    kind = type(left)
    if kind is type(right) and (kind is int or kind is UInt):
        if right == 0:
            raise failure(Failure.DIVISION_BY_ZERO, "modulus by zero")
        rest = abs(left) % abs(right)
        if kind is UInt:
            return UInt(rest)
        if right == -1:
            # The quotient, not the rest, may overflow; CEL's implementations refuse both.
            int64(-left)
        return rest if left >= 0 else -rest
    raise no_overload("_%_", left, right)


def negate(value: Any) -> Any:
    """`-value` of an int or a double."""
    kind = type(value)
    if kind is int:
        return int64(-value)
    if kind is float:
        return -value
    raise no_overload("-", value)


#: The arithmetic operators by function name.
OPERATIONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "_+_": add,
    "_-_": subtract,
    "_*_": multiply,
    "_/_": divide,
    "_%_": remainder,
}
