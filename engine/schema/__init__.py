"""The Avro schema of events: the types that rules see, and the reading of event bodies."""

from __future__ import annotations

from engine.schema.domain import Domain
from engine.schema.event_schema import TIME_VARIABLE, EventSchema, Reader
from engine.schema.field_type import FieldType, Kind
from engine.schema.promises import BrokenPromise

__all__ = [
    "TIME_VARIABLE",
    "BrokenPromise",
    "Domain",
    "EventSchema",
    "FieldType",
    "Kind",
    "Reader",
]
