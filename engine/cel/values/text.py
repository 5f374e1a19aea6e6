"""CEL's extensions `strings` and `encoders`: functions on texts, and Base64.

Indexes count characters (code points). EvaluationError for an index outside of the text, and for
a result of more than `MAX_SIZE` characters.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

from engine.cel.values.numbers import MAX_SIZE
from engine.cel.values.values import FailureKind, failure, no_overload

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


def _check_index(index: int, size: int) -> None:
    if not 0 <= index <= size:
        raise failure(FailureKind.NO_INDEX, f"index out of range: {index}")


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


def _check_size(size: int) -> None:
    if size > MAX_SIZE:
        raise failure(FailureKind.TOO_LARGE, f"a text of {size:,} characters")


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
