"""How messages and guards call a part of an expression."""

from __future__ import annotations

from typing import Final

from engine.cel import tree
from engine.cel.scope import dotted
from engine.cel.tree import Call, ListNode, MapNode, Node, Select, children
from engine.cel.unparse import unparse

#: Longest part that a message repeats, and that a guard knows.
_SHOWN: Final = 60
_MAX_TEXT: Final = 200
_LOGIC: Final = frozenset({tree.AND, tree.OR, tree.NOT})


def title(node: Node) -> str:
    """How a message calls a part: its text in quotes, or "this" where that is long."""
    text = unparse(node)
    return f"'{text}'" if len(text) <= _SHOWN else "this"


def stands_as_value(root: Node, node: Node) -> bool:
    """Whether a part of `root` is compared, listed or handed over: where a text may stand."""
    waiting = [root]
    while waiting:
        parent = waiting.pop()
        parts = list(children(parent))
        if any(part is node for part in parts):
            is_logic = isinstance(parent, Call) and parent.function in _LOGIC
            return isinstance(parent, Call | ListNode | MapNode) and not is_logic
        waiting.extend(parts)
    return False


def name_of(node: Node) -> str:
    """The name by which a guard knows a part: its dotted path, or its text where that is short.

    Only what is read has one, a name, a field or an element: "" for anything else.
    """
    found = dotted(node)
    if found is not None:
        return found[0]
    is_read = isinstance(node, Select) or (isinstance(node, Call) and node.function == tree.INDEX)
    if not is_read:
        return ""
    text = unparse(node)
    return text if len(text) <= _MAX_TEXT else ""
