"""CEL's `math` extension: what `math.greatest`, `math.round`, `math.bitAnd` and the others give.

Every function takes exactly the types in its signature: `functions.py` sees to that. Rounding
follows C's functions of the same names: a zero keeps its sign, infinities and NaN stay themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, reduce
from typing import Any, Final

from engine.cel.comparison import NUMBERS, ORDERINGS
from engine.cel.failures import Failure, failure, no_overload
from engine.cel.values import INT_MIN, UINT_MAX, UInt

#: From here on every double is a whole number.
_ALL_WHOLE: Final = 2.0**52
_BITS: Final = 64
_HALF: Final = 2**63


def _first(sign: str, left: Any, right: Any) -> Any:
    # The first of equal numbers stays, and so does what NaN stands beside.
    return right if ORDERINGS[sign](right, left) else left


#: The larger and the smaller of two numbers of any kinds; the first where neither is.
greater: Final[Callable[[Any, Any], Any]] = partial(_first, "_>_")
less: Final[Callable[[Any, Any], Any]] = partial(_first, "_<_")


def greatest_of(values: list[Any]) -> Any:
    """The greatest of a list of numbers of any kinds."""
    return _of_list("math.greatest", greater, values)


def least_of(values: list[Any]) -> Any:
    """The least of a list of numbers of any kinds."""
    return _of_list("math.least", less, values)


def _of_list(name: str, choose: Callable[[Any, Any], Any], values: list[Any]) -> Any:
    if not values:
        raise failure(Failure.BAD_ARGUMENT, f"{name}() of an empty list")
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
    # NaN is not below the bound either.
    return math.copysign(rounding(value), value) if abs(value) < _ALL_WHOLE else value


def _nearest(value: float) -> int:
    whole = math.trunc(value)
    if abs(value - whole) < 0.5:
        return whole
    return whole + (1 if value > 0 else -1)


def absolute(value: int) -> int:
    """An int without its sign; the least int has no counterpart."""
    if value == INT_MIN:
        raise failure(Failure.OVERFLOW, "math.abs() of the least 64-bit integer")
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
    """The square root; NaN of what is negative."""
    number = float(value)
    return math.sqrt(number) if number >= 0 else math.nan if number < 0 else number


def _signed(bits: int) -> int:
    """The int that these 64 bits are."""
    bits &= UINT_MAX
    return bits - 2 * _HALF if bits >= _HALF else bits


def bit_not(value: int) -> UInt:
    """A uint with every bit turned over."""
    return UInt(~value & UINT_MAX)


def shift_left(name: str, value: int, count: int) -> int:
    """The bits of an int so many places up; those that leave the 64 are lost."""
    return _signed(value << _places(name, count))


def shift_left_uint(name: str, value: int, count: int) -> UInt:
    """The bits of a uint so many places up; those that leave the 64 are lost."""
    return UInt((int(value) << _places(name, count)) & UINT_MAX)


def shift_right(name: str, value: int, count: int) -> int:
    """The bits of an int so many places down, zeros coming in, whatever its sign."""
    return _signed((value & UINT_MAX) >> _places(name, count))


def shift_right_uint(name: str, value: int, count: int) -> UInt:
    """The bits of a uint so many places down."""
    return UInt(int(value) >> _places(name, count))


def _places(name: str, count: int) -> int:
    if count < 0:
        raise failure(Failure.BAD_ARGUMENT, f"{name}() by a negative number: {count}")
    return min(count, _BITS)
