"""Reading variables, fields and elements: the schema's null rules stand here.

A nullable record that is absent reads as an empty one: its fields are null, and `has()` of them
is false. A field of the schema "is there" when it is not null; a map's key when the map has it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from engine.cel.failures import Failure, failure, no_overload
from engine.cel.logic import Closure
from engine.cel.values import MISSING, CelMap, UInt, to_timestamp
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
            raise failure(Failure.NO_KEY, f"no such key: '{field}'")
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
            raise failure(Failure.BAD_ARGUMENT, "a list's index must be a whole number")
        if 0 <= position < len(container):
            return container[position]
        raise failure(Failure.NO_INDEX, f"index out of range: {position}")
    if kind is dict:
        found = container.get(key, MISSING) if type(key) is str else MISSING
    elif kind is CelMap:
        found = container.get(key, MISSING)
    else:
        raise no_overload("_[_]", container, key)
    if found is MISSING:
        raise failure(Failure.NO_KEY, f"no such key: {str(key)[:40]!r}")
    return found


def _absent(name: str) -> EvaluationError:
    return failure(Failure.NO_FIELD, f"the event has no '{name}'")
