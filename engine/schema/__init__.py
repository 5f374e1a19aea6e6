"""Reads the Avro schema of events: the types that rules see, and events out of Avro bodies.

It never talks to Kafka or a registry: it takes a schema's JSON and the body after the wire header.
Read `event_schema.py` first, then `event.py`.
"""

from __future__ import annotations

from engine.schema.avro import RecordWriter, instant_text
from engine.schema.container import MAGIC, EventContainer
from engine.schema.engine_fields import (
    CAMERA_ID,
    CAPTURED_AT,
    ENGINE_FIELDS,
    EVENT_ID,
    NORMALIZED_PLATE,
    PLATE_IMAGE,
    PLATE_TEXT,
    TRACK_ID,
    value_at,
)
from engine.schema.event_schema import TIME_VARIABLE, EventSchema, Reader, load_event_schema
from engine.schema.field_type import BrokenPromise, Domain, FieldType, Kind, is_instant

__all__ = [
    "CAMERA_ID",
    "CAPTURED_AT",
    "ENGINE_FIELDS",
    "EVENT_ID",
    "MAGIC",
    "NORMALIZED_PLATE",
    "PLATE_IMAGE",
    "PLATE_TEXT",
    "TIME_VARIABLE",
    "TRACK_ID",
    "BrokenPromise",
    "Domain",
    "EventContainer",
    "EventSchema",
    "FieldType",
    "Kind",
    "Reader",
    "RecordWriter",
    "instant_text",
    "is_instant",
    "load_event_schema",
    "value_at",
]
