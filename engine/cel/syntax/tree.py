"""The syntax tree of an expression: every part with its place in the text; no name is resolved.

Offsets count characters (code points) from the start of the text; trees that are not parsed from a
text have 0. `&&` and `||` hold all operands of a chain, so that a long chain is not a deep tree.
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
#: `watchlist(…).rows(key)`: a call whose arguments are the bound watchlist and the key.
ROWS: Final = "@rows"

#: Binary operators by their sign, with CEL's own function names.
BINARY: Final = {
    sign: f"_{sign}_" for sign in ("<", "<=", ">", ">=", "==", "!=", "+", "-", "*", "/", "%")
} | {"in": IN}
ARITHMETIC: Final = frozenset({"_+_", "_-_", "_*_", "_/_", "_%_"})
#: The orderings, each with the one that it is when its operands are swapped.
MIRRORED: Final = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_"}
ORDERINGS: Final = frozenset(MIRRORED)
#: Every call that is written as an operator; all other calls are functions.
OPERATORS: Final = frozenset({*BINARY.values(), AND, OR, NOT, NEGATE, TERNARY, INDEX})


class Macro(StrEnum):
    """The macros with a variable: for each item of a list or key of a map; `BIND` for one value."""

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
    """A constant that is given as a value and not as text: a tuple of values, or a watchlist."""

    offset: int
    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Ident:
    """A name; a leading dot (`is_absolute`) skips the container and the macros' variables."""

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
    """A call of a function or an operator; `target` is the part before the dot, if any."""

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
    """A macro over `range`; `condition` and `result` are evaluated with `variable` as each item.

    `all`, `exists`, `exists_one` and `filter` have a condition only; `map` has a result, and with
    three arguments a condition too. `cel.bind` has a result only, and `range` is the value itself.
    """

    offset: int
    macro: Macro
    range: Node
    variable: str
    condition: Node | None
    result: Node | None = None


Node: TypeAlias = Literal | Bound | Ident | Select | Call | ListNode | MapNode | Comprehension


def children(node: Node) -> Iterator[Node]:
    """The direct children of a node, in the order of the text."""
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
    """The first operand of a chain such as `a + b - c`, and its calls, innermost first.

    The calls are empty for other nodes. A chain may have hundreds of operands, and nests to the
    left: code that walks a tree uses this loop in place of recursion.
    """
    calls: list[Call] = []
    while isinstance(node, Call) and node.function in ARITHMETIC and node.target is None:
        calls.append(node)
        node = node.args[0]
    calls.reverse()
    return node, calls


def call(function: str, *args: Node) -> Call:
    """A call of a global function or an operator, at offset 0."""
    return Call(0, function, args)


def chain(function: str, parts: list[Node]) -> Node:
    """The parts joined by `function`, `AND` or `OR`; chains of it among them are merged."""
    operands: list[Node] = []
    for part in parts:
        if isinstance(part, Call) and part.function == function and part.target is None:
            operands.extend(part.args)
        else:
            operands.append(part)
    return operands[0] if len(operands) == 1 else Call(0, function, tuple(operands))


def depth(root: Node) -> int:
    """The depth of the tree; a chain of `&&`, `||` or arithmetic counts as one level."""
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
    """The value of a literal, a bound constant or a list of them; MISSING for other nodes."""
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Bound):
        return list(node.value) if isinstance(node.value, tuple) else node.value
    if isinstance(node, ListNode):
        values = [constant_of(item) for item in node.items]
        return MISSING if any(value is MISSING for value in values) else values
    return MISSING
