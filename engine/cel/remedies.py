"""What to write instead of names, functions and constants that are not what was meant."""

from __future__ import annotations

import re
from typing import Final

from engine.cel.zones import remedy_of_zone

#: Values by the names that they have in other languages.
_VALUES: Final = {
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
_FUNCTIONS: Final = {
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
    return _VALUES.get(name.lower(), "") or _of_instant(name)


def of_text(name: str) -> str:
    """What to do about a name that may be a text without its quotes."""
    return f'put quotes around a text: "{name}"'


def of_function(name: str) -> str:
    """What is written here for a function of other languages; empty where nothing is known."""
    return _FUNCTIONS.get(name.lower(), "") or _of_instant(name)


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
