"""Closures of calls of constants and of comparisons with them, made when they are planned."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from engine.cel.comparison import EXACT_LIMIT, NUMBERS, ORDERINGS
from engine.cel.logic import Closure
from engine.errors import EvaluationError

_PLAIN: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "_<_": operator.lt,
    "_<=_": operator.le,
    "_>_": operator.gt,
    "_>=_": operator.ge,
}


def folded(run: Closure) -> Closure:
    """A call of constants, made once now; one that fails is left to fail when it is evaluated."""
    try:
        value = run({})
    except EvaluationError:
        return run
    return lambda bindings: value


def orders_constant(left: Closure, function: str, constant: Any) -> Closure:
    """An ordering against an int, a double or a text: its own type needs no questions."""
    compare = ORDERINGS[function]
    kind = type(constant)
    plain: Callable[[Any, Any], bool] = _PLAIN[function]

    def ordered(bindings: dict[Any, Any]) -> bool:
        value = left(bindings)
        if type(value) is kind:
            return plain(value, constant)
        return compare(value, constant)

    return ordered


def equals_constant(operand: Closure, constant: Any, *, is_equal: bool) -> Closure | None:
    """Equality with a constant that Python's own `==` or `is` decides; None for others."""
    kind = type(constant)
    if kind is bool or constant is None:
        if is_equal:
            return lambda bindings: operand(bindings) is constant
        return lambda bindings: operand(bindings) is not constant
    if kind is str:
        if is_equal:
            return lambda bindings: operand(bindings) == constant
        return lambda bindings: operand(bindings) != constant
    if kind in NUMBERS and -EXACT_LIMIT < constant < EXACT_LIMIT:

        def compare(bindings: dict[Any, Any]) -> bool:
            value = operand(bindings)
            return (value == constant and value is not True and value is not False) is is_equal

        return compare
    return None
