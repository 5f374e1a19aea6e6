"""Whole plate events, and records that hold them, for unit tests."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.demo.readings import overlay
from engine.errors import RegistryUnavailableError
from engine.stream.record import Record, SchemaName
from engine.stream.registry import UnknownSchemaError, WriterSchema
from tests.support.avro import body, plate_schema

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCHEMA_ID = 7
_offsets = itertools.count()


def plate_event(seconds: float = 0.0, **fields: Any) -> dict[str, Any]:
    """A reading of ABC123 at noon and `seconds`; `plate={"confidence": 0.5}` overlays."""
    stamp = (NOON + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    given: dict[str, Any] = {
        "event_id": "e-1",
        "captured_at": stamp,
        "camera_id": "cam-1",
        "track_id": "t-1",
        "plate": {"text": "ABC-123", "normalized_text": "ABC123", "confidence": 0.95},
    }
    return plate_schema().complete(overlay(given, fields))


def record_of(value: bytes | None, seconds: float = 0.0) -> Record:
    """A record read at noon and `seconds`, at the next offset."""
    at = NOON + timedelta(seconds=seconds)
    return Record(
        topic="plates",
        partition=0,
        offset=next(_offsets),
        timestamp_ms=int(at.timestamp() * 1000),
        key=b"cam-1",
        value=value,
        headers=(),
        read_at=1.0,
    )


def plate_record(seconds: float = 0.0, **fields: Any) -> Record:
    """A record of `plate_event`, in the Confluent wire format."""
    header = b"\0" + SCHEMA_ID.to_bytes(4, "big")
    return record_of(header + body(plate_event(seconds, **fields)), seconds)


class Writers:
    """A registry that knows our schema only; it may be away, or slow about some ids (`awaited`)."""

    def __init__(self) -> None:
        self.is_away = False
        self.awaited: set[int] = set()
        self.schemas: Mapping[int, str] = {SCHEMA_ID: plate_schema().text}

    def writer_schema(self, name: SchemaName) -> WriterSchema:
        """The schema, which refers to no others."""
        if self.is_away or name in self.awaited:
            raise RegistryUnavailableError
        if not isinstance(name, int) or name not in self.schemas:
            raise UnknownSchemaError(f"there is no schema {name}")
        return WriterSchema(self.schemas[name])

    def ask_again(self, name: SchemaName, seconds: float) -> WriterSchema:
        """The same."""
        return self.writer_schema(name)
