"""The table of functions that an expression may call: their signatures and their code.

The check, the interpreter and the generated Python all read `FUNCTIONS`. Operators and macros are
not in it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from engine.cel.values import numbers
from engine.cel.values import numbers as m
from engine.cel.values import text as s
from engine.cel.values.instants import (
    PARTS,
    duration_milliseconds,
    duration_part,
    format_duration,
    format_timestamp,
    local,
    parse_duration,
    parse_timestamp,
)
from engine.cel.values.numbers import make_timestamp
from engine.cel.values.text import format_text, matches
from engine.cel.values.values import (
    NANOSECONDS,
    CelMap,
    CelType,
    Duration,
    Timestamp,
    UInt,
    type_of,
)

Implementation: TypeAlias = Callable[..., Any]
#: Python's types of CEL's maps.
MAP: Final = (dict, CelMap)
#: Stands for any type in a signature.
ANY: Final = object
#: The types of the parameters, the type of the result, and the code.
_Signature: TypeAlias = tuple[tuple[type, ...], type, Implementation]
_NUMBERS: Final = (int, UInt, float)


@dataclass(frozen=True, slots=True)
class Overload:
    """One signature: the types of the parameters, in `x.f(y)` that of `x` first, and of the result.

    `implementation` takes the arguments in this order.
    """

    params: tuple[type, ...]
    result: type
    implementation: Implementation


@dataclass(frozen=True, slots=True)
class Function:
    """A function: `is_global` if it is called as `f(x)`, `is_member` if as `x.f()`; it may be both.

    `doc` says in a sentence what it gives, for messages.
    """

    name: str
    doc: str
    is_global: bool
    is_member: bool
    overloads: tuple[Overload, ...]

    @property
    def arities(self) -> tuple[int, ...]:
        """The numbers of arguments that it takes, that before the dot included, ascending."""
        return tuple(sorted({len(overload.params) for overload in self.overloads}))


def _function(name: str, doc: str, style: str, *signatures: _Signature) -> Function:
    """A row of the table; `style` is "global", "member" or both."""
    overloads = tuple(Overload(*signature) for signature in signatures)
    return Function(name, doc, "global" in style, "member" in style, overloads)


def _number_conversions() -> Iterable[Function]:
    c = numbers
    same = _identity
    yield _function(
        "int",
        "A number cut towards zero, a text of digits, or a timestamp's seconds, as an int.",
        "global",
        ((int,), int, same),
        ((UInt,), int, c.int_from_number),
        ((float,), int, c.int_from_number),
        ((str,), int, c.int_from_text),
        ((Timestamp,), int, lambda value: value.nanoseconds // NANOSECONDS),
    )
    yield _function(
        "uint",
        "A number cut towards zero, or a text of digits, as a uint.",
        "global",
        ((UInt,), UInt, same),
        ((int,), UInt, c.uint_from_number),
        ((float,), UInt, c.uint_from_number),
        ((str,), UInt, c.uint_from_text),
    )
    yield _function(
        "double",
        "A number, or a decimal text, as a double.",
        "global",
        ((float,), float, same),
        ((int,), float, float),
        ((UInt,), float, float),
        ((str,), float, c.double_from_text),
    )


def _text_conversions() -> Iterable[Function]:
    c = numbers
    same = _identity
    yield _function(
        "string",
        "A value as text.",
        "global",
        ((str,), str, same),
        ((int,), str, str),
        ((UInt,), str, lambda value: str(int(value))),
        ((float,), str, c.double_text),
        ((bool,), str, lambda value: "true" if value else "false"),
        ((bytes,), str, c.bytes_text),
        ((Timestamp,), str, format_timestamp),
        ((Duration,), str, format_duration),
    )
    yield _function(
        "bytes",
        "Text as UTF-8 bytes.",
        "global",
        ((bytes,), bytes, same),
        ((str,), bytes, c.text_bytes),
    )
    yield _function(
        "bool",
        "A text such as 'true', 'True', 't', '1' or their opposites as a bool.",
        "global",
        ((bool,), bool, same),
        ((str,), bool, c.bool_from_text),
    )


def _other_conversions() -> Iterable[Function]:
    same = _identity
    yield _function(
        "timestamp",
        "An RFC 3339 text, or seconds since 1970, as a timestamp.",
        "global",
        ((Timestamp,), Timestamp, same),
        ((str,), Timestamp, parse_timestamp),
        ((int,), Timestamp, lambda seconds: make_timestamp(seconds * NANOSECONDS)),
    )
    yield _function(
        "duration",
        "A text such as '1h30m' or '1.5s' as a duration.",
        "global",
        ((Duration,), Duration, same),
        ((str,), Duration, parse_duration),
    )
    yield _function("dyn", "The value itself, its type unknown.", "global", ((ANY,), ANY, same))
    yield _function("type", "The type of a value.", "global", ((ANY,), CelType, type_of))


def _identity(value: Any) -> Any:
    return value


def _texts() -> Iterable[Function]:
    yield _function(
        "size",
        "How many characters, bytes, elements or entries.",
        "global member",
        *(((kind,), int, len) for kind in (str, bytes, list, *MAP)),
    )
    yield _function(
        "contains",
        "Whether a text is part of this one.",
        "member",
        ((str, str), bool, lambda text, part: part in text),
    )
    yield _function(
        "startsWith", "Whether the text begins so.", "member", ((str, str), bool, str.startswith)
    )
    yield _function(
        "endsWith", "Whether the text ends so.", "member", ((str, str), bool, str.endswith)
    )
    yield _function(
        "matches",
        "Whether a regular expression of RE2 is found in the text.",
        "global member",
        ((str, str), bool, matches),
    )
    yield _function(
        "lower",
        "The text in lower case, by Unicode's rules for all alphabets.",
        "global member",
        ((str,), str, str.lower),
    )
    yield _function(
        "isNumber",
        "Whether double(text) gives a number.",
        "global member",
        ((str,), bool, numbers.is_number),
    )


def _extension() -> Iterable[Function]:
    text = str
    rows: dict[str, tuple[str, list[_Signature]]] = {
        "charAt": ("The character at an index.", [((text, int), str, s.char_at)]),
        "indexOf": (
            "Where a text stands first, or -1.",
            [((text, text), int, s.index_of), ((text, text, int), int, s.index_of)],
        ),
        "lastIndexOf": (
            "Where a text stands last, or -1.",
            [((text, text), int, s.last_index_of), ((text, text, int), int, s.last_index_of)],
        ),
        "lowerAscii": ("The text with A to Z in lower case.", [((text,), str, s.lower_ascii)]),
        "upperAscii": ("The text with a to z in upper case.", [((text,), str, s.upper_ascii)]),
        "replace": (
            "The text with one part replaced by another, all or so many times.",
            [((text,) * 3, str, s.replace), ((text, text, text, int), str, s.replace)],
        ),
        "split": (
            "The parts between separators, all or so many.",
            [((text, text), list, s.split), ((text, text, int), list, s.split)],
        ),
        "substring": (
            "The characters from a start to before an end.",
            [((text, int), str, s.substring), ((text, int, int), str, s.substring)],
        ),
        "trim": ("The text without white space at both ends.", [((text,), str, s.trim)]),
        "reverse": ("The characters in reverse order.", [((text,), str, s.reverse)]),
        "join": (
            "The texts of a list as one.",
            [((list,), str, s.join), ((list, text), str, s.join)],
        ),
        "format": ("The text with %s, %d, %f … filled in.", [((text, list), str, format_text)]),
    }
    for name, (doc, overloads) in rows.items():
        yield _function(name, doc, "member", *overloads)
    yield _function(
        "strings.quote", "The text in quotes, with escapes.", "global", ((str,), str, s.quote)
    )


_PART_DOCS: Final = {
    "getFullYear": "The year.",
    "getMonth": "The month, January being 0.",
    "getDate": "The day of the month, from 1.",
    "getDayOfMonth": "The day of the month, from 0.",
    "getDayOfWeek": "The day of the week, Sunday being 0.",
    "getDayOfYear": "The day of the year, from 0.",
    "getHours": "The hour of the day; of a duration: its whole hours.",
    "getMinutes": "The minute of the hour; of a duration: its whole minutes.",
    "getSeconds": "The second of the minute; of a duration: its whole seconds.",
    "getMilliseconds": "The milliseconds of the second.",
}
_UNITS: Final = {"getHours": 3_600, "getMinutes": 60, "getSeconds": 1}


def _instants() -> Iterable[Function]:
    for name, part in PARTS.items():
        overloads: list[_Signature] = [
            ((Timestamp,), int, lambda value, part=part: part(local(value, ""))),
            ((Timestamp, str), int, lambda value, zone, part=part: part(local(value, zone))),
        ]
        if name in _UNITS:
            unit = _UNITS[name] * NANOSECONDS
            overloads.append(
                ((Duration,), int, lambda value, unit=unit: duration_part(value, unit))
            )
        elif name == "getMilliseconds":
            overloads.append(((Duration,), int, duration_milliseconds))
        yield _function(name, _PART_DOCS[name], "member", *overloads)


def _base64() -> Iterable[Function]:
    yield _function("base64.encode", "Bytes as Base64.", "global", ((bytes,), str, s.encode))
    yield _function(
        "base64.decode", "The bytes of a Base64 text.", "global", ((str,), bytes, s.decode)
    )


def _math() -> Iterable[Function]:
    for name, doc, signatures in (*_numbers(), *_bit_operations()):
        yield _function(f"math.{name}", doc, "global", *signatures)


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


def _bit_operations() -> Iterable[tuple[str, str, list[_Signature]]]:
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


def _choice(
    pair: Callable[[Any, Any], Any], of_list: Callable[[list[Any]], Any]
) -> list[_Signature]:
    """The signatures of `math.greatest` and `math.least`.

    The parser makes a list of three arguments and more.
    """
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


#: All functions by the full names that expressions write, such as `size` and `math.abs`.
FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        function.name: function
        for group in (
            _number_conversions(),
            _text_conversions(),
            _other_conversions(),
            _texts(),
            _extension(),
            _instants(),
            _math(),
            _base64(),
        )
        for function in group
    }
)
