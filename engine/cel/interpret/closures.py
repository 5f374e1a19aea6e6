"""The closures of logic, macros, fields and bindings."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from engine.cel.interpret.budget import Closure, spend
from engine.cel.syntax.tree import Macro
from engine.cel.values.comparison import EXACT_LIMIT, NUMBERS, ORDERINGS
from engine.cel.values.values import (
    MISSING,
    CelMap,
    FailureKind,
    UInt,
    failure,
    no_overload,
    to_timestamp,
)
from engine.errors import EvaluationError


def variable(name: str) -> Closure:
    """A binding by its name."""

    def load(bindings: dict[Any, Any]) -> Any:
        try:
            return bindings[name]
        except KeyError:
            raise _absent(name) from None

    return load


def instant(load: Closure) -> Closure:
    """A timestamp that the bindings hold as a datetime."""

    def convert(bindings: dict[Any, Any]) -> Any:
        value = load(bindings)
        return to_timestamp(value) if isinstance(value, datetime) else value

    return convert


def record_field(operand: Closure, field: str, *, is_nullable: bool) -> Closure:
    """A field of a record of the schema; of an absent record it is null."""

    def load(bindings: dict[Any, Any]) -> Any:
        record = operand(bindings)
        try:
            return record[field]
        except (KeyError, TypeError):
            if record is None and is_nullable:
                return None
            raise _absent(field) from None

    return load


def variable_field(name: str, field: str, *, is_nullable: bool) -> Closure:
    """`record_field` of a variable: the same in one step, for it is what rules read most."""

    def load(bindings: dict[Any, Any]) -> Any:
        try:
            return bindings[name][field]
        except (KeyError, TypeError):
            if is_nullable and name in bindings and bindings[name] is None:
                return None
            raise _absent(f"{name}.{field}") from None

    return load


def has_field(load: Closure) -> Closure:
    """`has(record.field)` for a record of the schema."""
    return lambda bindings: load(bindings) is not None


def map_field(operand: Closure, field: str, *, is_test: bool) -> Closure:
    """`value.field` or `has(value.field)` where the value's type is known only now."""

    def load(bindings: dict[Any, Any]) -> Any:
        value = operand(bindings)
        if type(value) is not dict and type(value) is not CelMap:
            raise no_overload(f".{field}", value)
        found = value.get(field, MISSING)
        if is_test:
            return found is not MISSING
        if found is MISSING:
            raise failure(FailureKind.NO_KEY, f"no such key: '{field}'")
        return found

    return load


def element(container: Any, key: Any) -> Any:
    """`container[key]`."""
    kind = type(container)
    if kind is list:
        position = key
        if type(key) is float and key.is_integer():
            position = int(key)
        elif type(key) not in (int, UInt):
            raise failure(FailureKind.BAD_ARGUMENT, "a list's index must be a whole number")
        if 0 <= position < len(container):
            return container[position]
        raise failure(FailureKind.NO_INDEX, f"index out of range: {position}")
    if kind is dict:
        found = container.get(key, MISSING) if type(key) is str else MISSING
    elif kind is CelMap:
        found = container.get(key, MISSING)
    else:
        raise no_overload("_[_]", container, key)
    if found is MISSING:
        raise failure(FailureKind.NO_KEY, f"no such key: {str(key)[:40]!r}")
    return found


def _absent(name: str) -> EvaluationError:
    return failure(FailureKind.NO_FIELD, f"the event has no '{name}'")


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
