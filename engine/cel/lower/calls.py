"""Function calls, watchlists and macros as fragments of Python."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import Any, Final

from engine.cel.interpret.budget import ROW_ROUNDS
from engine.cel.lower.fragments import (
    Form,
    Fragment,
    cel_value,
    constant,
    name,
    not_null,
    plain,
    strict,
    truth,
)
from engine.cel.lower.runtime import MAX_ELEMENTS, GiveUpError
from engine.cel.syntax import tree
from engine.cel.syntax.tree import Macro
from engine.cel.types.findings import ListQuestion, PlatesQuestion
from engine.cel.types.functions import ANY, FUNCTIONS, Function, Overload
from engine.cel.types.kinds import closest_type, row_type, rows_type
from engine.cel.types.scope import TIME
from engine.cel.values.instants import PARTS, find_zone
from engine.cel.values.plates import is_similar, likeness_between, prepared
from engine.cel.values.plates import similar_to as ready_plates
from engine.cel.values.text import BadRegexError, compile_match
from engine.cel.values.values import MISSING, Duration, Timestamp
from engine.intervals import TimeInterval
from engine.schema import FieldType, Kind
from engine.watchlist import CHARACTERS, Watchlist, plate_of

#: Functions that fail on null, and on nothing else of the types that they take.
_STEADY: Final = frozenset(
    {"size", "lowerAscii", "upperAscii", "trim", "reverse", "isNumber", "string", "type"}
)
#: Functions whose result may be much longer than their arguments.
_GROWING: Final = frozenset(
    {"replace", "split", "join", "format", "strings.quote", "bytes", "base64.encode"}
)
#: Calls that are one operation of Python, by name and types. Python fails on null in all of them.
_TEMPLATES: Final[dict[tuple[str, tuple[type, ...]], tuple[str, type]]] = {
    ("startsWith", (str, str)): ("{0}.startswith({1})", bool),
    ("endsWith", (str, str)): ("{0}.endswith({1})", bool),
    ("lower", (str,)): ("{0}.lower()", str),
    ("double", (int,)): ("float({0})", float),
    ("size", (str,)): ("len({0})", int),
    ("size", (bytes,)): ("len({0})", int),
    ("size", (list,)): ("len({0})", int),
    ("size", (dict,)): ("len({0})", int),
}
_SAME: Final = {"string": str, "int": int, "double": float, "bool": bool, "bytes": bytes}
#: Parts of a moment that are attributes of a datetime.
_ATTRIBUTES: Final = {
    "getFullYear": "{0}.year",
    "getDate": "{0}.day",
    "getHours": "{0}.hour",
    "getMinutes": "{0}.minute",
    "getSeconds": "{0}.second",
}


def call_function(function: Function, args: list[Fragment]) -> Fragment | None:
    """The fragment of a call; None for one that always fails, which the closure explains."""
    kinds = tuple(arg.kind for arg in args)
    if function.name == "dyn":
        return cel_value(args[0])
    if function.name in _SAME and kinds == (_SAME[function.name],):
        return not_null(args[0])
    if kinds == (str, str) and function.name == "contains":
        return strict("({0} in {1})", args[1], args[0], kind=bool)
    if function.name == "matches" and args[1].is_constant and kinds == (str, str):
        return _matches(args[0], args[1].value)
    if args[0].kind is datetime and function.name in PARTS:
        part = _part(function.name, args)
        if part is not None:
            return part
    share = (function.name, args[0].share) if len(args) == 1 and args[0].share else None
    special = _TEMPLATES.get((function.name, kinds))  # type: ignore[arg-type]  # None is no key
    if special is not None:
        return strict(special[0], *args, kind=special[1], share=share)
    return _implementation(function, [cel_value(arg) for arg in args], share)


def _matches(target: Fragment, pattern: str) -> Fragment | None:
    try:
        match = compile_match(pattern)
    except BadRegexError:
        return None
    return strict("({0}({1}) is not None)", constant(match), target, kind=bool)


def _part(name: str, args: list[Fragment]) -> Fragment | None:
    """A part of a moment that is still a datetime; None where its zone is not known now."""
    zone: tzinfo = UTC
    if len(args) == 2:
        if not args[1].is_constant or type(args[1].value) is not str:
            return None
        try:
            zone = find_zone(args[1].value)
        except ValueError:
            return None
    share = (args[0].share, zone) if args[0].share is not None else None
    moment = strict("{0}.astimezone({1})", args[0], constant(zone), kind=datetime, share=share)
    template = _ATTRIBUTES.get(name)
    if template is not None:
        return strict(template, moment, kind=int)
    return strict("{0}({1})", constant(PARTS[name]), moment, kind=int)


def _implementation(function: Function, args: list[Fragment], share: Any) -> Fragment:
    rows = [row for row in function.overloads if len(row.params) == len(args)]
    holes = ", ".join(f"{{{number}}}" for number in range(1, len(args) + 1))
    template = f"{{0}}({holes})"
    row = _chosen(rows, args)
    if row is None:
        results = {each.result for each in rows}
        kind = results.pop() if len(results) == 1 else ANY
        run = constant(_dispatcher(function.name, len(args)))
        made = plain(_guarded(function, template), run, *args, can_fail=True, share=share)
    else:
        kind = row.result
        takes_null = row.params[0] is ANY
        checked = args if takes_null else [not_null(arg) for arg in args]
        run = constant(row.implementation)
        fails = function.name not in _STEADY
        template = _guarded(function, template)
        made = plain(template, run, *checked, can_fail=fails, share=share)
    return made if kind is ANY else replace(made, kind=kind, is_nullable=False)


def _guarded(function: Function, template: str) -> str:
    return f"short({template})" if function.name in _GROWING else template


def _chosen(rows: list[Overload], args: list[Fragment]) -> Overload | None:
    """The signature that takes these types; None where they are not all known."""
    for row in rows:
        if row.params[0] is ANY or row.params == tuple(arg.kind for arg in args):
            return row
    return None


@cache
def _dispatcher(name: str, count: int) -> Callable[..., Any]:
    """The function that chooses the signature when it runs."""
    table = {
        row.params: row.implementation
        for row in FUNCTIONS[name].overloads
        if len(row.params) == count
    }

    def call(*values: Any) -> Any:
        implementation = table.get(tuple(map(type, values)))
        if implementation is None:
            raise GiveUpError
        return implementation(*values)

    return call


def in_list(watchlist: Watchlist, key: Fragment, *, is_in_loop: bool = False) -> Fragment:
    """`key in watchlist(…)`."""
    plate = _plate(key, is_in_loop)
    if watchlist.wildcards is None:
        probe = plain("({0} in {1})", plate, constant(watchlist.plates), kind=bool)
    else:
        probe = plain("{0}({1})", constant(watchlist.may_be_on), plate, kind=bool)
    if watchlist.validity is None:
        return probe
    is_on = plain("{0}({1}, {2})", constant(watchlist.is_on), key, _time(), kind=bool)
    parts = (probe, is_on)
    return Fragment(
        Form.ALL,
        parts=parts,
        kind=bool,
        can_fail=any(part.can_fail for part in parts),
        depth=1 + max(part.depth for part in parts),
        rounds=sum(part.rounds for part in parts),
    )


def _plate(key: Fragment, is_in_loop: bool) -> Fragment:
    """`plate_of(key)`, without the call where the text is normalised already.

    In a loop it stays a call: testing a very long text in every round would take long.
    """
    if is_in_loop or key.share is None or key.kind is not str or key.is_nullable:
        return plain("{0}({1})", constant(plate_of), key, kind=str)
    template = "({1} if not {0}.lstrip({2}) else {3}({1}))"
    parts = (key, key, constant(CHARACTERS), constant(plate_of))
    return plain(template, *parts, kind=str, share=(plate_of, key.share))


def row_of(watchlist: Watchlist, key: Fragment) -> Fragment:
    """`watchlist(…)[key]`; gives up where the plate has no row in force."""

    def row(value: Any, time: Any) -> dict[str, Any]:
        found = watchlist.row(value, time)
        if found is None:
            raise GiveUpError
        return found

    share = (id(watchlist), key.share) if key.share is not None else None
    made = plain(
        "{0}({1}, {2})", constant(row), cel_value(key), _time(), can_fail=True, share=share
    )
    return replace(made, kind=dict, is_nullable=False, field=row_type(watchlist))


def rows_of(watchlist: Watchlist, key: Fragment) -> Fragment:
    """`watchlist(…).rows(key)`."""
    share = ("rows", id(watchlist), key.share) if key.share is not None else None
    ask = constant(watchlist.rows_of)
    made = plain("{0}({1}, {2})", ask, key, _time(), kind=list, share=share)
    cost = watchlist.most_rows * ROW_ROUNDS
    return replace(made, field=rows_type(watchlist), rounds=made.rounds + cost)


def similar_in(question: ListQuestion, text: Fragment, *, is_in_loop: bool = False) -> Fragment:
    """`similar(text, watchlist(…))`."""
    ask = constant(question.watchlist.similar)
    share = _share_of(tree.SIMILAR_LISTED, question, text)
    parts = (ask, _plate(text, is_in_loop), _time(), constant(question.threshold))
    return plain("{0}({1}, {2}, {3})", *parts, kind=bool, share=share)


def closest_row(question: ListQuestion, text: Fragment, *, is_in_loop: bool = False) -> Fragment:
    """`closest(watchlist(…), text)`."""
    ask = constant(question.watchlist.closest)
    share = _share_of(tree.CLOSEST, question, text)
    parts = (ask, _plate(text, is_in_loop), _time(), constant(question.threshold))
    made = plain("{0}({1}, {2}, {3})", *parts, kind=dict, share=share)
    return replace(made, is_nullable=True, field=closest_type(question.watchlist))


def _share_of(function: str, question: ListQuestion, text: Fragment) -> Hashable:
    if text.share is None:
        return None
    return function, id(question.watchlist), question.threshold, text.share


def similar_to(question: PlatesQuestion, text: Fragment) -> Fragment:
    """`similar(text, plate)` with constants, which are made ready now."""
    costs, _, plates, threshold = question
    test = ready_plates(plates, threshold, costs)
    share = (tree.SIMILAR, costs.digest, plates, threshold, text.share)
    return plain(
        "{0}({1})",
        constant(test.holds),
        cel_value(text),
        kind=bool,
        can_fail=text.fails_on_null,
        share=share if text.share is not None else None,
    )


def by_likeness(function: str, parts: list[Fragment]) -> Fragment:
    """`likeness(a, b)`, and `similar(text, plate, threshold)` of what is not constant.

    The first of the parts are the costs.
    """
    is_likeness = function == tree.LIKENESS
    costs, *args = map(_prepared, parts)
    keys = [("", part.value) if part.is_constant else part.share for part in parts]
    holes = ", ".join(f"{{{number}}}" for number in range(2, len(args) + 2))
    return plain(
        f"{{0}}({holes}, {{1}})",
        constant(likeness_between if is_likeness else is_similar),
        costs,
        *args,
        kind=float if is_likeness else bool,
        can_fail=not is_likeness or any(arg.fails_on_null for arg in args),
        share=(function, *keys) if is_likeness and None not in keys else None,
    )


def _prepared(part: Fragment) -> Fragment:
    """The part; a constant text as it is compared."""
    is_text = part.is_constant and type(part.value) is str
    return constant(prepared(part.value)) if is_text else cel_value(part)


def in_interval(interval: TimeInterval) -> Fragment:
    """`during(…)`."""
    share = (tree.DURING, id(interval))
    return plain("{0}({1})", constant(interval.holds), _time(), kind=bool, share=share)


def _time() -> Fragment:
    return plain("b[{0}]", name(TIME), share=TIME)


# The macros as comprehensions; an item that fails makes the function give up. The interpreter
# counts rounds, generated functions don't: a loop over so many items that the limit of rounds might
# be reached is left to the interpreter.

#: Most items of a loop, by the number of loops in the expression: even nested in each other, they
#: then stay below the limit of rounds.
MAX_ITEMS: Final = {1: 10_000, 2: 200, 3: 40}
_MAX_ITEMS_OF_MANY: Final = 10
_MACRO_TEMPLATES: Final[dict[Macro, str]] = {
    Macro.ALL: "all({2} for {item} in items({0}, {1}))",
    Macro.EXISTS: "any({2} for {item} in items({0}, {1}))",
    Macro.EXISTS_ONE: "([{2} for {item} in items({0}, {1})].count(True) == 1)",
    Macro.FILTER: "[{item} for {item} in items({0}, {1}) if {2}]",
    Macro.MAP: "[{2} for {item} in items({0}, {1})]",
}
#: Types whose values `map` may keep without counting their size.
_SMALL: Final = frozenset({bool, int, float, Timestamp, Duration})
_FILTERED_MAP: Final = "[{3} for {item} in items({0}, {1}) if {2}]"


def bound_name(value: Fragment, slot: int) -> Fragment:
    """The name that `cel.bind` gives a value: the value itself where it is a constant."""
    if value.is_constant:
        return value
    return replace(
        value,
        form=Form.ITEM,
        template="",
        parts=(),
        share=None,
        can_fail=False,
        depth=1,
        slot=slot,
        rounds=0,
    )


def make_binding(value: Fragment, name: Fragment, result: Fragment) -> Fragment:
    """`cel.bind`: the result, which sees the value under a name.

    A value that fails makes the function give up, though the result may not need it.
    """
    return replace(
        result,
        form=Form.LOOP,
        template="(lambda {item}: {1})({0})",
        parts=(value, result),
        value=MISSING,
        share=None,
        is_guarded=False,
        can_fail=value.can_fail or result.can_fail,
        depth=1 + max(value.depth, result.depth),
        slot=name.slot,
        rounds=value.rounds + result.rounds,
    )


def make_loop(
    macro: Macro,
    over: Fragment,
    item: Fragment,
    condition: Fragment | None,
    result: Fragment | None,
    *,
    loops: int,
    weight: int,
    most: int | None = None,
) -> Fragment:
    """A macro over `over`, whose condition and result see `item`.

    `loops` is the number of loops in the expression, `weight` what one round of this one costs, and
    `most` the greatest number of items, where it is known.
    """
    limit = max(1, MAX_ITEMS.get(loops, _MAX_ITEMS_OF_MANY) // weight)
    if over.is_constant and type(over.value) is list:
        limit = len(over.value)
    elif most is not None:
        limit = min(limit, most)
    parts = [over, constant(limit)]
    if condition is not None:
        parts.append(truth(condition))
    if result is not None:
        parts.append(_free(cel_value(result)))
    is_filtered = macro is Macro.MAP and condition is not None
    inner = parts[2:]
    makes_list = macro in (Macro.MAP, Macro.FILTER)
    template = _FILTERED_MAP if is_filtered else _MACRO_TEMPLATES[macro]
    fragment = Fragment(
        Form.LOOP,
        f"short({template})" if makes_list and limit > MAX_ELEMENTS else template,
        tuple(parts),
        kind=list if makes_list else bool,
        # An item may be null, or there may be too many.
        can_fail=over.fails_on_null or any(part.can_fail for part in parts),
        depth=1 + max(part.depth for part in parts),
        slot=item.slot,
        rounds=over.rounds + limit * (weight + sum(part.rounds for part in inner)),
    )
    if macro is Macro.FILTER and over.field is not None and over.field.kind is Kind.LIST:
        return replace(fragment, field=FieldType(Kind.LIST, element=over.field.element))
    return fragment


def _free(value: Fragment) -> Fragment:
    return value if value.kind in _SMALL else plain("free({0})", value, kind=value.kind)
