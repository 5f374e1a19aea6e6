"""What a watchlist in a tree gives: its type, and the closures that ask it at the event's time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from engine.cel import tree
from engine.cel.budget import spend
from engine.cel.failures import Failure, failure
from engine.cel.logic import Closure
from engine.cel.tree import Bound, Call, Comprehension, Macro, Node
from engine.cel.values import Timestamp, to_datetime
from engine.schema import FieldType, Kind
from engine.watchlist import STANDING_COLUMNS, Watchlist, plate_of

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
    names = (*STANDING_COLUMNS, *watchlist.columns)
    instants = ("valid_from", "valid_until")
    fields = {name: _INSTANT if name in instants else _TEXT for name in names}
    return FieldType(Kind.RECORD, fields=fields)


def list_type(watchlist: Watchlist) -> FieldType:
    """The type of a list: a map of rows by plate."""
    return FieldType(Kind.MAP, key=_PLATE, element=row_type(watchlist))


def rows_type(watchlist: Watchlist) -> FieldType:
    """The type of all rows of one plate."""
    return FieldType(Kind.LIST, element=row_type(watchlist))


def plan_list(node: Call, closure: Callable[[Node], Closure]) -> Closure | None:
    """The closure of `in`, `[ ]` or `rows()` on a list; None for all other calls."""
    found = asked(node)
    if found is None:
        return None
    watchlist, key = found
    return _QUESTIONS[node.function](watchlist, closure(key))


def _membership(watchlist: Watchlist, key: Closure) -> Closure:
    plates = watchlist.plates

    def is_in(bindings: dict[Any, Any]) -> bool:
        plate = plate_of(key(bindings))
        if plate not in plates:
            return False
        return watchlist.validity is None or watchlist.is_on(plate, _time(bindings))

    return is_in


def _row(watchlist: Watchlist, key: Closure) -> Closure:
    def row(bindings: dict[Any, Any]) -> Any:
        plate = plate_of(key(bindings))
        is_there = plate in watchlist.plates
        found = watchlist.row(plate, _time(bindings)) if is_there else None
        if found is None:
            raise failure(Failure.NO_KEY, f"the plate is not on the watchlist '{watchlist.name}'")
        return found

    return row


def _rows(watchlist: Watchlist, key: Closure) -> Closure:
    def rows(bindings: dict[Any, Any]) -> list[Any]:
        plate = plate_of(key(bindings))
        if plate not in watchlist.plates:
            return []
        found = watchlist.rows_of(plate, _time(bindings))
        spend(len(found) * ROW_ROUNDS, bindings)
        return found

    return rows


_QUESTIONS: Final = {tree.IN: _membership, tree.INDEX: _row, tree.ROWS: _rows}


def _time(bindings: dict[Any, Any]) -> datetime:
    moment = bindings.get(TIME)
    if isinstance(moment, Timestamp):
        return to_datetime(moment)
    if not isinstance(moment, datetime):
        raise failure(Failure.NO_FIELD, f"the event has no '{TIME}'")
    return moment
