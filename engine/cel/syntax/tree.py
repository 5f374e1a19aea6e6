"""The expression tree: what an expression says, with the place of every part, and nothing resolved.

Offsets count code points from the start of the text; trees built by condition operators have 0.
`&&` and `||` hold all operands of a chain, so that a long chain is not a deep tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from engine.cel.values.values import MISSING

AND: Final = "_&&_"
OR: Final = "_||_"
NOT: Final = "!_"
NEGATE: Final = "-_"
TERNARY: Final = "_?_:_"
INDEX: Final = "_[_]"
EQUALS: Final = "_==_"
NOT_EQUALS: Final = "_!=_"
IN: Final = "@in"
#: `watchlist(…).rows(key)`, as a call on the list itself and the key.
ROWS: Final = "@rows"

#: Binary operators by their sign, with CEL's own function names.
BINARY: Final = {
    sign: f"_{sign}_" for sign in ("<", "<=", ">", ">=", "==", "!=", "+", "-", "*", "/", "%")
} | {"in": IN}
ARITHMETIC: Final = frozenset({"_+_", "_-_", "_*_", "_/_", "_%_"})
ORDERINGS: Final = frozenset({"_<_", "_<=_", "_>_", "_>=_"})
#: Everything that is written as a sign; all else that is called is a function.
OPERATORS: Final = frozenset({*BINARY.values(), AND, OR, NOT, NEGATE, TERNARY, INDEX})


class Macro(StrEnum):
    """The macros that name a value: each item of a list, each key of a map, or just one value."""

    ALL = "all"
    EXISTS = "exists"
    EXISTS_ONE = "exists_one"
    MAP = "map"
    FILTER = "filter"
    BIND = "bind"


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A constant as written: null, bool, int, uint, double, string or bytes."""

    offset: int
    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A constant that was given as a value, a list mostly; it was never text."""

    offset: int
    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Ident:
    """A name; with a leading dot it is looked up at the root only."""

    offset: int
    name: str
    is_absolute: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Select:
    """`operand.field`, or `has(operand.field)` with `is_test`; the offset is the field's."""

    offset: int
    operand: Node
    field: str
    is_test: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function or an operator; `target` is what stands before the dot."""

    offset: int
    function: str
    args: tuple[Node, ...]
    target: Node | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ListNode:
    """`[a, b]`."""

    offset: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class MapNode:
    """`{key: value}`."""

    offset: int
    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Comprehension:
    """A macro over `range`: `variable` is each item, `condition` and `result` see it.

    `all`, `exists`, `exists_one` and `filter` have a condition only; `map` has a result, and a
    condition where it was given three arguments. `cel.bind` is one round: `range` is not a list but
    the value itself, and there is a result only.
    """

    offset: int
    macro: Macro
    range: Node
    variable: str
    condition: Node | None
    result: Node | None = None


Node: TypeAlias = Literal | Bound | Ident | Select | Call | ListNode | MapNode | Comprehension


def children(node: Node) -> Iterator[Node]:
    """The direct parts of a node, in the order in which they are written."""
    match node:
        case Select():
            yield node.operand
        case Call():
            if node.target is not None:
                yield node.target
            yield from node.args
        case ListNode():
            yield from node.items
        case MapNode():
            for key, value in node.entries:
                yield key
                yield value
        case Comprehension():
            yield node.range
            if node.condition is not None:
                yield node.condition
            if node.result is not None:
                yield node.result
        case _:
            return


def arithmetic_chain(node: Node) -> tuple[Node, list[Call]]:
    """A left-leaning run of `+ - * / %` as its first operand and its calls, innermost first.

    Such a run may be hundreds of operands long: whoever walks a tree walks it by this, in a loop.
    """
    calls: list[Call] = []
    while isinstance(node, Call) and node.function in ARITHMETIC and node.target is None:
        calls.append(node)
        node = node.args[0]
    calls.reverse()
    return node, calls


def call(function: str, *args: Node) -> Call:
    """A global function or operator applied to `args`."""
    return Call(0, function, args)


def chain(function: str, parts: list[Node]) -> Node:
    """The parts joined by `&&` or `||`, chains of the same operator merged into one."""
    operands: list[Node] = []
    for part in parts:
        if isinstance(part, Call) and part.function == function and part.target is None:
            operands.extend(part.args)
        else:
            operands.append(part)
    return operands[0] if len(operands) == 1 else Call(0, function, tuple(operands))


def depth(root: Node) -> int:
    """How deep the tree is; a chain of `&&`, `||` or arithmetic counts as one level."""
    deepest = 0
    waiting = [(root, 1)]
    while waiting:
        node, level = waiting.pop()
        deepest = max(deepest, level)
        first, calls = arithmetic_chain(node)
        if calls:
            waiting.append((first, level + 1))
            waiting.extend((step.args[1], level + 1) for step in calls)
        else:
            waiting.extend((child, level + 1) for child in children(node))
    return deepest


def constant_of(node: Node) -> Any:
    """The value of a node that is a constant, or MISSING."""
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Bound):
        return list(node.value) if isinstance(node.value, tuple) else node.value
    if isinstance(node, ListNode):
        values = [constant_of(item) for item in node.items]
        return MISSING if any(value is MISSING for value in values) else values
    return MISSING
