"""The check of function calls: which function a call calls, and whether it takes its arguments.

Beside types it checks what is written as a constant: regular expressions, time zones, templates of
`format()`. `safe` are the names of guarded parts (`types/findings.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from engine.cel.check import domains
from engine.cel.check.likeness import FUNCTIONS as LIKENESS_FUNCTIONS
from engine.cel.check.likeness import form_of
from engine.cel.check.remedies import (
    FUNCTIONS_HELP,
    NAMING_FUNCTIONS,
    Unoffered,
    remedy_of_constant,
    remedy_of_function,
    remedy_of_regex,
    unoffered,
)
from engine.cel.syntax.tree import Call, Ident, ListNode, Literal, Node, unparse
from engine.cel.types.findings import Findings
from engine.cel.types.functions import ANY, FUNCTIONS, Function, Implementation, Overload
from engine.cel.types.kinds import (
    INTEGERS,
    KINDS,
    NUMBERS,
    SCALARS,
    TEXT,
    list_of,
    not_null,
    type_name,
    with_article,
)
from engine.cel.types.scope import Broken, Scope, dotted, suggest
from engine.cel.values.instants import PARTS
from engine.cel.values.text import BadRegexError, clauses, compile_search
from engine.cel.values.values import CelMap, FailureKind, Timestamp
from engine.clock import is_utc
from engine.errors import EvaluationError, shorten
from engine.schema import Domain, FieldType, Kind

#: The functions that read a value from a text.
_READERS: Final = frozenset({"timestamp", "duration", "int", "uint", "double", "bool"})
#: The namespaces of functions with their dot: `math.`.
_NAMESPACES: Final = frozenset(
    name[: place + 1] for name in FUNCTIONS for place, sign in enumerate(name) if sign == "."
)
#: Functions by their names in other languages.
_ALIASES: Final = {"max": "math.greatest", "min": "math.least"}
#: The kinds whose `string()` is the text that their literal is.
_AS_TEXT: Final = NUMBERS | {Kind.BOOL}
#: The forms of the macros, for remedies.
_MACROS: Final = {
    "has": "has(record.field)",
    "all": "list.all(item, condition)",
    "exists": "list.exists(item, condition)",
    "exists_one": "list.exists_one(item, condition)",
    "map": "list.map(item, result) or list.map(item, condition, result)",
    "filter": "list.filter(item, condition)",
}
#: Functions that are bound before the check; all of them are called as `f(x)`.
_BOUND: Final = ("watchlist", "during", *LIKENESS_FUNCTIONS)
_CHOICES: Final = frozenset({"math.greatest", "math.least"})
#: The part that is the same in all zones whose offset is in whole hours, and those in all zones.
_MINUTE: Final = "getMinutes"
_SAME_EVERYWHERE: Final = frozenset({"getSeconds", "getMilliseconds"})
_HOUR: Final = timedelta(hours=1)
_NONE: Final = timedelta()
_SEASONS: Final = (datetime(2025, 1, 1), datetime(2025, 7, 1))
#: The kinds that the clauses of `format()` take; `%s` takes any.
_TAKES: Final = {
    **dict.fromkeys("dfe", NUMBERS),
    **dict.fromkeys("xX", INTEGERS | {Kind.STRING, Kind.BYTES}),
    "b": INTEGERS | {Kind.BOOL},
    "o": INTEGERS,
}
_TAKEN_WORDS: Final = {
    **dict.fromkeys("dfe", "a number"),
    **dict.fromkeys("xX", "a whole number, a text or bytes"),
    "b": "a whole number or a bool",
    "o": "a whole number",
}
_CLAUSES: Final = "write %s, %d, %f, %e, %b, %o, %x or %X, and %% for a percent sign"


def find_function(
    findings: Findings, node: Call, scope: Scope
) -> tuple[Function | None, tuple[Node, ...]]:
    """The function that a call calls, and its arguments, the one before the dot among them.

    The function is None where there is no such function, which is reported. The arguments are then
    the parts of the call that can be checked all the same.
    """
    space = _namespace(node, scope)
    args = node.args if node.target is None or space else (node.target, *node.args)
    function = _look_up(node, scope, space)
    if function is None:
        is_value = _is_variable(node.target, scope)
        elsewhere = None if space else unoffered(node, is_value=is_value)
        if elsewhere is not None:
            _refuse(findings, node, elsewhere)
            return None, elsewhere.args
        _unknown(findings, node, scope, space)
        # The arguments of a misused macro hold the name of its variable, which is unknown here.
        names_an_item = node.function in _MACROS or node.function in NAMING_FUNCTIONS
        return None, () if names_an_item and not space else args
    if len(args) not in function.arities:
        own = len(args) - len(node.args)
        counts = " or ".join(str(count - own) for count in function.arities)
        noun = "argument" if counts == "1" else "arguments"
        what = f"{function.name}() takes {counts} {noun}, not {len(node.args)}"
        findings.unresolved(node, FailureKind.NO_OVERLOAD, "arity", what, _purpose(function))
        return None, args
    findings.functions[id(node)] = function
    return function, args


def _namespace(node: Call, scope: Scope) -> str:
    """The namespace before the dot, such as `math.`; "" where that is a value."""
    found = dotted(node.target) if node.target is not None else None
    if found is None or node.target is None or scope.is_local(node.target):
        return ""
    prefix = f"{found[0]}."
    return prefix if prefix in _NAMESPACES else ""


def _is_variable(target: Node | None, scope: Scope) -> bool:
    if not isinstance(target, Ident):
        return False
    name = scope.qualified(target.name, is_absolute=target.is_absolute)
    return name is not None or scope.is_local(target)


def _refuse(findings: Findings, node: Call, found: Unoffered) -> None:
    if found.is_reported:
        findings.references[id(node)] = Broken(FailureKind.UNKNOWN_NAME, found.what)
    else:
        kind = FailureKind.UNKNOWN_NAME
        findings.unresolved(node, kind, "unknown-function", found.what, found.remedy)


def _look_up(node: Call, scope: Scope, space: str) -> Function | None:
    if space:
        return FUNCTIONS.get(f"{space}{node.function}")
    if node.target is not None:
        function = FUNCTIONS.get(node.function)
        return function if function is not None and function.is_member else None
    for name in scope.candidates(node.function, is_absolute=False):
        function = FUNCTIONS.get(name)
        if function is not None and function.is_global:
            return function
    return None


def _unknown(findings: Findings, node: Call, scope: Scope, space: str) -> None:
    is_member = node.target is not None
    other = FUNCTIONS.get(node.function)
    form = _MACROS.get(node.function)
    path = dotted(node.target) if node.target is not None else None
    field = f"{path[0]}.{node.function}" if path is not None else node.function
    what = f"there is no function '{space}{shorten(node.function)}'"
    if node.function in _ALIASES or f"math.{node.function}" in FUNCTIONS:
        remedy = f"write {_ALIASES.get(node.function, f'math.{node.function}')}(…)"
    elif space:
        members = _members_of(space)
        remedy = suggest(node.function, members) or f"there are: {', '.join(members)}"
    elif scope.has_path(field):
        remedy = f"a field has no brackets: write {field}"
    elif form is not None:
        what = f"{node.function}() takes other arguments"
        remedy = f"write {form}"
    elif is_member and node.function in LIKENESS_FUNCTIONS:
        what = f"'{node.function}' is called otherwise"
        remedy = f"write {form_of(node.function, scope.examples)}"
    elif other is not None:
        what = f"'{node.function}' is called otherwise"
        remedy = f"write {node.function}(x)" if is_member else f"write x.{node.function}()"
    else:
        rows = FUNCTIONS.values()
        names = [row.name for row in rows if (row.is_member if is_member else row.is_global)]
        names += [*_MACROS] if is_member else [*_MACROS, *_BOUND]
        remedy = remedy_of_function(node.function, scope.examples)
        remedy = remedy or suggest(node.function, names)
    remedy = remedy or FUNCTIONS_HELP
    findings.unresolved(node, FailureKind.UNKNOWN_NAME, "unknown-function", what, remedy)


def _members_of(space: str) -> list[str]:
    return [name.removeprefix(space) for name in FUNCTIONS if name.startswith(space)]


def function_type(
    findings: Findings,
    node: Call,
    function: Function,
    args: tuple[Node, ...],
    kinds: list[FieldType | None],
    safe: frozenset[str],
) -> FieldType | None:
    """The type of a call's result; reports arguments that don't fit or may be null.

    `args` and `kinds` are the arguments and their types, the one before the dot first.
    """
    takes_any = function.overloads[0].params[0] is ANY
    if not takes_any:
        for arg, kind in zip(args, kinds, strict=True):
            if kind is not None and kind.kind is Kind.NULL:
                what = f"{function.name}() can't be applied to null"
                findings.error(arg, "no-overload", what, "remove the call, null has nothing in it")
                return None
            findings.warn_of_null(arg, kind, safe, f"{function.name}()")
    rows = fitting(function, kinds)
    if not rows:
        given = ", ".join(type_name(kind) if kind is not None else "…" for kind in kinds)
        what = f"{function.name}() can't be applied to ({given})"
        remedy = _converted(function, args, kinds) or f"it takes {takes(function, len(args))}"
        if function.name in PARTS and kinds[0] is not None and kinds[0].kind is Kind.STRING:
            remedy = f"write timestamp(x).{function.name}(…), or `time` for the event's instant"
        findings.error(node, "no-overload", what, remedy)
        return None
    if findings.scope.is_strict:
        _try_constant(findings, function, args)
        _check_choice(findings, function, args, safe)
        _check_format(findings, function, args, safe)
        if function.name in domains.PARTS and kinds[0] is not None:
            domains.check_part(findings, node, args, kinds[0])
        elif function.name == "matches" and kinds[0] is not None:
            domains.check_pattern(findings, node, args, kinds[0])
        elif function.name in PARTS and kinds[0] is not None:
            _check_clock(findings, node, args, kinds[0])
    return result_of(function, rows, kinds)


def _converted(function: Function, args: tuple[Node, ...], kinds: list[FieldType | None]) -> str:
    """How to write one argument as a text, where the call takes one; "" for other calls."""
    for place, (arg, kind) in enumerate(zip(args, kinds, strict=True)):
        if kind is None or kind.kind not in _AS_TEXT:
            continue
        if fitting(function, [*kinds[:place], TEXT, *kinds[place + 1 :]]):
            text = unparse(arg) + ("s" if function.name == "duration" else "")
            is_literal = isinstance(arg, Literal)
            return f'write "{text}" in quotes' if is_literal else "convert it: string(x)"
    return ""


def _purpose(function: Function) -> str:
    return f"it gives {function.doc[0].lower()}{function.doc[1:].rstrip('.')}"


def _try_constant(findings: Findings, function: Function, args: tuple[Node, ...]) -> None:
    """Report a literal argument that always fails: a bad regular expression, time zone, number …"""
    last = args[-1]
    if not isinstance(last, Literal) or type(last.value) is not str:
        return
    try:
        if function.name == "matches":
            compile_search(last.value)
        elif len(args) == 1 and function.name in _READERS:
            _overload(function, (str,))(last.value)
        elif len(args) == 2 and function.name.startswith("get"):
            _overload(function, (Timestamp, str))(Timestamp(0), last.value)
    except BadRegexError as error:
        findings.error(last, "bad-constant", str(error), remedy_of_regex(str(error)))
    except EvaluationError as error:
        remedy = remedy_of_constant(function.name, last.value)
        findings.error(last, "bad-constant", str(error), remedy)


def _overload(function: Function, params: tuple[type, ...]) -> Implementation:
    return next(row.implementation for row in function.overloads if row.params == params)


def _check_choice(
    findings: Findings, function: Function, args: tuple[Node, ...], safe: frozenset[str]
) -> None:
    """Report arguments of `math.greatest` or `math.least` that are no numbers, or may be null.

    An empty list is reported too. Other functions are ignored.
    """
    over = args[0]
    if function.name not in _CHOICES or not isinstance(over, ListNode):
        return
    name = f"{function.name}()"
    if not over.items:
        findings.error(over, "no-overload", f"{name} of an empty list", "write numbers into it")
    for item in over.items:
        kind = findings.type_of(item)
        if kind is not None and kind.kind not in NUMBERS:
            what = "null" if kind.kind is Kind.NULL else with_article(kind)
            message = f"{name} takes numbers, and this is {what}"
            findings.error(item, "no-overload", message, "write a number, double(x) for instance")
        else:
            findings.warn_of_null(item, kind, safe, name)


def _check_clock(findings: Findings, node: Call, args: tuple[Node, ...], kind: FieldType) -> None:
    """Warn of a `getHours()` and its like without a zone, where the site's time zone is not UTC.

    `kind` is the type of `args[0]`: only a timestamp has a zone, a duration has none.
    """
    if len(args) > 1 or kind.kind is not Kind.TIMESTAMP:
        return
    zone = findings.scope.zone
    if not _may_differ(node.function, zone):
        return
    what = f"{node.function}() without a zone is read in UTC, not in EVENT_TIMEZONE"
    zoned = replace(node, args=(Literal(node.offset, str(zone)),))
    findings.warning(node, "utc-clock", what, f"write {unparse(zoned)}")


@lru_cache(maxsize=64)
def _may_differ(part: str, zone: tzinfo) -> bool:
    """Whether a part of a local time may differ between `zone` and UTC."""
    if part in _SAME_EVERYWHERE or zone is UTC or is_utc(zone):
        return False
    if part == _MINUTE:
        return any((zone.utcoffset(day) or _NONE) % _HOUR for day in _SEASONS)
    return True


def _check_format(
    findings: Findings, function: Function, args: tuple[Node, ...], safe: frozenset[str]
) -> None:
    """Report faults of a literal template of `format()`, and values that don't fit its clauses.

    Other functions are ignored.
    """
    template, values = args[0], args[-1]
    if function.name != "format" or not isinstance(template, Literal):
        return
    try:
        verbs = clauses(template.value)
    except EvaluationError as error:
        findings.error(template, "bad-constant", str(error), _CLAUSES)
        return
    if not isinstance(values, ListNode):
        return
    if len(values.items) < len(verbs):
        what = f"the text has {len(verbs)} clauses, but the list {len(values.items)} values"
        findings.error(values, "bad-constant", what, "give each clause a value")
    for item in values.items[len(verbs) :]:
        what = "no clause of the text shows this value"
        findings.warning(item, "unused-value", what, "remove it, or write another %s")
    for verb, item in zip(verbs, values.items, strict=False):
        _check_value(findings, verb, item, safe)


def _check_value(findings: Findings, verb: str, item: Node, safe: frozenset[str]) -> None:
    taken = _TAKES.get(verb)
    kind = findings.type_of(item)
    if taken is None or kind is None:
        return
    if kind.kind in taken:
        findings.warn_of_null(item, kind, safe, f"'%{verb}'")
        return
    what = "null" if kind.kind is Kind.NULL else with_article(kind)
    message = f"%{verb} takes {_TAKEN_WORDS[verb]}, and this is {what}"
    findings.error(item, "no-overload", message, "write %s, which shows any value")


# Signatures: which of a function's fit its arguments, and the type of the result.

_RUNTIME_TYPES: Final = {
    **{kind: runtime for runtime, kind in KINDS.items()},
    # A record is no map: there is nothing to count in it.
    Kind.RECORD: None,
}
#: The elements of lists that functions take and give, which Python's types in signatures lack.
_ELEMENTS_WANTED: Final = {
    "join": frozenset({Kind.STRING}),
    "math.greatest": NUMBERS,
    "math.least": NUMBERS,
}
_ELEMENTS_GIVEN: Final = {"split": TEXT}
#: Functions whose result has only characters of their text.
_KEEPING: Final = frozenset({"charAt", "substring", "trim", "reverse"})
_CHANGING: Final = frozenset({"lower", "lowerAscii", "upperAscii"})
_RESULT_RANGES: Final = {
    "size": Domain(minimum=0),
    "indexOf": Domain(minimum=-1),
    "lastIndexOf": Domain(minimum=-1),
}
#: The ranges of a timestamp's parts; those of a duration have none.
_PART_RANGES: Final = {
    "getFullYear": Domain(1, 9999),
    "getMonth": Domain(0, 11, note="January is 0"),
    "getDate": Domain(1, 31),
    "getDayOfMonth": Domain(0, 30, note="the first is 0"),
    "getDayOfWeek": Domain(0, 6, note="Sunday is 0"),
    "getDayOfYear": Domain(0, 365, note="the first is 0"),
    "getHours": Domain(0, 23),
    "getMinutes": Domain(0, 59),
    "getSeconds": Domain(0, 59),
    "getMilliseconds": Domain(0, 999),
}


def fitting(function: Function, kinds: Sequence[FieldType | None]) -> list[Overload]:
    """The signatures that take arguments of these types; a type of None fits any parameter."""
    if not _fits_elements(function.name, kinds[0]):
        return []
    return [row for row in function.overloads if _fits(row.params, kinds)]


def takes(function: Function, count: int) -> str:
    """The signatures with `count` parameters, for messages: "size(string) or size(list)"."""
    shown: dict[str, None] = {}
    for row in function.overloads:
        if len(row.params) == count and CelMap not in row.params:
            names = [_param_name(function.name, param) for param in row.params]
            if function.is_global or "." in function.name:
                shown[f"{function.name}({', '.join(names)})"] = None
            else:
                shown[f"{names[0]}.{function.name}({', '.join(names[1:])})"] = None
    return " or ".join(shown)


def result_of(
    function: Function, rows: Sequence[Overload], kinds: Sequence[FieldType | None]
) -> FieldType | None:
    """The type of a call's result by the signatures `rows` that fit; None where it is unknown."""
    name, first = function.name, kinds[0]
    results = {row.result for row in rows}
    kind = KINDS.get(results.pop()) if len(results) == 1 else None
    if kind is None:
        is_choice = _ELEMENTS_WANTED.get(name) is NUMBERS and first is not None
        chosen = first.element if is_choice and first is not None else None
        return not_null(chosen) if chosen is not None else None
    if kind is Kind.LIST:
        return list_of(_ELEMENTS_GIVEN.get(name))
    if kind is Kind.MAP:
        return FieldType(Kind.MAP)
    domain = _result_domain(name, first)
    return SCALARS[kind] if domain is None else FieldType(kind, domain=domain)


def _fits(params: tuple[type, ...], kinds: Sequence[FieldType | None]) -> bool:
    return len(params) == len(kinds) and all(
        kind is None or param is ANY or _RUNTIME_TYPES[kind.kind] is param
        for param, kind in zip(params, kinds, strict=True)
    )


def _fits_elements(name: str, over: FieldType | None) -> bool:
    wanted = _ELEMENTS_WANTED.get(name)
    element = over.element if over is not None else None
    return wanted is None or element is None or element.kind in wanted


def _param_name(function: str, param: type) -> str:
    wanted = _ELEMENTS_WANTED.get(function)
    if wanted is NUMBERS:
        return "list(number)" if param is list else "number"
    if wanted is not None and param is list:
        return "list(string)"
    return "dyn" if param is ANY else str(KINDS[param])


def _result_domain(name: str, first: FieldType | None) -> Domain | None:
    if name in _CHANGING:
        return domains.domain_in_case(name, first.domain if first is not None else None)
    if first is None:
        return None
    if name in _KEEPING:
        return domains.domain_of_parts(first.domain)
    if name in _PART_RANGES and first.kind is Kind.TIMESTAMP:
        return _PART_RANGES[name]
    return _RESULT_RANGES.get(name)
