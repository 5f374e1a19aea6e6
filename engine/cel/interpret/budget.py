"""The budget of one evaluation, so that no expression of a rule takes longer than a second.

The unit is a round of a macro, about a microsecond. A round of a long body costs more, and a value
costs by its size each time it is made or read. A list costs what all its elements cost, since lists
that share lists hold far more elements than their memory shows. The closures count. Generated
functions don't: they are written only where few rounds are possible, and leave every value that
costs something to the closures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from engine.cel.syntax.tree import (
    BY_LIKENESS,
    Bound,
    Call,
    Comprehension,
    Literal,
    Macro,
    Node,
    children,
)
from engine.cel.values.values import CelMap, FailureKind, failure

#: A compiled part of an expression: bindings to value, or EvaluationError.
Closure: TypeAlias = Callable[[dict[Any, Any]], Any]

#: The key, among the bindings, of the rounds that are left.
BUDGET: Final = 0
#: Most rounds that one evaluation may take.
MAX_ROUNDS: Final = 100_000
#: Characters or bytes that cost one round.
ROUND_SIZE: Final = 64
#: Rounds that a value may cost where they are not counted: those of 1,024 characters.
UNCOUNTED: Final = 16
#: How many rounds of a loop one row counts for in an expression's budget: reading rows is slower.
ROW_ROUNDS: Final = 4
#: The same for a comparison by likeness: that of the longest plates takes 120 µs, usual ones 30 µs.
LIKENESS_ROUNDS: Final = 50
#: The deepest nesting of lists and maps.
MAX_VALUE_DEPTH: Final = 100

# Nodes of a body, or elements of a list, that cost one round.
_ROUND_PARTS: Final = 8
_TEXTS: Final = frozenset({str, bytes})
_CONTAINERS: Final = frozenset({list, dict, CelMap})
_SIZED: Final = _TEXTS | _CONTAINERS


def spend(rounds: int, bindings: dict[Any, Any]) -> None:
    """Take these rounds from those that are left; EvaluationError when there are too few.

    Bindings without a budget allow `UNCOUNTED` rounds each time.
    """
    left = bindings.get(BUDGET)
    if left is None:
        if rounds > UNCOUNTED:
            raise _too_much()
        return
    bindings[BUDGET] = left - rounds
    if left < rounds:
        raise _too_much()


def _too_much() -> Exception:
    message = f"this takes more than {MAX_ROUNDS:,} rounds of macros, or as much in long values"
    return failure(FailureKind.TOO_LARGE, message)


def cost(value: Any) -> int:
    """The rounds that a value costs; EvaluationError where it is nested too deep."""
    kind = type(value)
    if kind in _TEXTS:
        return len(value) // ROUND_SIZE
    return _parts_of(value) // _ROUND_PARTS if kind in _CONTAINERS else 0


def _parts_of(value: Any) -> int:
    """The number of elements at all depths; counting stops where they cost too much."""
    parts = depth = 0
    level = [value]
    while level:
        depth += 1
        if depth > MAX_VALUE_DEPTH:
            raise failure(FailureKind.TOO_LARGE, "a value is nested too deep")
        below: list[Any] = []
        for each in level:
            items = each if type(each) is list else [item for _, item in each.items()]
            parts += len(items)
            for item in items:
                kind = type(item)
                if kind in _CONTAINERS:
                    below.append(item)
                elif kind in _TEXTS:
                    parts += len(item) * _ROUND_PARTS // ROUND_SIZE
            if parts > (MAX_ROUNDS + 1) * _ROUND_PARTS:
                return parts
        level = below
    return parts


def counted(run: Closure) -> Closure:
    """The closure, which also spends what its value costs."""

    def measured(bindings: dict[Any, Any]) -> Any:
        value = run(bindings)
        if type(value) in _SIZED:
            pay(value, bindings)
        return value

    return measured


def pay(value: Any, bindings: dict[Any, Any]) -> None:
    """Spend what a value costs."""
    rounds = cost(value)
    if rounds:
        spend(rounds, bindings)


def weight(node: Comprehension) -> int:
    """The rounds that one round of a macro costs, without those of the macros in it."""
    parts = 0
    waiting = [each for each in (node.condition, node.result) if each is not None]
    while waiting:
        each = waiting.pop()
        parts += 1
        if isinstance(each, Literal | Bound):
            parts += cost(each.value) * _ROUND_PARTS
        elif isinstance(each, Call) and each.function in BY_LIKENESS:
            parts += LIKENESS_ROUNDS * _ROUND_PARTS
        waiting.extend(_own_parts(each))
    return max(1, parts // _ROUND_PARTS)


def _own_parts(node: Node) -> list[Node]:
    if isinstance(node, Comprehension) and node.macro is not Macro.BIND:
        return [node.range]
    return list(children(node))
