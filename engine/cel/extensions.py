"""The functions of CEL's `math` and `encoders` extensions: name, doc, style and signatures."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, TypeAlias

from engine.cel import encoders
from engine.cel import math_functions as m
from engine.cel.values import UInt

_Signature: TypeAlias = tuple[tuple[type, ...], type, Callable[..., Any]]
#: A function as `functions.py` makes it: `_function(name, doc, style, *signatures)`.
Row: TypeAlias = tuple[str, str, str, list[_Signature]]

_NUMBERS: Final = (int, UInt, float)


def _choice(
    pair: Callable[[Any, Any], Any], of_list: Callable[[list[Any]], Any]
) -> list[_Signature]:
    """Signatures of `math.greatest` and `math.least`; three and more arguments come as a list."""
    one: list[_Signature] = [((kind,), kind, lambda value: value) for kind in _NUMBERS]
    two: list[_Signature] = [
        ((left, right), left if left is right else object, pair)
        for left in _NUMBERS
        for right in _NUMBERS
    ]
    return [*one, ((list,), object, of_list), *two]


def _of_double(implementation: Callable[[float], Any], result: type) -> list[_Signature]:
    return [((float,), result, implementation)]


def _bits(operation: Callable[[int, int], int]) -> list[_Signature]:
    return [
        ((int, int), int, operation),
        ((UInt, UInt), UInt, lambda left, right: UInt(operation(left, right))),
    ]


def _shift(
    name: str, of_int: Callable[[str, int, int], int], of_uint: Callable[[str, int, int], UInt]
) -> list[_Signature]:
    return [
        ((int, int), int, partial(of_int, name)),
        ((UInt, int), UInt, partial(of_uint, name)),
    ]


def _numbers() -> Iterable[tuple[str, str, list[_Signature]]]:
    yield "greatest", "The greatest of numbers, or of a list.", _choice(m.greater, m.greatest_of)
    yield "least", "The least of numbers, or of a list.", _choice(m.less, m.least_of)
    yield "ceil", "The next whole number upwards, a double.", _of_double(m.ceil, float)
    yield "floor", "The next whole number downwards, a double.", _of_double(m.floor, float)
    yield "round", "The nearest whole number, a half away from zero.", _of_double(m.round_, float)
    yield "trunc", "The next whole number towards zero, a double.", _of_double(m.trunc, float)
    yield (
        "abs",
        "The number without its sign.",
        [((int,), int, m.absolute), ((UInt,), UInt, UInt), ((float,), float, abs)],
    )
    yield (
        "sign",
        "-1, 0 or 1, as the number is negative, zero or positive.",
        [
            ((int,), int, m.sign_of_int),
            ((UInt,), UInt, m.sign_of_uint),
            ((float,), float, m.sign_of_double),
        ],
    )
    yield "sqrt", "The square root.", [((kind,), float, m.square_root) for kind in _NUMBERS]
    yield "isNaN", "Whether the double is not a number.", _of_double(math.isnan, bool)
    yield "isInf", "Whether the double is infinite.", _of_double(math.isinf, bool)
    yield "isFinite", "Whether it is neither infinite nor NaN.", _of_double(math.isfinite, bool)


def _of_bits() -> Iterable[tuple[str, str, list[_Signature]]]:
    yield "bitAnd", "The bits that both numbers have.", _bits(operator.and_)
    yield "bitOr", "The bits that one number or the other has.", _bits(operator.or_)
    yield "bitXor", "The bits that only one of the numbers has.", _bits(operator.xor)
    yield (
        "bitNot",
        "The number with every bit turned over.",
        [((int,), int, operator.invert), ((UInt,), UInt, m.bit_not)],
    )
    left, right = "math.bitShiftLeft", "math.bitShiftRight"
    yield (
        "bitShiftLeft",
        "The bits so many places up, those beyond the 64th lost.",
        _shift(left, m.shift_left, m.shift_left_uint),
    )
    yield (
        "bitShiftRight",
        "The bits so many places down, zeros coming in.",
        _shift(right, m.shift_right, m.shift_right_uint),
    )


#: All functions of the two extensions.
ROWS: Final[tuple[Row, ...]] = (
    *((f"math.{name}", doc, "global", rows) for name, doc, rows in (*_numbers(), *_of_bits())),
    ("base64.encode", "Bytes as Base64.", "global", [((bytes,), str, encoders.encode)]),
    ("base64.decode", "The bytes of a Base64 text.", "global", [((str,), bytes, encoders.decode)]),
)
