"""Remedies for syntax errors: what to write instead of the syntax of other languages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.cel.syntax.tokens import Token, TokenKind

#: What to write instead of words that are operators elsewhere, by the word in lower case.
_WORDS: Final = {
    "and": "write '&&'",
    "or": "write '||'",
    "not": "write '!'",
    "xor": "write '!='",
    "is": "compare with '=='",
    "eq": "write '=='",
    "equals": "write '=='",
    "ne": "write '!='",
    "gt": "write '>'",
    "lt": "write '<'",
    "mod": "write '%'",
    **dict.fromkeys(("ilike", "rlike", "glob"), 'write text.matches("(?i)…")'),
    **dict.fromkeys(("regex", "regexp", "similar"), 'write text.matches("…")'),
    **dict.fromkeys(("starts", "begins"), 'write text.startsWith("…")'),
    "ends": 'write text.endsWith("…")',
    **dict.fromkeys(("has", "includes"), 'write text.contains("…")'),
    "unless": "write && !(…)",
    "default": "write a != null ? a : b",
    **dict.fromkeys(("select", "where", "from"), "write the condition alone"),
    "like": 'write text.contains("…"), startsWith, endsWith or matches',
    "contains": 'write text.contains("…")',
    "startswith": 'write text.startsWith("…")',
    "endswith": 'write text.endsWith("…")',
    "matches": 'write text.matches("…")',
    "between": "write a <= x && x <= b",
    "if": "write condition ? one : other",
    "then": "write condition ? one : other",
    "else": "write condition ? one : other",
    "none": "write 'null'",
    "null": "compare with '== null'",
    "true": "compare with '== true', or join it by '&&'",
    "false": "compare with '== false', or join it by '&&'",
}
_VALUES: Final = frozenset({"true", "false", "null"})
#: Units of time spans, by their names in other languages; days become hours.
_UNITS: Final = {
    "ms": "ms",
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
}
_PERCENT: Final = frozenset({"percent", "pct"})
_NUMBERS: Final = frozenset({TokenKind.INT, TokenKind.UINT, TokenKind.DOUBLE})
_LITERALS: Final = _NUMBERS | {TokenKind.STRING, TokenKind.BYTES, TokenKind.BOOL, TokenKind.NULL}
_CLOSERS: Final = frozenset({")", "]"})
#: What to write instead of the optional values of other CEL libraries.
OPTIONAL_VALUES: Final = "write a != null ? a : b, or has(a.b) ? a.b : c"
_OPTIONAL_SIGNS: Final = frozenset({".", "[", "{", ","})
#: The functions for parts of a timestamp, by their names in other languages.
_PARTS: Final = {
    "extract": "getHours",
    "timeofday": "getHours",
    "year": "getFullYear",
    "month": "getMonth",
    "day": "getDate",
    "date": "getDate",
    "weekday": "getDayOfWeek",
    "dayofweek": "getDayOfWeek",
    "dayofyear": "getDayOfYear",
    "hour": "getHours",
    "hours": "getHours",
    "minute": "getMinutes",
    "minutes": "getMinutes",
    "second": "getSeconds",
    "seconds": "getSeconds",
}
_MISSING: Final = "an operator is missing before it, such as && or =="


def remedy_of(found: str, offset: int, tokens: Sequence[Token]) -> str:
    """The remedy for the unexpected token `found` at `offset` of these tokens; never empty."""
    place = next((n for n, token in enumerate(tokens) if token.offset >= offset), len(tokens))
    before = tokens[place - 1] if 0 < place <= len(tokens) else None
    token = tokens[place] if place < len(tokens) else None
    after = tokens[place + 1] if place + 1 < len(tokens) else None
    last, following = before.text if before else "", after.text if after else ""
    if found.lower() == "not" and following.lower() == "in":
        return "write !(x in […])"
    if found == "IN":
        return "write 'in' in small letters"
    if found.lower() == "is":
        return _of_is(following, tokens[place + 2 : place + 3])
    if found.lower() == "from" and (part := remedy_of_part(last)):
        return part.replace("write ", "write time.")
    if found.lower() == "for":
        return _of_for(after)
    if found.lower() in _PERCENT and before is not None and before.kind in _NUMBERS:
        return _percentage(last)
    if found == "!":
        return "write '!=' for unequal; in a message a format stands behind ':'"
    if before is not None and before.kind in _NUMBERS and found[0] == "_":
        return f"write {last}{found.replace('_', '')}"
    if found == "in" and last == ".":
        return f"'in' is a reserved word: write ['{found}']"
    for word in (found.lower(), last.lower()):
        if word in _WORDS and word not in _VALUES:
            return _WORDS[word]
    if found in _VALUES:
        return _WORDS[found]
    if token is None or token.kind is TokenKind.OPERATOR:
        return _of_operator(found, before, after, tokens[: place - 1])
    if before is not None and before.kind in _NUMBERS and found in _UNITS:
        return f"a span is written {_span(last, found)}, a number has no unit"
    if before is not None and token.kind is TokenKind.STRING:
        is_next = token.offset == before.offset + len(last)
        if is_next and before.kind is TokenKind.STRING:
            return "put a text that holds a quote into the other quotes"
        if is_next and before.kind is TokenKind.IDENT and len(last) == 1:
            return f"a text has no {last} before its quotes: join texts by +"
    if last == "&" or found in ("&", "|"):
        return "write '&&' or '||'"
    if before is not None and before.text in _CLOSERS | {"}"}:
        return _MISSING
    return _MISSING if before is None or before.kind is not TokenKind.OPERATOR else "remove it"


def remedy_of_end(tokens: Sequence[Token]) -> tuple[int, str, str] | None:
    """The offset, message and remedy for an expression that ends too early.

    None where it is merely incomplete.
    """
    last = tokens[-1]
    if last.text == "%" and len(tokens) > 1 and tokens[-2].kind in _NUMBERS:
        what = "a number can't be a percentage"
        return last.offset, what, _percentage(tokens[-2].text)
    for place, token in enumerate(tokens):
        if token.text != "?":
            continue
        following = tokens[place + 1] if place + 1 < len(tokens) else None
        if (
            following is not None
            and following.text[0] == "."
            and following.offset == token.offset + 1
        ):
            return token.offset, "'?' is not expected here", remedy_of_sign(".")
        if not any(each.text == ":" for each in tokens[place:]):
            what = "a '?' without its ':'"
            return token.offset, what, "write condition ? one : other, or x != null"
    return None


def _percentage(number: str) -> str:
    text = number.rstrip("uU")
    # CEL has whole numbers in base 16 too.
    value = int(text, 16) if "x" in text.lower() else float(text)
    return f"write {value / 100:g} for {number} %"


def _span(number: str, unit: str) -> str:
    """A number with a unit as a call of `duration()`."""
    short = _UNITS[unit]
    if short == "d" and number.isdigit():
        return f'duration("{int(number) * 24}h")'
    return f'duration("{number}{short}")'


def _of_is(following: str, rest: Sequence[Token]) -> str:
    """The remedy for `is null` and `is not null`, given the token behind `is` and the rest."""
    words = [following.lower(), *(token.text.lower() for token in rest)]
    if words[0] in ("null", "none", "empty", "missing"):
        return "write '== null'"
    if words[0] == "not":
        return "write '!= null'" if words[1:] in (["null"], ["none"]) else "write '!='"
    return "compare with '=='"


def _of_for(after: Token | None) -> str:
    if after is not None and after.kind in _NUMBERS:
        return "a rule sees one reading at a time; how often it alerts says rate_limit"
    return "write list.exists(item, condition)"


def _of_operator(
    found: str, before: Token | None, after: Token | None, earlier: Sequence[Token]
) -> str:
    last, following = before.text if before else "", after.text if after else ""
    if last == "%" and earlier and earlier[-1].kind in _NUMBERS:
        return _percentage(earlier[-1].text)
    if last == "/" and found == "*":
        return "a comment begins with //"
    if found == "?":
        return remedy_of_sign(last) or "write a != null ? a : b"
    if last == "." and len(earlier) > 0 and earlier[-1].kind in _NUMBERS:
        return f"write {earlier[-1].text}.0"
    if last + found == "<>":
        return "write '!='"
    if found in ("{", "}"):
        return "an expression needs no braces around it: remove them"
    if found == ",":
        if _open(earlier)[-1:] == "{":
            return "a map has keys: {key: value}; a list stands in brackets: [a, b]"
        is_number = before is not None and before.kind in _NUMBERS
        if is_number and after is not None and after.kind in _NUMBERS and "(" not in _open(earlier):
            return f"write {last}.{following} with a point"
        if before is not None and before.kind in _LITERALS and _open(earlier)[-2:] == "n(":
            return "a list stands in brackets: write [a, b]"
        return "join conditions by '&&' or '||'; a list stands in brackets: [a, b]"
    if found in (")", "]"):
        is_operand = before is not None and before.kind is not TokenKind.OPERATOR
        return (
            "there is one too many" if is_operand or last in _CLOSERS else "an operand is missing"
        )
    if found in ("(", "["):
        return _MISSING
    is_number = before is not None and before.kind in _NUMBERS
    if found == ":" and is_number and _open(earlier)[-1:] == "[":
        return f"write text.substring({last}, {following})"
    if found == ":" and is_number and after is not None and after.kind in _NUMBERS:
        return 'the hour of the event is time.getHours("Europe/Berlin")'
    if found == ":":
        return "a colon belongs to condition ? one : other, and to {key: value}"
    if found == "." and before is not None and before.kind in _NUMBERS:
        return "write a number with digits behind its point, such as 1.0"
    return "an operand is missing before it"


def _open(tokens: Sequence[Token]) -> str:
    """The brackets that these tokens leave open, each with an `n` before it if it follows `in`."""
    found: list[str] = []
    for place, token in enumerate(tokens):
        if token.kind is not TokenKind.OPERATOR:
            continue
        if token.text in ("(", "[", "{"):
            is_in = place > 0 and tokens[place - 1].text == "in"
            found.append(f"n{token.text}" if is_in else token.text)
        elif token.text in (")", "]", "}") and found:
            found.pop()
    return "".join(found)


def remedy_of_sign(before: str) -> str:
    """The remedy for a `?` behind this token, if it is the syntax of optional values, else ""."""
    return f"there are no optional values, {OPTIONAL_VALUES}" if before in _OPTIONAL_SIGNS else ""


def remedy_of_part(field: str) -> str:
    """The remedy for a field of a timestamp, such as `time.hour`; "" for other fields."""
    found = _part(field)
    return f'write {found}("Europe/Berlin")' if found else ""


def remedy_of_instant_part(name: str) -> str:
    """The remedy for a name such as `hour`, a part of the event's time; "" for other names."""
    found = _part(name)
    return f'write time.{found}("Europe/Berlin")' if found else ""


def _part(name: str) -> str:
    return _PARTS.get(name.lower().replace("_", ""), "")
