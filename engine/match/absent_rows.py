"""Conditions on `watchlist(…).rows(key)` as they are for a key that is not on the list.

Such a key has no rows: a macro over them is settled, and most conditions are false. So what a rule
needs is that the key is on the list, or that the condition holds without any rows.
"""

from __future__ import annotations

from typing import Final

from engine.cel.tree import (
    ROWS,
    Call,
    Comprehension,
    Ident,
    ListNode,
    Literal,
    Macro,
    Node,
    children,
)
from engine.match.unroll import changed, nodes_of

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
    """The part with an empty list in the place of every `rows()`; macros over it are settled."""
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
