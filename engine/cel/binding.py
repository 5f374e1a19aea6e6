"""`cel.bind(name, value, result)` as closures: the value is computed once, when it is first asked.

So the two mean what the result would mean with the value written in the place of the name: a value
that fails and is not asked for does no harm, and one beside a decisive `&&` or `||` neither.
"""

from __future__ import annotations

from typing import Any

from engine.cel.logic import Closure
from engine.cel.values import MISSING
from engine.errors import EvaluationError


class _Failed:
    """Stands for a value that can't be had."""

    __slots__ = ("error_type", "message")

    def __init__(self, error: EvaluationError) -> None:
        # Without the error itself, whose traceback would keep the bindings alive.
        self.error_type = error.error_type
        self.message = str(error)


def bind(slot: int, result: Closure) -> Closure:
    """The result, with the name in `slot` not yet computed."""

    def run(bindings: dict[Any, Any]) -> Any:
        bindings[slot] = MISSING
        return result(bindings)

    return run


def bound(slot: int, value: Closure) -> Closure:
    """The value of the name in `slot`; the same value, or the same failure, however often."""

    def read(bindings: dict[Any, Any]) -> Any:
        found = bindings[slot]
        if found is MISSING:
            try:
                found = value(bindings)
            except EvaluationError as error:
                found = _Failed(error)
            bindings[slot] = found
        if type(found) is _Failed:
            raise EvaluationError(found.error_type, found.message)
        return found

    return read
