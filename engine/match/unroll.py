"""Macros over constant lists, and conditions on a watchlist's rows, written out for the index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from engine.cel.interpret.budget import MAX_ROUNDS, ROW_ROUNDS, weight
from engine.cel.syntax.tree import (
    ROWS,
    Bound,
    Call,
    Comprehension,
    Ident,
    ListNode,
    Literal,
    Macro,
    MapNode,
    Node,
    Select,
    arithmetic_chain,
    children,
    constant_of,
)
from engine.cel.types.findings import most_items, watchlist_lookup

#: Most items of a list that is written out.
MAX_ITEMS: Final = 1_000
#: Most rounds of all macros of a rule, those inside others multiplied.
MAX_UNROLLED: Final = 10_000
#: Longest expression that comes of writing a `cel.bind` out, in parts of the tree.
MAX_NODES: Final = 1_000


def can_unroll(root: Node) -> bool:
    """Whether it is known that no macro runs so often that the evaluation fails."""
    return _rounds(root) <= min(MAX_UNROLLED, MAX_ROUNDS)


def _rounds(root: Node) -> int:
    """The most rounds of all macros; more than any limit where that is unknown."""
    total = 0
    waiting = [(root, 1)]
    while waiting:
        node, times = waiting.pop()
        inner, over = times, None
        if isinstance(node, Comprehension) and node.macro is not Macro.BIND:
            most = _most_items(node)
            if most is None:
                return MAX_ROUNDS + 1
            inner, over = times * max(most, 1), node.range
            total += inner * weight(node)
        elif isinstance(node, Call) and node.function == ROWS and (found := watchlist_lookup(node)):
            total += times * found[0].most_rows * ROW_ROUNDS
        waiting += ((child, times if child is over else inner) for child in children(node))
    return total


def _most_items(node: Comprehension) -> int | None:
    items = items_of(node)
    return len(items) if items is not None else most_items(node.range)


def items_of(node: Comprehension) -> list[Any] | None:
    """The items of a macro's constant list, or None."""
    values = constant_of(node.range)
    return values if isinstance(values, list) and len(values) <= MAX_ITEMS else None


def unrolled(node: Comprehension) -> Iterator[Node]:
    """The condition of `all`, `exists` or `exists_one`, for each item of the constant list."""
    items = items_of(node)
    assert items is not None
    assert node.condition is not None
    for item in items:
        yield _put(node.condition, node.variable, _constant(item))


def written_out(node: Comprehension) -> Node | None:
    """The result of `cel.bind` with the value in the place of its name, which means the same.

    None where a macro inside hides a name that the value uses, or where it would be too long.
    """
    assert node.result is not None
    names = {each.name for each in nodes_of(node.range) if isinstance(each, Ident)}
    inner = (each for each in nodes_of(node.result) if isinstance(each, Comprehension))
    if any(each.variable in names for each in inner):
        return None
    result = _put(node.result, node.variable, node.range)
    nodes = sum(1 for _ in islice(nodes_of(result), MAX_NODES + 1))
    return result if nodes <= MAX_NODES else None


def nodes_of(root: Node) -> Iterator[Node]:
    """A tree's nodes, in no order."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(children(node))


def _constant(value: Any) -> Node:
    return Bound(0, tuple(value)) if isinstance(value, list) else Literal(0, value)


def expanded(root: Node) -> Node:
    """The tree with every `cel.bind` written out that can be."""
    node = changed(root, expanded)
    if isinstance(node, Comprehension) and node.macro is Macro.BIND:
        return written_out(node) or node
    return node


def _put(node: Node, name: str, value: Node) -> Node:
    """The tree with `value` in the place of a macro's variable."""
    if isinstance(node, Ident):
        return value if node.name == name and not node.is_absolute else node
    if isinstance(node, Comprehension) and node.variable == name:
        return replace(node, range=_put(node.range, name, value))
    return changed(node, lambda part: _put(part, name, value))


def changed(node: Node, change: Callable[[Node], Node]) -> Node:
    """The node with each of its parts changed."""
    first, calls = arithmetic_chain(node)
    if calls:
        made = change(first)
        for call in calls:
            made = replace(call, args=(made, change(call.args[1])))
        return made
    match node:
        case Select():
            return replace(node, operand=change(node.operand))
        case Call():
            target = None if node.target is None else change(node.target)
            return replace(node, args=tuple(map(change, node.args)), target=target)
        case ListNode():
            return replace(node, items=tuple(map(change, node.items)))
        case MapNode():
            pairs = tuple((change(key), change(item)) for key, item in node.entries)
            return replace(node, entries=pairs)
        case Comprehension():
            condition = None if node.condition is None else change(node.condition)
            result = None if node.result is None else change(node.result)
            return replace(node, range=change(node.range), condition=condition, result=result)
    return node


_OVER_NOTHING: Final[dict[Macro, Node]] = {
    Macro.ALL: Literal(0, value=True),
    Macro.EXISTS: Literal(0, value=False),
    Macro.EXISTS_ONE: Literal(0, value=False),
    Macro.MAP: ListNode(0, ()),
    Macro.FILTER: ListNode(0, ()),
}


def rows_asked(root: Node) -> list[Call]:
    """The calls of `rows()` in a part; none where a key hangs on the variable of a macro in it."""
    found: list[Call] = []
    waiting: list[tuple[Node, frozenset[str]]] = [(root, frozenset())]
    while waiting:
        node, hidden = waiting.pop()
        if isinstance(node, Call) and node.function == ROWS:
            names = {each.name for each in nodes_of(node) if isinstance(each, Ident)}
            if names & hidden:
                return []
            found.append(node)
        inner = hidden | {node.variable} if isinstance(node, Comprehension) else hidden
        over = node.range if isinstance(node, Comprehension) else None
        waiting += ((child, hidden if child is over else inner) for child in children(node))
    return found


def without_rows(node: Node) -> Node:
    """The part with an empty list in the place of every `rows()`, and macros over it evaluated."""
    if isinstance(node, Call) and node.function == ROWS:
        return ListNode(node.offset, ())
    made = changed(node, without_rows)
    if (
        isinstance(made, Comprehension)
        and isinstance(made.range, ListNode)
        and not made.range.items
    ):
        return _OVER_NOTHING.get(made.macro, made)
    return made
