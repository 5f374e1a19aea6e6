"""The function `format()` of CEL's extension `strings`, and any value as the text of its `%s`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from engine.cel.values.instants import format_duration, format_timestamp
from engine.cel.values.numbers import MAX_SIZE
from engine.cel.values.values import (
    CelMap,
    CelType,
    Duration,
    FailureKind,
    Timestamp,
    UInt,
    describe,
    failure,
)
from engine.errors import EvaluationError

_CLAUSE: Final = re.compile(r"%(?:%|(?:\.([0-9]+))?(.)|)", re.DOTALL)
_INTEGERS: Final = frozenset({int, UInt})
_NUMBERS: Final = frozenset({int, UInt, float})
_MAX_PRECISION: Final = 100
#: The characters that `surrogateescape` makes of bytes that are not UTF-8.
_INVALID: Final = re.compile("[\udc80-\udcff]+")


def clauses(template: str) -> tuple[str, ...]:
    """The letters of the template's clauses, `%%` left out; EvaluationError for an unknown one."""
    return tuple(_verb(match) for match in _CLAUSE.finditer(template) if match[0] != "%%")


def _verb(match: re.Match[str]) -> str:
    verb: str | None = match[2]
    if verb is None or verb not in "sdfebxXo":
        raise failure(FailureKind.BAD_ARGUMENT, f"unrecognized formatting clause '{match[0]}'")
    return verb


def format_text(template: str, args: list[Any]) -> str:
    """The template with each clause (`%s %d %f %e %b %o %x %X`) filled in by the next argument.

    EvaluationError for an unknown clause, a missing argument or one of another type, and for a
    result of more than `MAX_SIZE` characters.
    """
    used = 0
    size = len(template)

    def fill(match: re.Match[str]) -> str:
        nonlocal used, size
        if match[0] == "%%":
            return "%"
        precision, verb = match[1], _verb(match)
        if used >= len(args):
            raise failure(FailureKind.NO_INDEX, f"index {used} out of range")
        text = _clause(verb, int(precision[:4]) if precision else 6, args[used])
        used += 1
        size += len(text)
        _check_format_size(size)
        return text

    return _CLAUSE.sub(fill, template)


def _clause(verb: str, precision: int, value: Any) -> str:
    kind = type(value)
    if verb == "s":
        return text_of(value)
    if kind is float and not math.isfinite(value) and verb in "def":
        return _special(value)
    if verb in "fe" and kind in _NUMBERS:
        if precision > _MAX_PRECISION:
            raise failure(FailureKind.BAD_ARGUMENT, f"a precision over {_MAX_PRECISION}")
        return f"{float(value):.{precision}{verb}}"
    if verb == "d" and kind in _NUMBERS:
        return text_of(value) if kind is float else str(int(value))
    if verb == "b" and kind is bool:
        return "1" if value else "0"
    if verb in "bo" and kind in _INTEGERS:
        return format(int(value), verb)
    if verb in "xX":
        return _hexadecimal(verb, value)
    raise _unfit(verb, value)


def _hexadecimal(verb: str, value: Any) -> str:
    kind = type(value)
    if kind in _INTEGERS:
        return format(int(value), verb)
    if kind is str or kind is bytes:
        digits: str = (value.encode("utf-8", "surrogatepass") if kind is str else value).hex()
        return digits.upper() if verb == "X" else digits
    raise _unfit(verb, value)


def _unfit(verb: str, value: Any) -> EvaluationError:
    message = f"error during formatting: %{verb} does not take {describe(value)}"
    return failure(FailureKind.BAD_ARGUMENT, message)


def _special(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _decimal(value: float) -> str:
    """The shortest decimal that reads back, without an exponent and without trailing zeros."""
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").removesuffix(".") if "." in text else text


def _key(entry: tuple[str, Any]) -> str:
    return entry[0]


def _check_format_size(size: int) -> None:
    if size > MAX_SIZE:
        raise failure(FailureKind.TOO_LARGE, f"a text of more than {MAX_SIZE:,} characters")


def _bounded(texts: Iterable[str]) -> list[str]:
    """The texts as a list; EvaluationError as soon as they exceed `MAX_SIZE` characters together.

    A list may hold one list many times, and that another: its text can be far larger than the
    memory that it takes, so the work stops early.
    """
    found: list[str] = []
    size = 0
    for text in texts:
        size += len(text)
        _check_format_size(size)
        found.append(text)
    return found


def text_of(value: Any) -> str:
    """Any CEL value as `%s` shows it."""
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if value is None:
        return "null"
    if kind in _INTEGERS:
        return str(int(value))
    if kind is float:
        return _decimal(value) if math.isfinite(value) else _special(value)
    if kind is bytes:
        return _INVALID.sub("\ufffd", value.decode("utf-8", "surrogateescape"))
    if kind is list:
        return f"[{', '.join(_bounded(map(text_of, value)))}]"
    if kind is dict or kind is CelMap:
        entries = sorted(((text_of(key), item) for key, item in value.items()), key=_key)
        texts = (f"{key}: {text_of(item)}" for key, item in entries)
        return "{" + ", ".join(_bounded(texts)) + "}"
    if kind is Timestamp:
        return format_timestamp(value)
    if kind is Duration:
        return format_duration(value)
    if kind is CelType:
        return str(value.name)
    raise _unfit("s", value)
