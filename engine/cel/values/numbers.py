"""Arithmetic with CEL's range checks, CEL's `math` extension, and the type conversion functions.

The operators take values of any types, and raise EvaluationError for operands that they don't
take (NO_OVERLOAD, NULL_OPERAND) and for results that don't fit (OVERFLOW, OUT_OF_RANGE).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial, reduce
from typing import Any, Final

from engine.cel.values.values import (
    DURATION_MAX,
    DURATION_MIN,
    INT_MAX,
    INT_MIN,
    NUMBERS,
    ORDERINGS,
    TIMESTAMP_MAX,
    TIMESTAMP_MIN,
    UINT_MAX,
    Duration,
    FailureKind,
    Timestamp,
    UInt,
    failure,
    no_overload,
)
from engine.errors import EvaluationError

#: Most characters, bytes or elements that the result of one operation may have.
MAX_SIZE: Final = 1_048_576
_JOINED: Final = frozenset({str, bytes, list})
#: From here on every double is a whole number.
_ALL_WHOLE: Final = 2.0**52
_BITS: Final = 64
_HALF: Final = 2**63


def int64(value: int) -> int:
    """The value itself; EvaluationError where it does not fit a signed 64-bit integer."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise failure(FailureKind.OVERFLOW, "the result does not fit a 64-bit integer")


def _uint(value: int) -> UInt:
    if 0 <= value <= UINT_MAX:
        return UInt(value)
    raise failure(FailureKind.OVERFLOW, "the result does not fit a 64-bit unsigned integer")


def make_timestamp(nanoseconds: int) -> Timestamp:
    """The timestamp at these nanoseconds; EvaluationError outside of the years 1 to 9999."""
    if TIMESTAMP_MIN <= nanoseconds <= TIMESTAMP_MAX:
        return Timestamp(nanoseconds)
    raise failure(FailureKind.OUT_OF_RANGE, "a timestamp must lie in the years 0001 to 9999")


def make_duration(nanoseconds: int) -> Duration:
    """The duration of these nanoseconds; EvaluationError beyond about 292 years."""
    if DURATION_MIN <= nanoseconds <= DURATION_MAX:
        return Duration(nanoseconds)
    raise failure(FailureKind.OUT_OF_RANGE, "a duration must be shorter than 292 years")


def add(left: Any, right: Any) -> Any:
    """`left + right`: two numbers of one type, two texts, bytes, lists or durations, or a
    timestamp and a duration.
    """
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


def joined(left: Any, right: Any) -> Any:
    """Two texts, bytes or lists as one; EvaluationError where it would exceed `MAX_SIZE`."""
    if len(left) + len(right) > MAX_SIZE:
        raise failure(FailureKind.TOO_LARGE, f"the result is larger than {MAX_SIZE:,}")
    return left + right


def subtract(left: Any, right: Any) -> Any:
    """`left - right`: two numbers of one type, two durations or timestamps, or a timestamp less a
    duration.
    """
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
    """`left * right` of two numbers of one type."""
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
    """`left / right` of two numbers of one type: integers truncate, doubles follow IEEE 754."""
    kind = type(left)
    if kind is type(right):
        if kind is int or kind is UInt:
            if right == 0:
                raise failure(FailureKind.DIVISION_BY_ZERO, "division by zero")
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
    """`left % right` of two integers of one type; the result has the sign of `left`."""
    kind = type(left)
    if kind is type(right) and (kind is int or kind is UInt):
        if right == 0:
            raise failure(FailureKind.DIVISION_BY_ZERO, "modulus by zero")
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


#: The arithmetic operators by CEL's function names.
OPERATIONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "_+_": add,
    "_-_": subtract,
    "_*_": multiply,
    "_/_": divide,
    "_%_": remainder,
}


def _first(sign: str, left: Any, right: Any) -> Any:
    # The left one of equal numbers, and wherever one of them is NaN.
    return right if ORDERINGS[sign](right, left) else left


#: The larger and the smaller of two numbers of any types; the first where neither is.
greater: Final[Callable[[Any, Any], Any]] = partial(_first, "_>_")
less: Final[Callable[[Any, Any], Any]] = partial(_first, "_<_")


def greatest_of(values: list[Any]) -> Any:
    """The greatest of a list of numbers of any types; EvaluationError for an empty list."""
    return _of_list("math.greatest", greater, values)


def least_of(values: list[Any]) -> Any:
    """The least of a list of numbers of any types; EvaluationError for an empty list."""
    return _of_list("math.least", less, values)


def _of_list(name: str, choose: Callable[[Any, Any], Any], values: list[Any]) -> Any:
    if not values:
        raise failure(FailureKind.BAD_ARGUMENT, f"{name}() of an empty list")
    for value in values:
        if type(value) not in NUMBERS:
            raise no_overload(name, value)
    return reduce(choose, values)


def ceil(value: float) -> float:
    """The next whole number upwards."""
    return _whole(math.ceil, value)


def floor(value: float) -> float:
    """The next whole number downwards."""
    return _whole(math.floor, value)


def trunc(value: float) -> float:
    """The next whole number towards zero."""
    return _whole(math.trunc, value)


def round_(value: float) -> float:
    """The nearest whole number; a half is rounded away from zero."""
    return _whole(_nearest, value)


def _whole(rounding: Callable[[float], int], value: float) -> float:
    # NaN is not below the limit either, and is returned as it is.
    return math.copysign(rounding(value), value) if abs(value) < _ALL_WHOLE else value


def _nearest(value: float) -> int:
    whole = math.trunc(value)
    if abs(value - whole) < 0.5:
        return whole
    return whole + (1 if value > 0 else -1)


def absolute(value: int) -> int:
    """The absolute value of an int; EvaluationError for the least int, which has none."""
    if value == INT_MIN:
        raise failure(FailureKind.OVERFLOW, "math.abs() of the least 64-bit integer")
    return abs(value)


def sign_of_int(value: int) -> int:
    """-1, 0 or 1."""
    return (value > 0) - (value < 0)


def sign_of_uint(value: int) -> UInt:
    """0 or 1."""
    return UInt(value > 0)


def sign_of_double(value: float) -> float:
    """-1.0, 0.0 or 1.0; NaN of NaN."""
    return value if math.isnan(value) else float((value > 0) - (value < 0))


def square_root(value: float) -> float:
    """The square root of a number of any type; NaN of a negative one."""
    number = float(value)
    return math.sqrt(number) if number >= 0 else math.nan if number < 0 else number


def _signed(bits: int) -> int:
    """The lowest 64 bits as a signed integer."""
    bits &= UINT_MAX
    return bits - 2 * _HALF if bits >= _HALF else bits


def bit_not(value: int) -> UInt:
    """The uint with every bit inverted."""
    return UInt(~value & UINT_MAX)


def shift_left(name: str, value: int, count: int) -> int:
    """An int shifted left by `count` bits; bits beyond the 64th are dropped.

    `name` is the function's, for the EvaluationError of a negative count.
    """
    return _signed(value << _places(name, count))


def shift_left_uint(name: str, value: int, count: int) -> UInt:
    """A uint shifted left by `count` bits; bits beyond the 64th are dropped."""
    return UInt((int(value) << _places(name, count)) & UINT_MAX)


def shift_right(name: str, value: int, count: int) -> int:
    """An int shifted right by `count` bits, filled up with zeros whatever its sign."""
    return _signed((value & UINT_MAX) >> _places(name, count))


def shift_right_uint(name: str, value: int, count: int) -> UInt:
    """A uint shifted right by `count` bits."""
    return UInt(int(value) >> _places(name, count))


def _places(name: str, count: int) -> int:
    if count < 0:
        raise failure(FailureKind.BAD_ARGUMENT, f"{name}() by a negative number: {count}")
    return min(count, _BITS)


# The conversions `int()`, `uint()`, `double()`, `string()`, `bytes()` and `bool()`. Each takes a
# value of the type in its name. It raises EvaluationError where the value has no counterpart:
# BAD_CONVERSION for a text that can't be read, OUT_OF_RANGE for a number.

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,40}")
_UNSIGNED: Final = re.compile(r"[0-9]{1,40}")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SPECIAL_DOUBLE: Final = re.compile(r"[+-]?(?:inf|infinity|nan)", re.IGNORECASE)
_TRUE_TEXTS: Final = frozenset({"1", "t", "true", "TRUE", "True"})
_FALSE_TEXTS: Final = frozenset({"0", "f", "false", "FALSE", "False"})


def int_from_number(value: float) -> int:
    """A uint as an int, or a double truncated towards zero."""
    if type(value) is float:
        # The bounds are excluded, as CEL excludes them: near 2^63 a double is rounded.
        if math.isnan(value) or not -(2.0**63) < value < 2.0**63:
            raise failure(FailureKind.OUT_OF_RANGE, f"{value} does not fit a 64-bit integer")
        return int(value)
    if value > INT_MAX:
        raise failure(FailureKind.OUT_OF_RANGE, f"{value} does not fit a 64-bit integer")
    return int(value)


def int_from_text(text: str) -> int:
    """The int that decimal digits with an optional sign write."""
    if _INTEGER.fullmatch(text) is None:
        raise _bad_conversion(text, "an int")
    value = int(text)
    if not INT_MIN <= value <= INT_MAX:
        raise failure(FailureKind.OUT_OF_RANGE, f"{text} does not fit a 64-bit integer")
    return value


def uint_from_number(value: float) -> UInt:
    """An int as a uint, or a double truncated towards zero."""
    if type(value) is float:
        if math.isnan(value) or not 0 <= value < 2.0**64:
            raise failure(
                FailureKind.OUT_OF_RANGE, f"{value} does not fit a 64-bit unsigned integer"
            )
    elif value < 0:
        raise failure(FailureKind.OUT_OF_RANGE, f"{value} does not fit a 64-bit unsigned integer")
    return UInt(value)


def uint_from_text(text: str) -> UInt:
    """The uint that decimal digits write."""
    if _UNSIGNED.fullmatch(text) is None:
        raise _bad_conversion(text, "a uint")
    value = int(text)
    if value > UINT_MAX:
        raise failure(FailureKind.OUT_OF_RANGE, f"{text} does not fit a 64-bit unsigned integer")
    return UInt(value)


def is_number(text: str) -> bool:
    """Whether the text is a decimal number; not so for "inf" and "nan", which `double()` takes."""
    return _DECIMAL.fullmatch(text) is not None


def double_from_text(text: str) -> float:
    """The double that a decimal text writes, or "inf", "infinity" or "nan" in any case."""
    if _DECIMAL.fullmatch(text) is None and _SPECIAL_DOUBLE.fullmatch(text) is None:
        raise _bad_conversion(text, "a double")
    return float(text)


def double_text(value: float) -> str:
    """`string()` of a double: the shortest decimal that reads back as the same double.

    It has an exponent from 10^6 on and below 10^-4.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0") or "0"
    point = len(digits) + int(exponent)
    mark = "-" if sign else ""
    if text == "0":
        return f"{mark}0"
    if -4 <= point - 1 < 6:
        return mark + format(Decimal(text).scaleb(point - len(text)), "f")
    head = text[0] + (f".{text[1:]}" if len(text) > 1 else "")
    return f"{mark}{head}e{'-' if point < 1 else '+'}{abs(point - 1):02d}"


def bytes_text(value: bytes) -> str:
    """`string()` of bytes, which must be UTF-8."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise failure(FailureKind.BAD_CONVERSION, "the bytes are not valid UTF-8") from None


def text_bytes(text: str) -> bytes:
    """`bytes()` of a text: its UTF-8."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise failure(FailureKind.BAD_CONVERSION, "the text is not valid Unicode") from None


def bool_from_text(text: str) -> bool:
    """`bool()` of a text: "1", "t", "true", "True", "TRUE", or "0", "f", "false" and so on."""
    if text in _TRUE_TEXTS:
        return True
    if text in _FALSE_TEXTS:
        return False
    raise _bad_conversion(text, "a bool")


def _bad_conversion(text: str, wanted: str) -> EvaluationError:
    return failure(FailureKind.BAD_CONVERSION, f"'{text[:40]}' can't be read as {wanted}")
