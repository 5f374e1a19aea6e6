"""What to write instead of signs, words, names and functions that CEL does not have."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final
from zoneinfo import available_timezones

from engine.cel.syntax.tokens import Token, TokenKind
from engine.cel.syntax.tree import Call, Ident, Node, Select, children

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
#: Units by how a span is written in them.
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
_MISSING: Final = "an operator is missing before it, such as && or =="


def remedy_of(found: str, offset: int, tokens: Sequence[Token]) -> str:
    """What to do about the token `found` at `offset`, which can't stand there."""
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
    if found.lower() == "from" and (part := of_part(last)):
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
    """Where an expression that ends too early went wrong, what is wrong and what to write.

    None where it is just not complete.
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
    """A span as it is written."""
    short = _UNITS[unit]
    if short == "d" and number.isdigit():
        return f'duration("{int(number) * 24}h")'
    return f'duration("{number}{short}")'


def _of_is(following: str, rest: Sequence[Token]) -> str:
    """What `is null` and `is not null` are here."""
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
    """The brackets that are open behind these tokens; an `n` before one that follows `in`."""
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


_OPTIONAL: Final = "write a != null ? a : b, or has(a.b) ? a.b : c"
_BIND: Final = "write cel.bind(name, value, result)"
_ONE_NAME: Final = "write list.{}, which names the item only"
_SPACES: Final = frozenset({"cel", "optional"})
#: Functions by their whole name.
_FUNCTIONS: Final = {
    **dict.fromkeys(("optional.of", "optional.ofNonZeroValue", "optional.none"), _OPTIONAL),
    **dict.fromkeys(("cel.block", "cel.index", "cel.iterVar", "cel.accuVar"), _BIND),
}
#: What is written behind a dot.
_MEMBERS: Final = {
    **dict.fromkeys(("hasValue", "value", "or", "orValue", "optMap", "optFlatMap"), _OPTIONAL),
    "existsOne": _ONE_NAME.format("exists_one(item, condition)"),
    "transformList": _ONE_NAME.format("map(item, result)"),
    "transformMap": _ONE_NAME.format("map(item, result)"),
    "transformMapEntry": _ONE_NAME.format("map(item, result)"),
}
#: Macros that elsewhere may name two things, an index or a key beside the value.
_TWO_NAMES: Final = frozenset({"all", "exists", "exists_one"})
#: Those whose arguments hold names of their own.
_MACROS: Final = frozenset(
    {"optMap", "optFlatMap", "existsOne", "transformList", "transformMap", "transformMapEntry"}
)
_OPTIONAL_SIGNS: Final = frozenset({".", "[", "{", ","})
#: The type of optional values.
OPTIONAL_TYPE: Final = "optional_type"


@dataclass(frozen=True, slots=True)
class Unoffered:
    """What is wrong with a call and what to write; `args` are those of its parts that mean more."""

    what: str
    remedy: str
    args: tuple[Node, ...] = ()
    is_told: bool = False


def unoffered(node: Call, *, is_value: bool = False) -> Unoffered | None:
    """Why a call that means nothing here may mean something elsewhere; None if it does not.

    `is_value` says that what stands before the dot is a variable, whatever its name.
    """
    target, name = node.target, node.function
    if target is None:
        return None
    if isinstance(target, Ident) and target.name in _SPACES and not is_value:
        return _in_space(f"{target.name}.{name}", node)
    if name in _TWO_NAMES and len(node.args) == 3:
        form = _ONE_NAME.format(f"{name}(item, condition)")
        return Unoffered(f"{name}() with two names is not offered", form, (target,))
    remedy = _MEMBERS.get(name)
    if remedy is None:
        return None
    args = () if name in _MACROS else node.args
    return Unoffered(f"{name}() is not offered", remedy, (target, *args), _is_told(target))


def _in_space(name: str, node: Call) -> Unoffered:
    if name in _FUNCTIONS:
        return Unoffered(f"{name}() is not offered", _FUNCTIONS[name], node.args)
    if name == "cel.bind":
        return Unoffered(f"{name}() takes 3 arguments, not {len(node.args)}", _BIND)
    return Unoffered(f"there is no function '{name}'", _BIND if name.startswith("cel.") else "")


def _is_told(node: Node | None) -> bool:
    """Whether what stands before the dot is not offered either: one fault, told once."""
    while isinstance(node, Select | Call):
        if isinstance(node, Call) and unoffered(node) is not None:
            return True
        node = next(children(node), None)
    return False


def remedy_of_sign(before: str) -> str:
    """What to do about a question mark that stands behind this sign, where none may stand."""
    return f"there are no optional values, {_OPTIONAL}" if before in _OPTIONAL_SIGNS else ""


#: Values by the names that they have in other languages.
_NAMED_VALUES: Final = {
    **dict.fromkeys(("null", "none", "nil", "undefined"), "write null"),
    **dict.fromkeys(("true", "yes", "on"), "write true"),
    **dict.fromkeys(("false", "no", "off"), "write false"),
    **dict.fromkeys(("now", "today", "timestamp_now", "date"), "the event's instant is `time`"),
    **dict.fromkeys(("watchlist", "watchlists", "lists"), 'write watchlist("stolen")'),
    "timestamp": "the type is google.protobuf.Timestamp",
    "duration": "the type is google.protobuf.Duration",
}
#: What elsewhere stands before a field's name.
_EVENTS: Final = frozenset({"event", "this", "self", "it", "data", "msg", "message", "input"})
#: What only messages may use.
_OF_MESSAGES: Final = frozenset({"rule", "suppressed_count"})
_KNOWN_FUNCTIONS: Final = {
    **dict.fromkeys(("len", "length", "count", "strlen"), "write size(x)"),
    **dict.fromkeys(("upper", "toupper", "touppercase", "ucase"), "write text.upperAscii()"),
    **dict.fromkeys(("tolower", "tolowercase", "lowercase", "lcase"), "write lower(text)"),
    **dict.fromkeys(("now", "today", "currenttime"), "the event's instant is `time`"),
    **dict.fromkeys(("any", "some", "find"), "write list.exists(item, condition)"),
    **dict.fromkeys(("every", "each"), "write list.all(item, condition)"),
    **dict.fromkeys(("where", "select"), "write list.filter(item, condition)"),
    **dict.fromkeys(("regex", "match", "search", "like", "regexp"), 'write text.matches("…")'),
    **dict.fromkeys(("includes", "has_part", "in"), 'write text.contains("…"), or x in [a, b]'),
    **dict.fromkeys(("substr", "slice", "left", "right"), "write text.substring(start, end)"),
    **dict.fromkeys(("strip",), "write text.trim()"),
    **dict.fromkeys(("str", "text", "tostring"), "write string(x)"),
    **dict.fromkeys(("float", "number", "decimal"), "write double(x)"),
    **dict.fromkeys(("isnull", "is_null", "missing"), "write x == null"),
    **dict.fromkeys(("defined", "isset", "is_set", "isnotnull", "notnull"), "write x != null"),
    **dict.fromkeys(("isin", "is_in", "oneof", "anyof"), "write x in [a, b]"),
    **dict.fromkeys(("equals", "eq", "isequal"), "compare with =="),
    **dict.fromkeys(("equalsignorecase", "iequals", "ilike"), 'write lower(x) == "…"'),
    **dict.fromkeys(("isdigit", "isnumeric", "isdecimal"), "write isNumber(x)"),
    **dict.fromkeys(("in_watchlist", "inlist", "in_list"), 'write x in watchlist("stolen")'),
    **dict.fromkeys(
        ("file", "open", "load", "read", "include", "lookup"),
        'a list in a file is a watchlist: write x in watchlist("stolen")',
    ),
    **dict.fromkeys(("range",), "write a <= x && x < b"),
    **dict.fromkeys(
        ("states", "state", "is_state", "state_attr", "is_state_attr"),
        "fields are written as they are: camera_id",
    ),
    **dict.fromkeys(
        ("sum", "avg", "rate", "increase", "count_over_time", "avg_over_time", "max_over_time"),
        "a rule sees one reading at a time; how often it alerts says rate_limit",
    ),
    **dict.fromkeys(("coalesce", "ifnull", "nvl"), "write a != null ? a : b"),
    **dict.fromkeys(("if", "iif"), "write condition ? one : other"),
    **dict.fromkeys(("not",), "write '!'"),
    **dict.fromkeys(("and",), "write a && b"),
    **dict.fromkeys(("or",), "write a || b"),
    **dict.fromkeys(("row", "rows"), 'write watchlist("stolen").rows(plate.normalized_text)'),
    **dict.fromkeys(("between",), "write a <= x && x <= b"),
}
#: Where all names are told.
NAMES: Final = "`alert-engine help rules` tells all fields"
#: Functions elsewhere whose first argument is a new name, as that of a macro.
NAMING: Final = frozenset({"any", "some", "find", "every", "each", "where", "select"})
_TOLD: Final = "`alert-engine help rules` tells all functions"
#: Parts of an instant by the names of fields elsewhere.
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
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_NO_ZONE: Final = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2}(?:\.\d+)?)")
_DAYS: Final = re.compile(r"(\d{1,5}) ?d(?:ays?)?")
_DIGITS: Final = re.compile(r"\d+")
_SPAN: Final = re.compile(r"(\d{1,9}) ?(h|m|s|ms)[a-z]*")
_REGEXES: Final = (
    ("lookahead ('(?!')", "write !text.matches(…) in `when`, joined by && to what must be found"),
    ("lookahead", "ask for the parts one by one in `when`, joined by &&"),
    ("lookbehind", "ask for the parts one by one in `when`, joined by &&"),
    ("back-reference", "compare the parts with text.substring(start, end)"),
    ("missing ]", "close it with ], or write \\[ for the sign itself"),
    ("missing )", "close it with ), or write \\( for the sign itself"),
    ("unexpected )", "open it with (, or write \\) for the sign itself"),
    ("no argument for repetition", "write .* for anything, or \\* for the sign itself"),
    ("bad repetition operator", "one sign says how often"),
    ("invalid repetition size", "ask for 1000 at most"),
    ("\\p", "the classes are such as \\p{L} and \\p{Lu}"),
    ("\\Z", "write \\z"),
    ("invalid escape", "write \\\\ for a backslash"),
    ("trailing \\", "write \\\\ for a backslash"),
    ("invalid character class", "write ranges upwards, such as [A-Z]"),
)


def of_name(name: str) -> str:
    """What may have been meant by a name that is known nowhere, but in other languages."""
    if name in _OF_MESSAGES:
        return "only messages and their placeholders know it"
    if name in _EVENTS:
        return "leave it out, fields are written as they are: plate.text"
    return _NAMED_VALUES.get(name.lower(), "") or _of_instant(name)


def of_text(name: str) -> str:
    """What to do about a name that may be a text without its quotes."""
    return f'put quotes around a text: "{name}"'


def of_function(name: str) -> str:
    """What is written here for a function of other languages; empty where nothing is known."""
    return _KNOWN_FUNCTIONS.get(name.lower(), "") or _of_instant(name)


def of_any_function() -> str:
    """Where to look for a function that nothing here resembles."""
    return _TOLD


def of_part(field: str) -> str:
    """What is written for a field of an instant, such as `time.hour`."""
    found = _part(field)
    return f'write {found}("Europe/Berlin")' if found else ""


def _of_instant(name: str) -> str:
    """What is written for a part of the event's instant, such as `hour`."""
    found = _part(name)
    return f'write time.{found}("Europe/Berlin")' if found else ""


def _part(name: str) -> str:
    return _PARTS.get(name.lower().replace("_", ""), "")


def of_regex(fault: str) -> str:
    """What to do about a pattern that RE2 does not take."""
    for sign, remedy in _REGEXES:
        if sign in fault:
            return remedy
    return "correct the pattern, whose syntax is RE2's"


def of_constant(function: str, text: str) -> str:
    """What to write instead of a text that a function can't read."""
    if function == "timestamp":
        return _of_timestamp(text)
    if function == "duration":
        return _of_duration(text)
    if function.startswith("get"):
        return remedy_of_zone(text)
    if function == "bool":
        return 'write "true" or "false"'
    return 'write digits only, such as "15"' if function in ("int", "uint") else 'write "1.5"'


def _of_timestamp(text: str) -> str:
    if _DATE.fullmatch(text):
        return f'write the time of day too: "{text}T00:00:00Z"'
    found = _NO_ZONE.fullmatch(text)
    if found is not None:
        return f'the zone is missing: write "{found[1]}T{found[2]}Z", or +01:00 for Z'
    return 'write it like "2025-12-24T18:00:00Z"'


def _of_duration(text: str) -> str:
    days = _DAYS.fullmatch(text)
    if days is not None:
        return f'hours are the longest unit: write "{int(days[1]) * 24}h"'
    if _DIGITS.fullmatch(text):
        return f'name the unit: "{text}s" for seconds, "{text}m" for minutes'
    span = _SPAN.fullmatch(text.strip())
    return f'write "{span[1]}{span[2]}"' if span is not None else 'write it like "1h30m" or "90s"'


#: Cities that have no zone of their own, by the zone that is their time.
_CITIES: Final = {
    "Europe/Berlin": "muenchen munchen munich hamburg koeln koln cologne frankfurt stuttgart "
    "dusseldorf duesseldorf leipzig dresden bonn bremen hannover nurnberg nuernberg germany",
    "Europe/London": "manchester birmingham edinburgh glasgow liverpool leeds cardiff england",
    "Europe/Paris": "lyon marseille toulouse nice bordeaux lille strasbourg france",
    "Europe/Rome": "milan milano naples napoli turin torino florence venice italy",
    "Europe/Madrid": "barcelona valencia sevilla bilbao spain",
    "Europe/Zurich": "geneva genf bern basel lausanne zuerich switzerland",
    "Europe/Vienna": "wien salzburg graz linz innsbruck austria",
    "Europe/Amsterdam": "rotterdam utrecht thehague eindhoven netherlands",
    "Europe/Warsaw": "krakow gdansk wroclaw poznan poland",
    "America/New_York": "boston washington miami atlanta philadelphia orlando tampa charlotte "
    "jacksonville newjersey eastern",
    "America/Chicago": "houston dallas austin sanantonio minneapolis memphis texas central",
    "America/Los_Angeles": "sanfrancisco seattle sandiego lasvegas portland sacramento sanjose "
    "california pacific",
    "America/Denver": "saltlakecity albuquerque mountain",
    "America/Toronto": "ottawa montreal quebec",
    "America/Sao_Paulo": "rio riodejaneiro brasilia",
    "America/Mexico_City": "guadalajara puebla mexico",
    "Asia/Kolkata": "mumbai delhi newdelhi bangalore chennai hyderabad india",
    "Asia/Shanghai": "beijing shenzhen guangzhou china",
    "Asia/Tokyo": "osaka kyoto nagoya",
    "Australia/Sydney": "canberra newcastle",
}
#: What stands on a clock and is no zone: daylight time, or short for several.
_SHORT: Final = {
    **dict.fromkeys(("CEST", "MESZ", "MEZ"), "Europe/Berlin"),
    **dict.fromkeys(("BST",), "Europe/London"),
    **dict.fromkeys(("EDT", "ET"), "America/New_York"),
    **dict.fromkeys(("CDT", "CT"), "America/Chicago"),
    **dict.fromkeys(("MDT", "MT"), "America/Denver"),
    **dict.fromkeys(("PDT", "PST", "PT"), "America/Los_Angeles"),
    **dict.fromkeys(("EEST",), "Europe/Athens"),
    **dict.fromkeys(("IST",), "Asia/Kolkata"),
    **dict.fromkeys(("JST",), "Asia/Tokyo"),
}
_OFFSET: Final = re.compile(r"(?:UTC|GMT|CET|Z)?\s*([+-])(\d{1,2})(?::?(\d{2}))?", re.I)
_CLOSE: Final = 0.8
_GENERAL: Final = 'name a place, such as "Europe/Berlin", or an offset, such as "+01:00"'


@lru_cache(maxsize=64)
def remedy_of_zone(name: str) -> str:
    """What to write instead of a name that is no time zone."""
    found = _offset(name) or _SHORT.get(name.strip().upper()) or _of_place(name)
    return f"did you mean '{found}'?" if found else _GENERAL


def _offset(name: str) -> str:
    """An offset such as `UTC+1` in the form that is read."""
    found = _OFFSET.fullmatch(name.strip())
    return f"{found[1]}{int(found[2]):02d}:{found[3] or '00'}" if found is not None else ""


def _of_place(name: str) -> str:
    """The zone of a place: by its last part, which is its city; never only a similar whole name."""
    region, _, last = name.rpartition("/")
    city = _plain(last)
    for zone, cities in _CITIES.items():
        if city in cities.split():
            return zone
    by_city = _by_city()
    near = difflib.get_close_matches(city, by_city, n=5, cutoff=_CLOSE)
    zones = [by_city[each] for each in near]
    of_region = [zone for zone in zones if _plain(zone.partition("/")[0]) == _plain(region)]
    return next(iter(of_region or (zones if near[:1] == [city] or not region else ())), "")


def _plain(name: str) -> str:
    """A name in small letters a-z, without marks, blanks and lines."""
    letters = unicodedata.normalize("NFKD", name).lower()
    return "".join(sign for sign in letters if "a" <= sign <= "z")


@cache
def _by_city() -> dict[str, str]:
    """The zones by their cities, those of today's names first."""
    zones = sorted(zone for zone in available_timezones() if "/" in zone)
    regions = ("Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
    known = [zone for zone in zones if zone.partition("/")[0] in regions]
    found: dict[str, str] = {}
    for zone in known:
        found.setdefault(_plain(zone.rpartition("/")[2]), zone)
    return found
