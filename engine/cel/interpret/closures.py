"""The closures of names, operators, calls, macros and watchlists: what each does when it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from engine.cel.interpret.budget import ROW_ROUNDS, Closure, pay, spend
from engine.cel.syntax.tree import Macro
from engine.cel.types.functions import ANY, Function
from engine.cel.types.scope import TIME
from engine.cel.values.plates import is_similar, likeness_between
from engine.cel.values.values import (
    MISSING,
    CelMap,
    FailureKind,
    Timestamp,
    UInt,
    failure,
    no_overload,
    to_datetime,
    to_timestamp,
)
from engine.errors import EvaluationError
from engine.intervals import TimeInterval
from engine.watchlist import PlateCosts, Watchlist, plate_of

_KEYS: Final = frozenset({str, int, UInt, bool})
_JOINED: Final = frozenset({str, bytes, list})


def variable(name: str) -> Closure:
    """A variable of the event."""

    def load(bindings: dict[Any, Any]) -> Any:
        try:
            return bindings[name]
        except KeyError:
            raise _absent(name) from None

    return load


def instant(load: Closure) -> Closure:
    """A timestamp; the bindings may hold it as a datetime."""

    def convert(bindings: dict[Any, Any]) -> Any:
        value = load(bindings)
        return to_timestamp(value) if isinstance(value, datetime) else value

    return convert


def record_field(operand: Closure, field: str, path: str, *, is_nullable: bool) -> Closure:
    """A field of a record of the schema; of an absent record it is null. `path` is for messages."""

    def load(bindings: dict[Any, Any]) -> Any:
        record = operand(bindings)
        try:
            return record[field]
        except (KeyError, TypeError):
            if record is None and is_nullable:
                return None
            raise _absent(path) from None

    return load


def has_field(load: Closure) -> Closure:
    """`has(record.field)` for a record of the schema."""
    return lambda bindings: load(bindings) is not None


def map_field(operand: Closure, field: str, *, is_test: bool) -> Closure:
    """`value.field` or `has(value.field)` of a value that is no record of the schema."""

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


def make_map(pairs: list[tuple[Any, Any]]) -> Any:
    """A map of these entries; EvaluationError for a key of a wrong type, or given twice."""
    result = CelMap()
    for key, value in pairs:
        if type(key) not in _KEYS:
            raise failure(
                FailureKind.BAD_KEY, "a map's key must be a text, a whole number or a bool"
            )
        if not result.add(key, value):
            raise failure(FailureKind.BAD_KEY, f"the key {str(key)[:40]!r} stands twice in a map")
    if all(type(key) is str for key in result):
        return dict(result.items())
    return result


def unary(operation: Callable[[Any], Any], operand: Closure) -> Closure:
    """An operation on one value."""
    return lambda bindings: operation(operand(bindings))


def arithmetic(
    first: Closure, steps: Sequence[tuple[Callable[[Any, Any], Any], Closure]]
) -> Closure:
    """A run of `+ - * / %` from the left; each text, list or bytes that it joins is paid for."""

    def run(bindings: dict[Any, Any]) -> Any:
        value = first(bindings)
        for step, right in steps:
            value = step(value, right(bindings))
            if type(value) in _JOINED:
                pay(value, bindings)
        return value

    return run


def call(function: Function, args: Sequence[Closure]) -> Closure:
    """A call of a function; the types of the arguments' values choose the signature."""
    rows = {
        row.params: row.implementation for row in function.overloads if len(row.params) == len(args)
    }
    of_any = rows.get((ANY,))

    def run(bindings: dict[Any, Any]) -> Any:
        values = [arg(bindings) for arg in args]
        implementation = rows.get(tuple(map(type, values)), of_any)
        if implementation is None:
            raise no_overload(function.name, *values)
        return implementation(*values)

    return run


def _absent(name: str) -> EvaluationError:
    return failure(FailureKind.NO_FIELD, f"the event has no '{name}'")


def conjunction(operands: Sequence[Closure]) -> Closure:
    """`a && b && …`: false if any is false, else the first failure, else true."""
    return _chain(operands, "_&&_", decisive=False)


def disjunction(operands: Sequence[Closure]) -> Closure:
    """`a || b || …`: true if any is true, else the first failure, else false."""
    return _chain(operands, "_||_", decisive=True)


def _chain(operands: Sequence[Closure], function: str, *, decisive: bool) -> Closure:
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
    """A failure in place of the value of a `cel.bind`."""

    __slots__ = ("error_type", "message")

    def __init__(self, error: EvaluationError) -> None:
        # The error itself is not kept: its traceback would keep the bindings alive.
        self.error_type = error.error_type
        self.message = str(error)


def bind(slot: int, result: Closure) -> Closure:
    """`cel.bind`: the result; the value under `slot` is computed when it is first read."""

    def run(bindings: dict[Any, Any]) -> Any:
        bindings[slot] = MISSING
        return result(bindings)

    return run


def bound(slot: int, value: Closure) -> Closure:
    """The value of a `cel.bind` under `slot`: computed once, and a failure is kept as well."""

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


def is_listed(watchlist: Watchlist, key: Closure) -> Closure:
    """`key in watchlist(…)` at the event's time."""

    def is_in(bindings: dict[Any, Any]) -> bool:
        plate = plate_of(key(bindings))
        if not watchlist.may_be_on(plate):
            return False
        return watchlist.validity is None or watchlist.is_on(plate, _time(bindings))

    return is_in


def listed_row(watchlist: Watchlist, key: Closure) -> Closure:
    """`watchlist(…)[key]`: the row in force at the event's time."""

    def row(bindings: dict[Any, Any]) -> Any:
        plate = plate_of(key(bindings))
        is_there = watchlist.may_be_on(plate)
        found = watchlist.row(plate, _time(bindings)) if is_there else None
        if found is None:
            raise failure(
                FailureKind.NO_KEY, f"the plate is not on the watchlist '{watchlist.name}'"
            )
        return found

    return row


def listed_rows(watchlist: Watchlist, key: Closure) -> Closure:
    """`watchlist(…).rows(key)`: all rows in force at the event's time."""

    def rows(bindings: dict[Any, Any]) -> list[Any]:
        plate = plate_of(key(bindings))
        if not watchlist.may_be_on(plate):
            return []
        found = watchlist.rows_of(plate, _time(bindings))
        spend(len(found) * ROW_ROUNDS, bindings)
        return found

    return rows


def similar_listed(watchlist: Watchlist, key: Closure, threshold: float | None) -> Closure:
    """`similar(key, watchlist(…))` at the event's time."""
    return lambda bindings: watchlist.similar(plate_of(key(bindings)), _time(bindings), threshold)


def closest(watchlist: Watchlist, key: Closure, threshold: float | None) -> Closure:
    """`closest(watchlist(…), key)` at the event's time."""
    return lambda bindings: watchlist.closest(plate_of(key(bindings)), _time(bindings), threshold)


def likeness(costs: PlateCosts, one: Closure, two: Closure) -> Closure:
    """`likeness(one, two)`."""
    return lambda bindings: likeness_between(one(bindings), two(bindings), costs)


def similar(costs: PlateCosts, text: Closure, plate: Closure, threshold: Closure) -> Closure:
    """`similar(text, plate, threshold)`."""
    return lambda bindings: is_similar(text(bindings), plate(bindings), threshold(bindings), costs)


def in_interval(interval: TimeInterval) -> Closure:
    """`during(…)` at the event's time."""
    return lambda bindings: interval.holds(_time(bindings))


def _time(bindings: dict[Any, Any]) -> datetime:
    moment = bindings.get(TIME)
    if isinstance(moment, Timestamp):
        return to_datetime(moment)
    if not isinstance(moment, datetime):
        raise failure(FailureKind.NO_FIELD, f"the event has no '{TIME}'")
    return moment
