"""Remedies for operands of the wrong type: how to compare, convert or combine them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from engine.cel.syntax import tree
from engine.cel.syntax.tree import Call, Literal, Node
from engine.cel.syntax.unparse import unparse
from engine.cel.types.kinds import NUMBERS
from engine.cel.values.conversions import is_number
from engine.schema import FieldType, Kind

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
_MONTHS: Final = [
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
_DAYS: Final = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
#: Months and days as `getMonth()` and `getDayOfWeek()` count them.
_COUNTED: Final = {name: number for names in (_MONTHS, _DAYS) for number, name in enumerate(names)}
_SPANS: Final[dict[frozenset[Kind], str]] = {
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
        first = "January" if texts[0][:3] in _MONTHS else "Sunday"
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
    return _SPANS.get(frozenset(known - NUMBERS), _CONVERT if known & NUMBERS else _ALIKE)


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
