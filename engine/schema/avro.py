"""Avro schemas in the form that the event schema works with: JSON, logical types set aside."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, Final, TypeAlias

LOGICAL: Final = "x-logical-type"
MAX_DEPTH: Final = 64
Named = Mapping[str, Any]
#: Microseconds in one unit of a timestamp.
Unit: TypeAlias = int | Fraction

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_TIMESTAMP_UNITS: Final[Mapping[str, Unit]] = {
    "timestamp-millis": 1000,
    "timestamp-micros": 1,
    "timestamp-nanos": Fraction(1, 1000),
}
_LOCAL_UNITS: Final[Mapping[str, Unit]] = {
    f"local-{name}": unit for name, unit in _TIMESTAMP_UNITS.items()
}


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


def timestamp_unit(schema: Any) -> Unit | None:
    """Microseconds in one unit of an Avro timestamp type; None for every other type."""
    return _unit(schema, _TIMESTAMP_UNITS)


def local_timestamp_unit(schema: Any) -> Unit | None:
    """Microseconds in one unit of an Avro local timestamp type; None for every other type."""
    return _unit(schema, _LOCAL_UNITS)


def _unit(schema: Any, units: Mapping[str, Unit]) -> Unit | None:
    if not isinstance(schema, dict) or schema.get("type") != "long":
        return None
    return units.get(schema.get(LOGICAL, ""))


def timestamp(value: int, unit: Unit) -> datetime:
    """The instant so many units (of so many microseconds each) after the epoch; OverflowError.

    What is below a microsecond is cut off.
    """
    return _EPOCH + timedelta(microseconds=math.floor(value * unit))


def bounded_timestamp(value: int, unit: Unit) -> datetime:
    """As `timestamp`, but an instant that lies beyond what a datetime holds is its last, or first.

    For the event's own instant: one that is absurd is replaced by Kafka's, and costs no event.
    """
    try:
        return timestamp(value, unit)
    except OverflowError:
        return _LATEST if value > 0 else _EARLIEST


def local_text(moment: datetime) -> str:
    """A local timestamp as ISO 8601 text without a zone; `moment` has the clock's time in UTC."""
    return moment.replace(tzinfo=None).isoformat()


def instant_text(moment: datetime) -> str:
    """An instant as ISO 8601 text in UTC, with as many digits of the second as are needed."""
    text = moment.astimezone(UTC).isoformat()[: -len("+00:00")]
    return f"{text.rstrip('0') if '.' in text else text}Z"


def units_since_epoch(moment: datetime, unit: Unit) -> int:
    """What `timestamp` makes `moment` of."""
    return math.floor((moment - _EPOCH) // timedelta(microseconds=1) / Fraction(unit))


def type_text(schema: Any, named: Named) -> str:
    """The name of a type, for people: `long (timestamp-millis)`, `null or record a.Plate`."""
    schema = full_schema(schema, named)
    if isinstance(schema, list):
        return " or ".join(type_text(branch, named) for branch in schema)
    name = f"{schema['type']} {schema['name']}" if "name" in schema else str(schema["type"])
    return f"{name} ({schema[LOGICAL]})" if LOGICAL in schema else name
