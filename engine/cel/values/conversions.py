"""The type conversion functions: `int()`, `uint()`, `double()`, `string()`, `bytes()`, `bool()`.

Each takes a value of the type in its name. It raises EvaluationError where the value has no
counterpart: BAD_CONVERSION for a text that can't be read, OUT_OF_RANGE for a number.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Final

from engine.cel.values.values import INT_MAX, INT_MIN, UINT_MAX, FailureKind, UInt, failure
from engine.errors import EvaluationError

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,40}")
_UNSIGNED: Final = re.compile(r"[0-9]{1,40}")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SPECIAL: Final = re.compile(r"[+-]?(?:inf|infinity|nan)", re.IGNORECASE)
_TRUE: Final = frozenset({"1", "t", "true", "TRUE", "True"})
_FALSE: Final = frozenset({"0", "f", "false", "FALSE", "False"})


def _bad(text: str, wanted: str) -> EvaluationError:
    return failure(FailureKind.BAD_CONVERSION, f"'{text[:40]}' can't be read as {wanted}")


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
        raise _bad(text, "an int")
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
        raise _bad(text, "a uint")
    value = int(text)
    if value > UINT_MAX:
        raise failure(FailureKind.OUT_OF_RANGE, f"{text} does not fit a 64-bit unsigned integer")
    return UInt(value)


def is_number(text: str) -> bool:
    """Whether the text is a decimal number; not so for "inf" and "nan", which `double()` takes."""
    return _DECIMAL.fullmatch(text) is not None


def double_from_text(text: str) -> float:
    """The double that a decimal text writes, or "inf", "infinity" or "nan" in any case."""
    if _DECIMAL.fullmatch(text) is None and _SPECIAL.fullmatch(text) is None:
        raise _bad(text, "a double")
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
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise _bad(text, "a bool")
