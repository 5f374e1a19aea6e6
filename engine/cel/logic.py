"""`&&`, `||`, `!` and `?:` as closures: a failing operand counts only where no other decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.cel.failures import no_overload
from engine.errors import EvaluationError

#: A compiled part of an expression: takes the bindings, gives the value or raises.
Closure = Callable[[dict[Any, Any]], Any]


def conjunction(operands: Sequence[Closure]) -> Closure:
    """`a && b && …`: false if any is false, else the first failure, else true."""
    return _pair(operands, "_&&_", decisive=False)


def disjunction(operands: Sequence[Closure]) -> Closure:
    """`a || b || …`: true if any is true, else the first failure, else false."""
    return _pair(operands, "_||_", decisive=True)


def _pair(operands: Sequence[Closure], function: str, *, decisive: bool) -> Closure:
    if len(operands) != 2:
        return _chain(tuple(operands), function, decisive=decisive)
    first, second = operands
    neutral = not decisive

    def both(bindings: dict[Any, Any]) -> Any:
        try:
            left = first(bindings)
        except EvaluationError:
            # The second may still decide; if it does not, the first's failure stands.
            if second(bindings) is decisive:
                return decisive
            raise
        if left is decisive:
            return decisive
        right = second(bindings)
        if right is decisive or (right is neutral and left is neutral):
            return right
        raise no_overload(function, left, right)

    return both


def _chain(operands: tuple[Closure, ...], function: str, *, decisive: bool) -> Closure:
    neutral = not decisive

    def every(bindings: dict[Any, Any]) -> Any:
        failed: EvaluationError | None = None
        for operand in operands:
            try:
                value = operand(bindings)
            except EvaluationError as error:
                failed = failed or error
                continue
            if value is decisive:
                return decisive
            if value is not neutral:
                failed = failed or no_overload(function, value)
        if failed is None:
            return neutral
        try:
            raise failed
        finally:
            # The traceback holds this frame; without this the two keep each other alive.
            del failed

    return every


def negation(operand: Closure) -> Closure:
    """`!a`."""

    def opposite(bindings: dict[Any, Any]) -> bool:
        value = operand(bindings)
        if value is True:
            return False
        if value is False:
            return True
        raise no_overload("!", value)

    return opposite


def ternary(condition: Closure, first: Closure, second: Closure) -> Closure:
    """`condition ? first : second`; only the branch taken is evaluated."""

    def choose(bindings: dict[Any, Any]) -> Any:
        value = condition(bindings)
        if value is True:
            return first(bindings)
        if value is False:
            return second(bindings)
        raise no_overload("_?:_", value)

    return choose
