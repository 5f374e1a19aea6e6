"""What a watchlist in a tree gives: which calls ask it, and the types of their answers."""

from __future__ import annotations

from typing import Final

from engine.cel.syntax import tree
from engine.cel.syntax.tree import Bound, Call, Comprehension, Macro, Node
from engine.schema import FieldType, Kind
from engine.watchlist import STANDARD_COLUMNS, Watchlist

#: The variable that says when an event was.
TIME: Final = "time"
#: What reading one of several rows costs in rounds: they may lie far apart.
ROW_ROUNDS: Final = 4
_PLATE: Final = FieldType(Kind.STRING)
_TEXT: Final = FieldType(Kind.STRING, nullable=True)
_INSTANT: Final = FieldType(Kind.TIMESTAMP, nullable=True)


def listed(node: Node) -> Watchlist | None:
    """The list that a node is."""
    if isinstance(node, Bound) and isinstance(node.value, Watchlist):
        return node.value
    return None


def asked(node: Call) -> tuple[Watchlist, Node] | None:
    """The list that `in`, `[ ]` or `rows()` asks, and for which key; None for other calls."""
    if node.function == tree.IN:
        key, container = node.args
    elif node.function in (tree.INDEX, tree.ROWS):
        container, key = node.args
    else:
        return None
    found = listed(container)
    return (found, key) if found is not None else None


def most_items(node: Node) -> int | None:
    """The most rows that a part can give which is a list of rows of one plate, or some of them."""
    while isinstance(node, Comprehension) and node.macro in (Macro.FILTER, Macro.MAP):
        node = node.range
    found = asked(node) if isinstance(node, Call) and node.function == tree.ROWS else None
    return found[0].most_rows if found is not None else None


def row_type(watchlist: Watchlist) -> FieldType:
    """The type of a list's rows: the standing columns and its own, all of which may be null."""
    names = (*STANDARD_COLUMNS, *watchlist.columns)
    instants = ("valid_from", "valid_until")
    fields = {name: _INSTANT if name in instants else _TEXT for name in names}
    return FieldType(Kind.RECORD, fields=fields)


def list_type(watchlist: Watchlist) -> FieldType:
    """The type of a list: a map of rows by plate."""
    return FieldType(Kind.MAP, key=_PLATE, element=row_type(watchlist))


def rows_type(watchlist: Watchlist) -> FieldType:
    """The type of all rows of one plate."""
    return FieldType(Kind.LIST, element=row_type(watchlist))
