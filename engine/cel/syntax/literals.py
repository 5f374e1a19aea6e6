"""The values of literals: numbers, texts and bytes as they are written."""

from __future__ import annotations

import re
from typing import Final

from engine.cel.syntax.tokens import Token, TokenKind, syntax_error
from engine.cel.values.values import INT_MAX, INT_MIN, UINT_MAX, UInt

_ESCAPE: Final = re.compile(
    r"\\(?:([abfnrtv\\?\"'`])|([0-3][0-7]{2})|[xX]([0-9a-fA-F]{2})"
    r"|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(?s:.))"
)
_NO_POINT: Final = "they go to \\U0010FFFF, but for \\uD800 to \\uDFFF"
_LARGEST: Final = f"the largest is {INT_MAX}, as a double write it with .0"
_SIMPLE: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}


def literal_value(token: Token) -> object:
    """The value of a literal token.

    ExpressionError for a number that doesn't fit 64 bits, and for a bad escape.
    """
    match token.kind:
        case TokenKind.INT:
            return _integer(token)
        case TokenKind.UINT:
            return _unsigned(token)
        case TokenKind.DOUBLE:
            return float(token.text)
        case TokenKind.STRING:
            return _string(token)
        case TokenKind.BYTES:
            return _bytes(token)
        case TokenKind.BOOL:
            return token.text == "true"
        case _:
            return None


def _number(text: str) -> int:
    body = text.lower().removeprefix("-")
    base = 16 if body.startswith("0x") else 10
    # int() refuses a very long text; 40 digits exceed 64 bits anyway.
    digits = body.removeprefix("0x").lstrip("0")[:40] or "0"
    value = int(digits, base)
    return -value if text.startswith("-") else value


def _integer(token: Token) -> int:
    value = _number(token.text)
    if not INT_MIN <= value <= INT_MAX:
        raise syntax_error(
            token.offset, f"{token.text[:40]} does not fit a 64-bit integer", _LARGEST
        )
    return value


def _unsigned(token: Token) -> UInt:
    value = _number(token.text[:-1])
    if not 0 <= value <= UINT_MAX:
        raise syntax_error(
            token.offset, f"{token.text[:40]} does not fit a 64-bit unsigned integer"
        )
    return UInt(value)


def _body(text: str) -> tuple[str, bool, int]:
    """What is between the quotes, whether it is raw, and where it starts in the token."""
    prefix = len(text) - len(text.lstrip("rRbB"))
    is_raw = "r" in text[:prefix].lower()
    quote = 3 if text[prefix : prefix + 3] in ('"""', "'''") and len(text) >= prefix + 6 else 1
    return text[prefix + quote : len(text) - quote], is_raw, prefix + quote


def _string(token: Token) -> str:
    body, is_raw, start = _body(token.text)
    if is_raw or "\\" not in body:
        return body

    def character(match: re.Match[str]) -> str:
        code = _code(match, token.offset + start)
        return code if isinstance(code, str) else chr(code)

    return _ESCAPE.sub(character, body)


def _bytes(token: Token) -> bytes:
    body, is_raw, start = _body(token.text)
    if is_raw or "\\" not in body:
        return body.encode("utf-8", "surrogatepass")
    parts: list[bytes] = []
    position = 0
    for match in _ESCAPE.finditer(body):
        parts.append(body[position : match.start()].encode("utf-8", "surrogatepass"))
        if match[4] or match[5]:
            where = token.offset + start + match.start()
            raise syntax_error(where, "bytes take no \\u or \\U escape", "write \\x escapes")
        code = _code(match, token.offset + start)
        parts.append(code.encode() if isinstance(code, str) else bytes((code,)))
        position = match.end()
    parts.append(body[position:].encode("utf-8", "surrogatepass"))
    return b"".join(parts)


def _code(match: re.Match[str], start: int) -> str | int:
    r"""The character of an escape such as `\n`, or the number of one with digits."""
    simple, octal, hexadecimal, short, long = match.groups()
    if simple is not None:
        return _SIMPLE.get(simple, simple)
    if octal is not None:
        return int(octal, 8)
    digits = hexadecimal or short or long
    if digits is None:
        what = f"'{match[0]}' is not an escape of CEL"
        remedy = "double the backslash, or write a raw text: r'…'"
        raise syntax_error(start + match.start(), what, remedy)
    code = int(digits, 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise syntax_error(
            start + match.start(), f"'{match[0]}' is no Unicode code point", _NO_POINT
        )
    return code
