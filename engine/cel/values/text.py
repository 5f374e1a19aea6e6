"""The text functions of CEL's standard library and its `strings` and `encoders` extensions."""

from __future__ import annotations

import base64
import binascii
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
    no_overload,
)
from engine.errors import EvaluationError

# White_Space of Unicode, as the extension's trim() has it; Python's strip() adds \x1c to \x1f.
_SPACE: Final = (
    "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000"
)
_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER: Final = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_QUOTED: Final = str.maketrans(
    {
        "\a": "\\a",
        "\b": "\\b",
        "\f": "\\f",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\v": "\\v",
        "\\": "\\\\",
        '"': '\\"',
    }
)


def _check_index(index: int, size: int) -> None:
    if not 0 <= index <= size:
        raise failure(FailureKind.NO_INDEX, f"index out of range: {index}")


def char_at(text: str, index: int) -> str:
    """The character at `index`; empty at the very end."""
    _check_index(index, len(text))
    return text[index : index + 1]


def index_of(text: str, part: str, start: int = 0) -> int:
    """Where `part` stands first, from `start` on; -1 when nowhere."""
    _check_index(start, len(text))
    return text.find(part, start)


def last_index_of(text: str, part: str, start: int | None = None) -> int:
    """Where `part` stands last, at `start` at the latest; -1 when nowhere."""
    if start is None:
        return text.rfind(part)
    _check_index(start, len(text))
    return text.rfind(part, 0, start + len(part))


def lower_ascii(text: str) -> str:
    """A to Z in lower case, all else unchanged."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def upper_ascii(text: str) -> str:
    """a to z in upper case, all else unchanged."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


def replace(text: str, old: str, new: str, limit: int = -1) -> str:
    """`old` replaced by `new`, at most `limit` times when that is not negative."""
    count = text.count(old) if limit < 0 else min(limit, text.count(old))
    _check_size(len(text) + count * (len(new) - len(old)))
    return text.replace(old, new, max(limit, -1))


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    """The parts between separators, at most `limit` when that is not negative."""
    if limit == 0:
        return []
    if separator:
        return text.split(separator, limit - 1 if limit > 0 else -1)
    parts = list(text)
    return parts if limit < 0 or limit >= len(parts) else [*parts[: limit - 1], text[limit - 1 :]]


def substring(text: str, start: int, end: int | None = None) -> str:
    """The characters from `start` to before `end`, or to the end."""
    _check_index(start, len(text))
    if end is None:
        return text[start:]
    _check_index(end, len(text))
    if start > end:
        message = f"invalid substring range. start: {start}, end: {end}"
        raise failure(FailureKind.NO_INDEX, message)
    return text[start:end]


def trim(text: str) -> str:
    """The text without white space at both ends."""
    return text.strip(_SPACE)


def reverse(text: str) -> str:
    """The characters in reverse order."""
    return text[::-1]


def quote(text: str) -> str:
    """The text in double quotes, with escapes."""
    return f'"{text.translate(_QUOTED)}"'


def join(parts: list[Any], separator: str = "") -> str:
    """The texts of a list with `separator` between them."""
    for part in parts:
        if type(part) is not str:
            raise no_overload("join", part)
    _check_size(sum(map(len, parts)) + len(separator) * len(parts))
    return separator.join(parts)


def _check_size(size: int) -> None:
    if size > MAX_SIZE:
        raise failure(FailureKind.TOO_LARGE, f"a text of {size:,} characters")


_CLAUSE: Final = re.compile(r"%(?:%|(?:\.([0-9]+))?(.)|)", re.DOTALL)
_INTEGERS: Final = frozenset({int, UInt})
_NUMBERS: Final = frozenset({int, UInt, float})
_MAX_PRECISION: Final = 100
#: What `surrogateescape` makes of bytes that are no UTF-8.
_INVALID: Final = re.compile("[\udc80-\udcff]+")


def clauses(template: str) -> tuple[str, ...]:
    """The letters of the template's clauses; an evaluation error for one that there is not."""
    return tuple(_verb(match) for match in _CLAUSE.finditer(template) if match[0] != "%%")


def _verb(match: re.Match[str]) -> str:
    verb: str | None = match[2]
    if verb is None or verb not in "sdfebxXo":
        raise failure(FailureKind.BAD_ARGUMENT, f"unrecognized formatting clause '{match[0]}'")
    return verb


def format_text(template: str, args: list[Any]) -> str:
    """The template with each clause (`%s %d %f %e %b %o %x %X`) filled by the next argument."""
    waiting = iter(enumerate(args))
    count = len(args)
    used = 0
    size = len(template)

    def fill(match: re.Match[str]) -> str:
        nonlocal used, size
        if match[0] == "%%":
            return "%"
        precision, verb = match[1], _verb(match)
        if used >= count:
            raise failure(FailureKind.NO_INDEX, f"index {used} out of range")
        _, value = next(waiting)
        used += 1
        text = _clause(verb, int(precision[:4]) if precision else 6, value)
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
    """The shortest decimal that reads back, never with an exponent, without zeros at its end."""
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").removesuffix(".") if "." in text else text


def _key(entry: tuple[str, Any]) -> str:
    return entry[0]


def _check_format_size(size: int) -> None:
    if size > MAX_SIZE:
        raise failure(FailureKind.TOO_LARGE, f"a text of more than {MAX_SIZE:,} characters")


def _bounded(texts: Iterable[str]) -> list[str]:
    """The texts, as long as they are short enough together.

    A list may hold the same list many times over, and that one another: its text is no measure
    of the memory that it takes, and is given up as soon as it is too long.
    """
    found: list[str] = []
    size = 0
    for text in texts:
        size += len(text)
        _check_format_size(size)
        found.append(text)
    return found


def text_of(value: Any) -> str:
    """Any value as `%s` shows it."""
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


_BASE64_SPACE: Final = str.maketrans("", "", "\t\n\v\f\r ")
#: Whole groups of four, then what is left of one, with its padding or without any.
_BASE64: Final = re.compile(
    r"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?", re.ASCII
)


def encode(data: bytes) -> str:
    """Bytes as Base64 text, padded, by the alphabet with `+` and `/` (RFC 4648, section 4)."""
    if len(data) * 4 // 3 > MAX_SIZE:
        raise failure(FailureKind.TOO_LARGE, f"Base64 of {len(data):,} bytes")
    return base64.b64encode(data).decode("ascii")


def decode(text: str) -> bytes:
    """The bytes of a Base64 text; padding may be left out, white space is passed over."""
    plain = text.translate(_BASE64_SPACE)
    if _BASE64.fullmatch(plain) is None:
        raise failure(FailureKind.BAD_CONVERSION, f"'{text[:40]}' can't be read as Base64")
    digits = plain.rstrip("=")
    return binascii.a2b_base64(digits + "=" * (-len(digits) % 4))
