"""Avro bodies and changed schemas, as writers other than the engine make them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from fastavro import parse_schema, schemaless_writer

from engine.schema import EventSchema

PLATE_EVENT: Final = Path(__file__).parents[2] / "schemas" / "plate_event.avsc"


@cache
def plate_schema() -> EventSchema:
    """The shipped event schema."""
    return EventSchema.load(PLATE_EVENT)


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    """The shipped schema's JSON after `change` has worked on it."""
    raw: dict[str, Any] = json.loads(PLATE_EVENT.read_text(encoding="utf-8"))
    change(raw)
    return json.dumps(raw)


def body(event: Mapping[str, Any], schema: str | None = None) -> bytes:
    """The event's Avro body (no wire header), by the shipped schema unless another is given."""
    text = PLATE_EVENT.read_text(encoding="utf-8") if schema is None else schema
    stream = BytesIO()
    schemaless_writer(stream, parse_schema(json.loads(text)), dict(event))
    return stream.getvalue()


def record_schema(*fields: Mapping[str, Any], name: str = "PlateEvent") -> str:
    """A schema's JSON with these fields."""
    return json.dumps({"type": "record", "name": name, "fields": list(fields)})
