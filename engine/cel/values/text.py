"""Texts: CEL's extensions `strings` and `encoders`, `format()`, and regular expressions by RE2.

Indexes count characters (code points). EvaluationError for an index outside of the text, and for
a result of more than `MAX_SIZE` characters.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import re2

from engine.cel.values.instants import format_duration, format_timestamp
from engine.cel.values.numbers import MAX_SIZE
from engine.cel.values.values import (
    NUMBERS,
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

# Unicode's White_Space, which trim() removes; Python's strip() also removes \x1c to \x1f.
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
_BASE64_SPACE: Final = str.maketrans("", "", "\t\n\v\f\r ")
#: Groups of four digits, then a last group of two or three, padded or not.
_BASE64: Final = re.compile(
    r"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?", re.ASCII
)


def char_at(text: str, index: int) -> str:
    """The character at `index`; "" where that is the length of the text."""
    _check_index(index, len(text))
    return text[index : index + 1]


def index_of(text: str, part: str, start: int = 0) -> int:
    """The index of the first `part` at or behind `start`; -1 for none."""
    _check_index(start, len(text))
    return text.find(part, start)


def last_index_of(text: str, part: str, start: int | None = None) -> int:
    """The index of the last `part` that begins at or before `start`; -1 for none."""
    if start is None:
        return text.rfind(part)
    _check_index(start, len(text))
    return text.rfind(part, 0, start + len(part))


def lower_ascii(text: str) -> str:
    """The text with A to Z in lower case."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def upper_ascii(text: str) -> str:
    """The text with a to z in upper case."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


def replace(text: str, old: str, new: str, limit: int = -1) -> str:
    """The text with `old` replaced by `new`: all, or the first `limit` unless it is negative."""
    count = text.count(old) if limit < 0 else min(limit, text.count(old))
    _check_size(len(text) + count * (len(new) - len(old)))
    return text.replace(old, new, max(limit, -1))


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    """The parts between separators, at most `limit` of them unless it is negative.

    The characters, where the separator is empty.
    """
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
    """The text without white space at its ends."""
    return text.strip(_SPACE)


def reverse(text: str) -> str:
    """The characters in reverse order."""
    return text[::-1]


def quote(text: str) -> str:
    """The text in double quotes, with escapes."""
    return f'"{text.translate(_QUOTED)}"'


def join(parts: list[Any], separator: str = "") -> str:
    """The texts of a list with `separator` between them; EvaluationError for other elements."""
    for part in parts:
        if type(part) is not str:
            raise no_overload("join", part)
    _check_size(sum(map(len, parts)) + len(separator) * len(parts))
    return separator.join(parts)


def encode(data: bytes) -> str:
    """Bytes as padded Base64 with `+` and `/` (RFC 4648, section 4)."""
    if len(data) * 4 // 3 > MAX_SIZE:
        raise failure(FailureKind.TOO_LARGE, f"Base64 of {len(data):,} bytes")
    return base64.b64encode(data).decode("ascii")


def decode(text: str) -> bytes:
    """The bytes of a Base64 text; padding is optional, white space is ignored.

    EvaluationError for a text that is no Base64.
    """
    plain = text.translate(_BASE64_SPACE)
    if _BASE64.fullmatch(plain) is None:
        raise failure(FailureKind.BAD_CONVERSION, f"'{text[:40]}' can't be read as Base64")
    digits = plain.rstrip("=")
    return binascii.a2b_base64(digits + "=" * (-len(digits) % 4))


def _check_index(index: int, size: int) -> None:
    if not 0 <= index <= size:
        raise failure(FailureKind.NO_INDEX, f"index out of range: {index}")


def _check_size(size: int) -> None:
    if size > MAX_SIZE:
        raise failure(FailureKind.TOO_LARGE, f"a text of {size:,} characters")


# The function `format()`, and any value as the text of its `%s`.

_CLAUSE: Final = re.compile(r"%(?:%|(?:\.([0-9]+))?(.)|)", re.DOTALL)
_INTEGERS: Final = frozenset({int, UInt})
_MAX_PRECISION: Final = 100
#: The characters that `surrogateescape` makes of bytes that are not UTF-8.
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]+")


def clauses(template: str) -> tuple[str, ...]:
    """The letters of the template's clauses, `%%` left out; EvaluationError for an unknown one."""
    return tuple(_verb(match) for match in _CLAUSE.finditer(template) if match[0] != "%%")


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
        return _decimal_number(value) if math.isfinite(value) else _special_number(value)
    if kind is bytes:
        return _NOT_UTF8.sub("\ufffd", value.decode("utf-8", "surrogateescape"))
    if kind is list:
        return f"[{', '.join(_bounded(map(text_of, value)))}]"
    if kind is dict or kind is CelMap:
        entries = sorted(((text_of(key), item) for key, item in value.items()), key=_key_of)
        texts = (f"{key}: {text_of(item)}" for key, item in entries)
        return "{" + ", ".join(_bounded(texts)) + "}"
    if kind is Timestamp:
        return format_timestamp(value)
    if kind is Duration:
        return format_duration(value)
    if kind is CelType:
        return str(value.name)
    raise _bad_argument("s", value)


def _verb(match: re.Match[str]) -> str:
    verb: str | None = match[2]
    if verb is None or verb not in "sdfebxXo":
        raise failure(FailureKind.BAD_ARGUMENT, f"unrecognized formatting clause '{match[0]}'")
    return verb


def _clause(verb: str, precision: int, value: Any) -> str:
    kind = type(value)
    if verb == "s":
        return text_of(value)
    if kind is float and not math.isfinite(value) and verb in "def":
        return _special_number(value)
    if verb in "fe" and kind in NUMBERS:
        if precision > _MAX_PRECISION:
            raise failure(FailureKind.BAD_ARGUMENT, f"a precision over {_MAX_PRECISION}")
        return f"{float(value):.{precision}{verb}}"
    if verb == "d" and kind in NUMBERS:
        return text_of(value) if kind is float else str(int(value))
    if verb == "b" and kind is bool:
        return "1" if value else "0"
    if verb in "bo" and kind in _INTEGERS:
        return format(int(value), verb)
    if verb in "xX":
        return _hexadecimal(verb, value)
    raise _bad_argument(verb, value)


def _hexadecimal(verb: str, value: Any) -> str:
    kind = type(value)
    if kind in _INTEGERS:
        return format(int(value), verb)
    if kind is str or kind is bytes:
        digits: str = (value.encode("utf-8", "surrogatepass") if kind is str else value).hex()
        return digits.upper() if verb == "X" else digits
    raise _bad_argument(verb, value)


def _bad_argument(verb: str, value: Any) -> EvaluationError:
    message = f"error during formatting: %{verb} does not take {describe(value)}"
    return failure(FailureKind.BAD_ARGUMENT, message)


def _special_number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _decimal_number(value: float) -> str:
    """The shortest decimal that reads back, without an exponent and without trailing zeros."""
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").removesuffix(".") if "." in text else text


def _key_of(entry: tuple[str, Any]) -> str:
    return entry[0]


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


def _check_format_size(size: int) -> None:
    if size > MAX_SIZE:
        raise failure(FailureKind.TOO_LARGE, f"a text of more than {MAX_SIZE:,} characters")


# Regular expressions by RE2, whose time grows only linearly with the text.

_REGEX_OPTIONS: Final = re2.Options()
_REGEX_OPTIONS.log_errors = False
# Only whether a pattern matches is needed.
_REGEX_OPTIONS.never_capture = True
_SHOWN_LENGTH: Final = 120
#: A set of patterns gives no answer where its automaton outgrows its memory. That of a pattern with
#: a program no larger than this never does.
_MAX_SET_PROGRAM: Final = 1_000
_NOT_OFFERED: Final = {
    "(?=": "lookahead",
    "(?!": "lookahead",
    "(?<": "lookbehind",
    "(?>": "atomic group",
    "(?(": "conditional",
}
_BACK_REFERENCE: Final = re.compile(r"escape sequence: \\[1-9]$")


class BadRegexError(ValueError):
    """The pattern is no regular expression of RE2."""


def compile_search(pattern: str) -> Callable[[str], bool]:
    """Returns a predicate: whether the pattern is found in a text.

    BadRegexError for a bad pattern. The predicate raises UnicodeEncodeError for a text with
    surrogates.
    """
    match = compile_match(pattern)
    return lambda text: match(text) is not None


def compile_match(pattern: str) -> Callable[[str], object]:
    """Like `compile_search`, but the function returns None where the pattern is not found, and
    any object where it is: that saves a call where the caller compares with None anyway.
    """
    try:
        compiled = re2.compile(pattern, _REGEX_OPTIONS)
    except (re2.error, UnicodeEncodeError) as error:
        raise BadRegexError(_regex_fault(error)) from None
    if compiled.programsize <= _MAX_SET_PROGRAM:
        # A set of one pattern takes half the time: it makes no match object.
        patterns = re2.Set.SearchSet(_REGEX_OPTIONS)
        patterns.Add(pattern)
        patterns.Compile()
        return patterns.Match  # type: ignore[no-any-return]
    search = compiled.search
    # With bytes, re2 need not translate offsets, which takes twice as long as the search.
    return lambda text: search(text.encode())


def matches(text: str, pattern: str) -> bool:
    """`text.matches(pattern)` for a pattern that is known only at run time.

    EvaluationError for a bad pattern or a text that is no valid Unicode.
    """
    try:
        return _cached_search(pattern)(text)
    except BadRegexError as error:
        raise failure(FailureKind.BAD_REGEX, str(error)) from None
    except UnicodeEncodeError:
        raise failure(FailureKind.BAD_ARGUMENT, "the text is not valid Unicode") from None


def _regex_fault(error: Exception) -> str:
    detail = error.args[0] if error.args else ""
    text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(error)
    for sign, name in _NOT_OFFERED.items():
        if f": {sign}" in text:
            return f"RE2 has no {name} ('{sign}')"
    if _BACK_REFERENCE.search(text):
        return f"RE2 has no back-references ('{text[-2:]}')"
    return f"not a regular expression of RE2: {text[:_SHOWN_LENGTH]}"


@lru_cache(maxsize=1_024)
def _cached_search(pattern: str) -> Callable[[str], bool]:
    return compile_search(pattern)
