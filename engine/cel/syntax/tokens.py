"""The tokens of a text, by CEL's lexical rules, and the values of those that are literals.

The limits of size and nesting are checked here, before anything recursive or costly is done.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.cel.syntax.examples import NEUTRAL, Examples
from engine.cel.values.values import INT_MAX, INT_MIN, UINT_MAX, UInt
from engine.errors import ExpressionError, Problem

#: Most characters of an expression or a template.
MAX_LENGTH: Final = 65_536
#: Most levels of brackets, and of operators that nest without brackets.
MAX_NESTING: Final = 64


class TokenKind(StrEnum):
    """The kinds of tokens, by the grammar's names; an `OPERATOR` is known by its text."""

    INT = "INT_LIT"
    UINT = "UINT_LIT"
    DOUBLE = "FLOAT_LIT"
    STRING = "STRING_LIT"
    BYTES = "BYTES_LIT"
    BOOL = "BOOL_LIT"
    NULL = "NULL_LIT"
    IDENT = "IDENT"
    OPERATOR = "OPERATOR"


@dataclass(frozen=True, slots=True)
class Token:
    """One token of an expression; `offset` counts code points from the text's start."""

    kind: TokenKind
    text: str
    offset: int


_PATTERN: Final = re.compile(
    r"""
    (?P<skip>[\t\n\f\r\ ]+|//[^\n]*)
  | (?P<text>[bB]?[rR](?:\"\"\"(?s:.)*?\"\"\"|'''(?s:.)*?'''|"[^"\n\r]*"|'[^'\n\r]*')
      | [bB]?(?:\"\"\"(?:[^"\\]|\\(?s:.)|"(?!""))*+\"\"\"|'''(?:[^'\\]|\\(?s:.)|'(?!''))*+'''
              |"(?:[^"\\\n\r]|\\(?s:.))*+"|'(?:[^'\\\n\r]|\\(?s:.))*+'))
  | (?P<word>[_a-zA-Z][_a-zA-Z0-9]*)
  | (?P<double>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+
      |\.[0-9]+(?:[eE][+-]?[0-9]+)?)
  | (?P<uint>0x[0-9a-fA-F]+[uU]|[0-9]+[uU])
  | (?P<int>0x[0-9a-fA-F]+|[0-9]+)
  | (?P<quoted>`[a-zA-Z0-9_./\ -]+`)
  | (?P<operator>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])
    """,
    re.VERBOSE,
)
_WORDS: Final = {
    "true": TokenKind.BOOL,
    "false": TokenKind.BOOL,
    "null": TokenKind.NULL,
    "in": TokenKind.OPERATOR,
}
_NUMBERS: Final = {
    "double": TokenKind.DOUBLE,
    "uint": TokenKind.UINT,
    "int": TokenKind.INT,
}
_CLOSER: Final = {"(": ")", "[": "]", "{": "}"}
_REMEDIES: Final = {
    "=": "compare with '=='",
    "&": "write '&&'",
    "|": "write '||'; a function stands behind a dot: text.upperAscii()",
    '"': "close the text with a quote",
    "'": "close the text with a quote",
    "`": "only a field's name after a dot may stand in backquotes",
    **dict.fromkeys("“”„‟«»", 'write straight quotes: "'),
    **dict.fromkeys("‘’‚‛´", "write straight quotes: '"),
    "#": "a comment begins with //",
    ";": "remove it, or join conditions by '&&'",
    "^": "write a pattern as text, in quotes: text.matches(…)",
    "~": 'write text.matches("…")',
    "\\": "a backslash stands within quotes only",
    "≤": "write '<='",
    "≥": "write '>='",
    "≠": "write '!='",
}
#: What other languages write before the name of a field or a variable.
_BEFORE_FIELDS: Final = frozenset("$@")
_PAIRS: Final = {"=>": "write '>='", "=<": "write '<='", "=~": 'write text.matches("…")'}
_NO_SIGN: Final = "remove it; a text stands in quotes"
_SIGNED: Final = frozenset({TokenKind.INT, TokenKind.DOUBLE})


def syntax_error(offset: int, what: str, remedy: str = "") -> ExpressionError:
    """Makes the error of a text that can't be parsed, with one problem at `offset`."""
    return ExpressionError((Problem(offset, "syntax", what, remedy),))


def tokenize(text: str, examples: Examples = NEUTRAL) -> list[Token]:
    """The tokens of a whole expression; ExpressionError for bad characters or over a limit."""
    check_length(text, "the expression")
    tokens, _ = scan(text, 0, examples, is_placeholder=False)
    return tokens


def check_length(text: str, what: str) -> None:
    """Raises ExpressionError for a text of more than `MAX_LENGTH` characters; `what` names it."""
    if len(text) > MAX_LENGTH:
        message = f"{what} has {len(text):,} characters, {MAX_LENGTH:,} is the limit"
        raise ExpressionError((Problem(0, "too-long", message, "write it shorter"),))


def scan(
    text: str, start: int, examples: Examples = NEUTRAL, *, is_placeholder: bool
) -> tuple[list[Token], int]:
    """The tokens from `start` on, and the offset behind the last.

    They go to the end of the text; in a placeholder, to the first `}` or `:` that belongs to the
    template and not to the expression, as a map's brace and a ternary's colon do. ExpressionError
    as for `tokenize`.
    """
    tokens: list[Token] = []
    nesting = _Nesting()
    position = start
    end = len(text)
    match = _PATTERN.match
    while position < end:
        found = match(text, position)
        if found is None:
            raise _unreadable(text, position, examples)
        kind = found.lastgroup
        if kind == "skip":
            position = found.end()
            continue
        token = _token(str(kind), found.group(), position)
        if is_placeholder and nesting.is_end(token):
            return tokens, position
        nesting.take(token, tokens[-1] if tokens else None)
        _append(tokens, token)
        position = found.end()
    return tokens, position


def _token(group: str, text: str, offset: int) -> Token:
    if group == "word":
        return Token(_WORDS.get(text, TokenKind.IDENT), text, offset)
    if group == "operator":
        return Token(TokenKind.OPERATOR, text, offset)
    if group == "quoted":
        return Token(TokenKind.IDENT, text, offset)
    if group == "text":
        return Token(TokenKind.BYTES if text[0] in "bB" else TokenKind.STRING, text, offset)
    return Token(_NUMBERS[group], text, offset)


def _append(tokens: list[Token], token: Token) -> None:
    last = tokens[-1] if tokens else None
    if last is not None and last.kind is TokenKind.OPERATOR:
        # A minus becomes part of its number, so that the least int64 can be written.
        if last.text == "-" and token.kind in _SIGNED and not _ends_operand(tokens[-2:-1]):
            tokens[-1] = Token(token.kind, "-" + token.text, last.offset)
            return
        # CEL allows one comma before a closing bracket; celpy's grammar does not.
        if last.text == "," and token.text in ("]", "}") and _ends_operand(tokens[-2:-1]):
            tokens.pop()
    tokens.append(token)


def _ends_operand(tokens: Iterable[Token]) -> bool:
    return any(
        token.kind is not TokenKind.OPERATOR or token.text in (")", "]", "}") for token in tokens
    )


class _Nesting:
    """Counts how deep the tree of the tokens so far will be."""

    def __init__(self) -> None:
        self._closers: list[str] = []
        self._levels = [_NestingLevel()]

    def is_end(self, token: Token) -> bool:
        """Whether the token ends the placeholder that the tokens so far are in."""
        if self._closers or token.kind is not TokenKind.OPERATOR:
            return False
        return token.text == "}" or (token.text == ":" and not self._levels[0].open_ternaries)

    def take(self, token: Token, before: Token | None) -> None:
        """Count one token, which follows `before`; ExpressionError when it nests too deep."""
        if token.kind is not TokenKind.OPERATOR:
            return
        level = self._levels[-1]
        text = token.text
        if text in _CLOSER:
            level.chain += text == "["
            self._closers.append(_CLOSER[text])
            self._levels.append(_NestingLevel())
        elif text in (")", "]", "}"):
            if self._closers and self._closers[-1] == text:
                self._closers.pop()
                self._levels.pop()
        else:
            level.count(text, before)
        if len(self._closers) > MAX_NESTING or level.depth > MAX_NESTING:
            message = f"the expression is nested more than {MAX_NESTING} deep"
            remedy = "split it into several rules or conditions"
            raise ExpressionError((Problem(token.offset, "too-deep", message, remedy),))


class _NestingLevel:
    """One pair of brackets: how deep each kind of nesting without brackets is inside of it.

    `chain` counts `.` and `[ ]`, `leaning` comparisons, `signs` runs of `!` and `-`.
    """

    __slots__ = ("chain", "leaning", "open_ternaries", "signs", "ternaries")

    def __init__(self) -> None:
        self.chain = 0
        self.leaning = 0
        self.signs = 0
        self.ternaries = 0
        self.open_ternaries = 0

    @property
    def depth(self) -> int:
        """The deepest of the kinds."""
        return max(self.chain, self.leaning, self.signs, self.ternaries)

    def count(self, text: str, before: Token | None) -> None:
        """Count an operator that follows the token `before`."""
        is_sign = text in "!-" and (before is None or not _ends_operand([before]))
        match text:
            case ".":
                self.chain += 1
            case "?":
                self.ternaries += 1
                self.open_ternaries += 1
                self.chain = self.leaning = 0
            case ":" if self.open_ternaries:
                self.open_ternaries -= 1
                self.chain = self.leaning = 0
            case "," | ":":
                self.chain = self.leaning = self.ternaries = 0
            case "&&" | "||":
                self.chain = self.leaning = 0
            case "!" | "-" if is_sign:
                follows_sign = before is not None and before.text in ("!", "-")
                self.signs = self.signs + 1 if follows_sign else 1
                self.chain = 0
            case "+" | "-" | "*" | "/" | "%":
                self.chain = 0
            case _:
                # A comparison: a < b < c nests to the left.
                self.leaning += 1
                self.chain = 0


def _unreadable(text: str, position: int, examples: Examples) -> ExpressionError:
    sign = text[position]
    following = text[position + 1 : position + 2]
    if sign in "\"'" or (sign in "rRbB" and following and following in "\"'"):
        return syntax_error(position, "a text is not closed", "end it with the quote it began with")
    remedy = _PAIRS.get(sign + following) or _REMEDIES.get(sign, _NO_SIGN)
    if sign in _BEFORE_FIELDS:
        remedy = f"remove it; a field is written {examples.text}"
    shown = f"'{sign}'"
    if not sign.isascii() and sign not in _REMEDIES:
        # Many look like another character, or are invisible.
        shown = f"{shown} (U+{ord(sign):04X} {unicodedata.name(sign, 'UNNAMED')})"
    return syntax_error(position, f"{shown} is not part of CEL", remedy)


# The values of literals: numbers, texts and bytes as they are written.

_ESCAPE: Final = re.compile(
    r"\\(?:([abfnrtv\\?\"'`])|([0-3][0-7]{2})|[xX]([0-9a-fA-F]{2})"
    r"|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(?s:.))"
)
_CODE_POINTS: Final = "they go to \\U0010FFFF, but for \\uD800 to \\uDFFF"
_LARGEST_INT: Final = f"the largest is {INT_MAX}, as a double write it with .0"
_SIMPLE_ESCAPES: Final = {
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
            token.offset, f"{token.text[:40]} does not fit a 64-bit integer", _LARGEST_INT
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
        code = _escaped(match, token.offset + start)
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
        code = _escaped(match, token.offset + start)
        parts.append(code.encode() if isinstance(code, str) else bytes((code,)))
        position = match.end()
    parts.append(body[position:].encode("utf-8", "surrogatepass"))
    return b"".join(parts)


def _escaped(match: re.Match[str], start: int) -> str | int:
    r"""The character of an escape such as `\n`, or the number of one with digits."""
    simple, octal, hexadecimal, short, long = match.groups()
    if simple is not None:
        return _SIMPLE_ESCAPES.get(simple, simple)
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
            start + match.start(), f"'{match[0]}' is no Unicode code point", _CODE_POINTS
        )
    return code
