"""The macros `all`, `exists`, `exists_one`, `map` and `filter` as closures.

The macro's variable lives in the bindings under its slot, an integer that no name can be; the
evaluation's own copy of the bindings also holds how many more rounds it may take.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from engine.cel.failures import Failure, failure, no_overload
from engine.cel.logic import Closure
from engine.cel.tree import Macro
from engine.cel.values import CelMap
from engine.errors import EvaluationError

#: The key of the rounds left among the bindings.
BUDGET: Final = 0
#: Most rounds that all macros of one evaluation may take together.
MAX_ROUNDS: Final = 100_000
#: Keeping so many characters, bytes or elements made by `map` counts as a round.
ROUND_SIZE: Final = 64
_SIZED: Final = frozenset({str, bytes, list})


def _items(value: Any, macro: str, bindings: dict[Any, Any]) -> Iterable[Any]:
    if type(value) not in (list, dict, CelMap):
        raise no_overload(macro, value)
    _spend(len(value), bindings)
    return value  # type: ignore[no-any-return]


def _spend(rounds: int, bindings: dict[Any, Any]) -> None:
    bindings[BUDGET] -= rounds
    if bindings[BUDGET] < 0:
        message = f"the macros take more than {MAX_ROUNDS:,} rounds"
        raise failure(Failure.TOO_LARGE, message)


def _kept(value: Any, bindings: dict[Any, Any]) -> Any:
    if type(value) in _SIZED:
        _spend(len(value) // ROUND_SIZE, bindings)
    return value


def quantifier(macro: Macro, over: Closure, slot: int, condition: Closure) -> Closure:
    """`all` (false if any is false) and `exists` (true if any is true), absorbing failures."""
    decisive: bool = macro is Macro.EXISTS
    neutral = not decisive

    def quantify(bindings: dict[Any, Any]) -> bool:
        failed: EvaluationError | None = None
        for item in _items(over(bindings), macro, bindings):
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


def exists_one(over: Closure, slot: int, condition: Closure) -> Closure:
    """Whether exactly one item fits; any failure is a failure of the whole."""

    def count(bindings: dict[Any, Any]) -> bool:
        found = 0
        for item in _items(over(bindings), Macro.EXISTS_ONE, bindings):
            bindings[slot] = item
            found += _truth(condition(bindings), Macro.EXISTS_ONE)
        return found == 1

    return count


def collect(
    macro: Macro, over: Closure, slot: int, condition: Closure | None, result: Closure | None
) -> Closure:
    """`map` and `filter`: the items that fit, each as `result` makes it."""

    def gather(bindings: dict[Any, Any]) -> list[Any]:
        gathered: list[Any] = []
        for item in _items(over(bindings), macro, bindings):
            bindings[slot] = item
            if condition is None or _truth(condition(bindings), macro):
                gathered.append(item if result is None else _kept(result(bindings), bindings))
        return gathered

    return gather


def _truth(value: Any, macro: str) -> bool:
    if value is True:
        return True
    if value is False:
        return False
    raise no_overload(macro, value)
