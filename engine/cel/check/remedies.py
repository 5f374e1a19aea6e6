"""Remedies for names, functions and constants that CEL does not have, but other languages do.

The tables go from a word of another language to what to write in CEL. `Examples` fill in the names
of fields.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from engine.cel.check.time_zones import remedy_of_zone
from engine.cel.syntax.examples import Examples
from engine.cel.syntax.remedies import OPTIONAL_VALUES, remedy_of_instant_part
from engine.cel.syntax.tree import Call, Ident, Node, Select, children

_BIND: Final = "write cel.bind(name, value, result)"
_ONE_NAME: Final = "write list.{}, which names the item only"
_NAMESPACES: Final = frozenset({"cel", "optional"})
#: Functions of other CEL libraries, by their full name.
_FUNCTIONS: Final = {
    **dict.fromkeys(("optional.of", "optional.ofNonZeroValue", "optional.none"), OPTIONAL_VALUES),
    **dict.fromkeys(("cel.block", "cel.index", "cel.iterVar", "cel.accuVar"), _BIND),
}
#: Functions of other CEL libraries that are called on a value.
_MEMBERS: Final = {
    **dict.fromkeys(
        ("hasValue", "value", "or", "orValue", "optMap", "optFlatMap"), OPTIONAL_VALUES
    ),
    "existsOne": _ONE_NAME.format("exists_one(item, condition)"),
    "transformList": _ONE_NAME.format("map(item, result)"),
    "transformMap": _ONE_NAME.format("map(item, result)"),
    "transformMapEntry": _ONE_NAME.format("map(item, result)"),
}
#: Macros that may have two variables in newer CEL: the index or key beside the value.
_TWO_NAMES: Final = frozenset({"all", "exists", "exists_one"})
#: The macros among `_MEMBERS`: their arguments have variables of their own.
_MACROS: Final = frozenset(
    {"optMap", "optFlatMap", "existsOne", "transformList", "transformMap", "transformMapEntry"}
)

#: Values and types by their names in other languages.
_NAMED_VALUES: Final = {
    **dict.fromkeys(("null", "none", "nil", "undefined"), "write null"),
    **dict.fromkeys(("true", "yes", "on"), "write true"),
    **dict.fromkeys(("false", "no", "off"), "write false"),
    **dict.fromkeys(("now", "today", "timestamp_now", "date"), "the event's instant is `time`"),
    "timestamp": "the type is google.protobuf.Timestamp",
    "duration": "the type is google.protobuf.Duration",
    "optional_type": "there are no optional values",
}
_WATCHLISTS: Final = frozenset({"watchlist", "watchlists", "lists"})
#: What other languages write before a field's name.
_EVENTS: Final = frozenset({"event", "this", "self", "it", "data", "msg", "message", "input"})
#: Variables that only messages have.
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
    **dict.fromkeys(("in_watchlist", "inlist", "in_list"), "write x in {list_call}"),
    **dict.fromkeys(
        ("file", "open", "load", "read", "include", "lookup"),
        "a list in a file is a watchlist: write x in {list_call}",
    ),
    **dict.fromkeys(("range",), "write a <= x && x < b"),
    **dict.fromkeys(
        ("states", "state", "is_state", "state_attr", "is_state_attr"),
        "fields are written as they are: {plain}",
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
    **dict.fromkeys(("row", "rows"), "write {list_call}.rows({key})"),
    **dict.fromkeys(("between",), "write a <= x && x <= b"),
}
#: Where to find all fields, and all functions.
FIELDS_HELP: Final = "`alert-engine help rules` tells all fields"
FUNCTIONS_HELP: Final = "`alert-engine help rules` tells all functions"
#: Functions of other languages whose first argument is a variable, like a macro's.
NAMING_FUNCTIONS: Final = frozenset({"any", "some", "find", "every", "each", "where", "select"})

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


@dataclass(frozen=True, slots=True)
class Unoffered:
    """A call of a function or macro that other CEL libraries have, and this engine has not.

    `what` and `remedy` are for a message. `args` are the parts of the call that can be checked all
    the same. `is_reported` says that a call inside of it is reported for the same reason.
    """

    what: str
    remedy: str
    args: tuple[Node, ...] = ()
    is_reported: bool = False


def unoffered(node: Call, *, is_value: bool = False) -> Unoffered | None:
    """Recognises a call that only other CEL libraries have; None for any other call.

    With `is_value` the part before the dot is a variable, even where its name is a namespace's.
    """
    target, name = node.target, node.function
    if target is None:
        return None
    if isinstance(target, Ident) and target.name in _NAMESPACES and not is_value:
        return _in_namespace(f"{target.name}.{name}", node)
    if name in _TWO_NAMES and len(node.args) == 3:
        form = _ONE_NAME.format(f"{name}(item, condition)")
        return Unoffered(f"{name}() with two names is not offered", form, (target,))
    remedy = _MEMBERS.get(name)
    if remedy is None:
        return None
    args = () if name in _MACROS else node.args
    return Unoffered(f"{name}() is not offered", remedy, (target, *args), _is_reported(target))


def _in_namespace(name: str, node: Call) -> Unoffered:
    if name in _FUNCTIONS:
        return Unoffered(f"{name}() is not offered", _FUNCTIONS[name], node.args)
    if name == "cel.bind":
        return Unoffered(f"{name}() takes 3 arguments, not {len(node.args)}", _BIND)
    return Unoffered(f"there is no function '{name}'", _BIND if name.startswith("cel.") else "")


def _is_reported(node: Node | None) -> bool:
    """Whether a call before the dot is not offered either: one fault is reported once."""
    while isinstance(node, Select | Call):
        if isinstance(node, Call) and unoffered(node) is not None:
            return True
        node = next(children(node), None)
    return False


def remedy_of_name(name: str, examples: Examples) -> str:
    """What to write instead of a name that only other languages know; "" for any other name."""
    if name in _OF_MESSAGES:
        return "only messages and their placeholders know it"
    if name in _EVENTS:
        return f"leave it out, fields are written as they are: {examples.text}"
    if name.lower() in _WATCHLISTS:
        return f"write {examples.list_call}"
    return _NAMED_VALUES.get(name.lower(), "") or remedy_of_instant_part(name)


def remedy_of_text(name: str) -> str:
    """What to write instead of an unknown name that may be a text without its quotes."""
    return f'put quotes around a text: "{name}"'


def remedy_of_function(name: str, examples: Examples) -> str:
    """What to write instead of a function that only other languages know; "" for any other."""
    known = _KNOWN_FUNCTIONS.get(name.lower(), "") or remedy_of_instant_part(name)
    return (
        known.replace("{list_call}", examples.list_call)
        .replace("{plain}", examples.plain)
        .replace("{key}", examples.key)
    )


def remedy_of_regex(fault: str) -> str:
    """How to correct a regular expression; `fault` is the message of `BadRegexError`."""
    for sign, remedy in _REGEXES:
        if sign in fault:
            return remedy
    return "correct the pattern, whose syntax is RE2's"


def remedy_of_constant(function: str, text: str) -> str:
    """What to write instead of a literal text that a function can't read."""
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
