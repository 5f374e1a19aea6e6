"""Avro schemas in the form that the event schema works with: JSON, logical types set aside."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

LOGICAL: Final = "x-logical-type"
MAX_DEPTH: Final = 64
Named = Mapping[str, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIMESTAMP_UNITS: Final[Mapping[str, int]] = {"timestamp-millis": 1000, "timestamp-micros": 1}


def set_aside(schema: Any, *, with_defaults: bool, depth: int = 0) -> Any:
    """A copy of a schema's JSON with what fastavro must not act on out of its sight.

    Left to itself it makes a UUID of a string because the *writer* calls it one, so logical types
    go to the key `LOGICAL`. A writer's defaults mean nothing to its readers, but fastavro refuses
    those of the wrong type: without `with_defaults` they are left out. ValueError for a schema
    nested too deep to be walked safely.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(schema, list):
        return [set_aside(item, with_defaults=with_defaults, depth=depth + 1) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        LOGICAL if key == "logicalType" else key: set_aside(
            item, with_defaults=with_defaults, depth=depth + 1
        )
        for key, item in schema.items()
        if with_defaults or key != "default"
    }


def full_schema(schema: Any, named: Named) -> Any:
    """A schema as a mapping with a `type`, or as a list for a union, whatever form it came in."""
    while isinstance(schema, dict) and not isinstance(schema["type"], str):
        schema = schema["type"]
    if isinstance(schema, str):
        return named.get(schema, {"type": schema})
    return schema


def timestamp_unit(schema: Any) -> int | None:
    """Microseconds in one unit of an Avro timestamp type; None for every other type."""
    return _TIMESTAMP_UNITS.get(schema.get(LOGICAL, "")) if isinstance(schema, dict) else None


def timestamp(value: int, unit: int) -> datetime:
    """The instant so many units (of so many microseconds each) after the epoch; OverflowError."""
    return _EPOCH + timedelta(microseconds=value * unit)
