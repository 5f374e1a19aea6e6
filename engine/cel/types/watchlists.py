"""Watchlists in a tree: which calls look up a list, and the types of the results.

A watchlist is bound into the tree as a constant. It is used like a map of rows by plate.
"""

from __future__ import annotations

from typing import Final

from engine.cel.syntax import tree
from engine.cel.syntax.tree import Bound, Call, Comprehension, Macro, Node
from engine.schema import FieldType, Kind
from engine.watchlist import STANDARD_COLUMNS, Watchlist

#: The variable with the instant of the event.
TIME: Final = "time"
#: How many rounds of a loop one row counts for in an expression's budget: reading rows is slower.
ROW_ROUNDS: Final = 4
_PLATE: Final = FieldType(Kind.STRING)
_TEXT: Final = FieldType(Kind.STRING, nullable=True)
_INSTANT: Final = FieldType(Kind.TIMESTAMP, nullable=True)


def listed(node: Node) -> Watchlist | None:
    """The watchlist that is bound at a node; None for other nodes."""
    if isinstance(node, Bound) and isinstance(node.value, Watchlist):
        return node.value
    return None


def asked(node: Call) -> tuple[Watchlist, Node] | None:
    """The watchlist that `in`, `[ ]` or `rows()` looks up, and the key; None for other calls."""
    if node.function == tree.IN:
        key, container = node.args
    elif node.function in (tree.INDEX, tree.ROWS):
        container, key = node.args
    else:
        return None
    found = listed(container)
    return (found, key) if found is not None else None


def most_items(node: Node) -> int | None:
    """The most items of a part that gives one plate's rows, filtered or mapped; None for others."""
    while isinstance(node, Comprehension) and node.macro in (Macro.FILTER, Macro.MAP):
        node = node.range
    found = asked(node) if isinstance(node, Call) and node.function == tree.ROWS else None
    return found[0].most_rows if found is not None else None


def row_type(watchlist: Watchlist) -> FieldType:
    """The type of a watchlist's rows: a record of its columns, each of which may be null."""
    names = (*STANDARD_COLUMNS, *watchlist.columns)
    instants = ("valid_from", "valid_until")
    fields = {name: _INSTANT if name in instants else _TEXT for name in names}
    return FieldType(Kind.RECORD, fields=fields)


def list_type(watchlist: Watchlist) -> FieldType:
    """The type of a watchlist: a map of rows by plate."""
    return FieldType(Kind.MAP, key=_PLATE, element=row_type(watchlist))


def rows_type(watchlist: Watchlist) -> FieldType:
    """The type of `rows()`: a list of rows."""
    return FieldType(Kind.LIST, element=row_type(watchlist))
