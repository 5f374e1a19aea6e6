"""Remedies: what to write instead of what CEL doesn't have, or doesn't take.

For names, functions and constants of other languages, operands of the wrong type, and names that
are no time zones. The tables go from a word of another language to what to write in CEL.
`Examples` fill in the names of fields.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final
from zoneinfo import available_timezones

from engine.cel.syntax import tree
from engine.cel.syntax.examples import Examples
from engine.cel.syntax.remedies import OPTIONAL_VALUES, remedy_of_instant_part
from engine.cel.syntax.tree import Call, Ident, Literal, Node, Select, children, unparse
from engine.cel.types.kinds import NUMBERS
from engine.cel.values.numbers import is_number
from engine.schema import FieldType, Kind

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
#: Functions by their names in other languages; `{list_call}` and its like come from `Examples`.
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
    **dict.fromkeys(
        ("similarto", "similar_to", "fuzzy", "fuzzymatch", "resembles", "like_plate", "issimilar"),
        'write similar({key}, "ABC123")',
    ),
    **dict.fromkeys(
        ("levenshtein", "editdistance", "edit_distance", "distance", "similarity", "ratio"),
        'write likeness({key}, "ABC123") > 0.9',
    ),
    **dict.fromkeys(("similar_in_watchlist",), "write similar({key}, {list_call})"),
    **dict.fromkeys(("nearest", "closestrow", "bestmatch"), "write closest({list_call}, {key})"),
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


# Operands of the wrong type: how to compare, convert or combine them.

#: Longest expression that a remedy writes out.
_MAX_TEXT: Final = 80
_SHOWN_FIELDS: Final = 5
_ALIKE: Final = "compare what is of one type"
_CONVERT: Final = "convert one of them, double(x) for instance"
_COMPARISONS: Final = {
    Kind.STRING: 'x == "…"',
    Kind.LIST: "x.size() > 0",
    Kind.MAP: "x.size() > 0",
    Kind.RECORD: 'one of its fields, x.field == "…"',
    Kind.INT: "x > 0",
    Kind.UINT: "x > 0u",
    Kind.DOUBLE: "x > 0.5",
    Kind.DURATION: 'x > duration("90s")',
    Kind.TIMESTAMP: 'x > timestamp("…")',
    Kind.TYPE: "x == string",
}
_CLOCK: Final = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?")
_MONTH_NAMES: Final = [
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
]
_DAY_NAMES: Final = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
#: Months and days as `getMonth()` and `getDayOfWeek()` count them.
_COUNTED: Final = {
    name: number for names in (_MONTH_NAMES, _DAY_NAMES) for number, name in enumerate(names)
}
_TIME_REMEDIES: Final[dict[frozenset[Kind], str]] = {
    frozenset({Kind.STRING, Kind.TIMESTAMP}): (
        'read the text as a time: timestamp("2025-12-25T16:00:00Z"); the event\'s own is `time`'
    ),
    frozenset({Kind.STRING, Kind.DURATION}): 'read the text as a span: duration("90m")',
    frozenset({Kind.DURATION}): 'write a span as duration("90s")',
    frozenset({Kind.TIMESTAMP}): 'write a span as duration("90s"), a time as timestamp("…")',
    frozenset({Kind.TIMESTAMP, Kind.DURATION}): "subtract a time from a time to get a span",
}


def remedy_to_condition(kind: FieldType) -> str:
    """How to make a condition of a value of this type."""
    if kind.kind is Kind.NULL:
        return "write false, or compare a field with null"
    if kind.nullable:
        return "compare it with something, x != null for instance"
    return f"compare it with something, {_COMPARISONS.get(kind.kind, 'x == y')} for instance"


def remedy_of_chain(node: Call) -> str:
    """What to write for `a < b < c`, which compares a bool with `c`; "" for other nodes."""
    left, right = node.args
    if not isinstance(left, Call) or left.function not in tree.ORDERINGS:
        return ""
    middle, sign = unparse(left.args[1]), node.function.strip("_")
    text = f"{unparse(left)} && {middle} {sign} {unparse(right)}"
    return f"write {text}" if len(text) <= _MAX_TEXT else "write a < b && b < c"


def remedy_of_types(
    args: Sequence[Node], kinds: Sequence[FieldType | None], function: str = ""
) -> str:
    """What to write where two operands have types that don't go together.

    `args` are the operands, or none; `kinds` their types, and `function` the operator, if any.
    """
    known = {kind.kind for kind in kinds if kind is not None}
    literals = [arg.value for arg in args if isinstance(arg, Literal)]
    texts = [value.strip().lower() for value in literals if type(value) is str]
    if texts and Kind.TIMESTAMP in known and _CLOCK.fullmatch(texts[0]) is not None:
        return 'the hour of the event is time.getHours("Europe/Berlin")'
    if texts and Kind.INT in known and (number := _COUNTED.get(texts[0][:3])) is not None:
        first = "January" if texts[0][:3] in _MONTH_NAMES else "Sunday"
        return f"{first} is 0: write {number}"
    if Kind.STRING in known and known & NUMBERS:
        return _text_or_number(literals, function)
    if known == {Kind.STRING, Kind.BOOL} and {"true", "false"} & {*map(str, literals)}:
        return "write true or false without quotes"
    if known == {Kind.INT, Kind.DOUBLE}:
        whole = [value for value in literals if type(value) is int]
        return f"write {whole[0]}.0" if whole else "convert one of them: double(x)"
    if function == tree.TERNARY:
        return "make both of one type, or write dyn(x)"
    if function in tree.ARITHMETIC and known == {Kind.STRING}:
        return "read numbers from texts: double(x)"
    if Kind.RECORD in known:
        return _of_record(args, kinds)
    if Kind.LIST in known:
        return "write x in [a, b], or compare one element: list[0]"
    if known == {Kind.BYTES, Kind.STRING}:
        return "a text has no b before its quotes; convert one of them: string(x), bytes(x)"
    if Kind.BOOL in known:
        return "true and false compare with true and false only"
    if known == {Kind.TYPE, Kind.STRING}:
        return "a type has no quotes: type(x) == string"
    return _TIME_REMEDIES.get(frozenset(known - NUMBERS), _CONVERT if known & NUMBERS else _ALIKE)


def _of_record(args: Sequence[Node], kinds: Sequence[FieldType | None]) -> str:
    for arg, kind in zip(args, kinds, strict=True):
        if kind is not None and kind.kind is Kind.RECORD:
            names = [f"{unparse(arg)}.{name}" for name in kind.fields][:_SHOWN_FIELDS]
            return f"name one of its fields: {', '.join(names)}"
    return _ALIKE


def _text_or_number(literals: list[Any], function: str) -> str:
    for value in literals:
        if type(value) is str and is_number(value.strip()):
            return f"write {value.strip()} without quotes"
    if function == "_+_":
        return "make a text of the number: string(x)"
    numbers = [value for value in literals if type(value) in (int, float)]
    if numbers and function in (tree.EQUALS, tree.NOT_EQUALS, tree.TERNARY):
        return f'write "{numbers[0]}" in quotes'
    if function == tree.TERNARY:
        return "make a text of the number: string(x)"
    return _CONVERT


# Names that are no IANA time zones: cities, abbreviations and offsets.

#: Cities, states and countries without a zone of their own, by the zone that they use.
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
#: Abbreviations that are no zones: of daylight time, or of several zones.
_ZONE_ABBREVIATIONS: Final = {
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
_WRITTEN_OFFSET: Final = re.compile(r"(?:UTC|GMT|CET|Z)?\s*([+-])(\d{1,2})(?::?(\d{2}))?", re.I)
_NEAR_CITY: Final = 0.8
_NAME_A_ZONE: Final = 'name a place, such as "Europe/Berlin", or an offset, such as "+01:00"'


@lru_cache(maxsize=64)
def remedy_of_zone(name: str) -> str:
    """What to write instead of a name that is no time zone."""
    short = _ZONE_ABBREVIATIONS.get(name.strip().upper())
    found = _written_offset(name) or short or _zone_of_place(name)
    return f"did you mean '{found}'?" if found else _NAME_A_ZONE


def _written_offset(name: str) -> str:
    """An offset such as `UTC+1` as `+01:00`; "" for other names."""
    found = _WRITTEN_OFFSET.fullmatch(name.strip())
    return f"{found[1]}{int(found[2]):02d}:{found[3] or '00'}" if found is not None else ""


def _zone_of_place(name: str) -> str:
    """The zone of a city, which is the last part of `name`; "" for none.

    A similar city of another region is not guessed.
    """
    region, _, last = name.rpartition("/")
    city = _letters(last)
    for zone, cities in _CITIES.items():
        if city in cities.split():
            return zone
    by_city = _zones_by_city()
    near = difflib.get_close_matches(city, by_city, n=5, cutoff=_NEAR_CITY)
    zones = [by_city[each] for each in near]
    of_region = [zone for zone in zones if _letters(zone.partition("/")[0]) == _letters(region)]
    return next(iter(of_region or (zones if near[:1] == [city] or not region else ())), "")


def _letters(name: str) -> str:
    """A name's letters a to z in lower case, without diacritics and all else."""
    letters = unicodedata.normalize("NFKD", name).lower()
    return "".join(sign for sign in letters if "a" <= sign <= "z")


@cache
def _zones_by_city() -> dict[str, str]:
    """The zones by their cities, of zones with a region only."""
    zones = sorted(zone for zone in available_timezones() if "/" in zone)
    regions = ("Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
    known = [zone for zone in zones if zone.partition("/")[0] in regions]
    found: dict[str, str] = {}
    for zone in known:
        found.setdefault(_letters(zone.rpartition("/")[2]), zone)
    return found
