"""The closures that ask a watchlist at the event's time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from engine.cel.interpret.budget import Closure, spend
from engine.cel.syntax import tree
from engine.cel.syntax.tree import Call, Node
from engine.cel.types.watchlists import ROW_ROUNDS, TIME, asked
from engine.cel.values.values import FailureKind, Timestamp, failure, to_datetime
from engine.watchlist import Watchlist, plate_of


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
            raise failure(
                FailureKind.NO_KEY, f"the plate is not on the watchlist '{watchlist.name}'"
            )
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
        raise failure(FailureKind.NO_FIELD, f"the event has no '{TIME}'")
    return moment
