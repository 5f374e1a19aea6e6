"""The macros `all`, `exists`, `exists_one`, `map` and `filter` as closures.

The macro's variable lives in the bindings under its slot, an integer that no name can be. Each
round is paid for, by what it weighs (`engine/cel/budget.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.cel.budget import spend
from engine.cel.failures import no_overload
from engine.cel.logic import Closure
from engine.cel.tree import Macro
from engine.cel.values import CelMap
from engine.errors import EvaluationError


def _items(value: Any, macro: str, weight: int, bindings: dict[Any, Any]) -> Iterable[Any]:
    if type(value) not in (list, dict, CelMap):
        raise no_overload(macro, value)
    if value:
        spend(len(value) * weight, bindings)
    return value  # type: ignore[no-any-return]


def quantifier(macro: Macro, over: Closure, slot: int, condition: Closure, weight: int) -> Closure:
    """`all` (false if any is false) and `exists` (true if any is true), absorbing failures."""
    decisive: bool = macro is Macro.EXISTS
    neutral = not decisive

    def quantify(bindings: dict[Any, Any]) -> bool:
        failed: EvaluationError | None = None
        for item in _items(over(bindings), macro, weight, bindings):
            bindings[slot] = item
            try:
                value = condition(bindings)
            except EvaluationError as error:
                failed = failed or error
                continue
            if value is decisive:
                return macro is Macro.EXISTS
            if value is not neutral:
                failed = failed or no_overload(macro, value)
        if failed is None:
            return neutral
        try:
            raise failed
        finally:
            del failed

    return quantify


def exists_one(over: Closure, slot: int, condition: Closure, weight: int) -> Closure:
    """Whether exactly one item fits; any failure is a failure of the whole."""

    def count(bindings: dict[Any, Any]) -> bool:
        found = 0
        for item in _items(over(bindings), Macro.EXISTS_ONE, weight, bindings):
            bindings[slot] = item
            found += _truth(condition(bindings), Macro.EXISTS_ONE)
        return found == 1

    return count


def collect(
    macro: Macro,
    over: Closure,
    slot: int,
    condition: Closure | None,
    result: Closure | None,
    weight: int,
) -> Closure:
    """`map` and `filter`: the items that fit, each as `result` makes it."""

    def gather(bindings: dict[Any, Any]) -> list[Any]:
        gathered: list[Any] = []
        for item in _items(over(bindings), macro, weight, bindings):
            bindings[slot] = item
            if condition is None or _truth(condition(bindings), macro):
                gathered.append(item if result is None else result(bindings))
        return gathered

    return gather


def _truth(value: Any, macro: str) -> bool:
    if value is True:
        return True
    if value is False:
        return False
    raise no_overload(macro, value)
