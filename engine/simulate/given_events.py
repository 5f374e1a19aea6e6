"""Events that are given as values, and not as bytes, on their way through the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from engine.schema import EventSchema
from engine.schema.event import Event, make_event
from engine.stream.record import Record

#: Such a record is told from a tombstone by its value, which nobody reads.
_NOT_BYTES: Final = b"given as values"


@dataclass(slots=True)
class GivenEvents:
    """Makes records of events' values, and decodes those records.

    Naive times are read in `zone`. Each record can be decoded once.
    """

    schema: EventSchema
    zone: tzinfo = UTC
    _values: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    _next_offset: int = 0

    def record(self, values: Mapping[str, Any], timestamp_ms: int = 0) -> Record:
        """A record of a partial event, which is completed; EventError where it does not fit.

        `timestamp_ms` is its Kafka timestamp; without one its `captured_at` is not judged.
        """
        return self.complete_record(self.schema.complete(values), timestamp_ms)

    def complete_record(self, values: Mapping[str, Any], timestamp_ms: int = 0) -> Record:
        """A record of a complete event, as `EventSchema` makes them."""
        offset, self._next_offset = self._next_offset, self._next_offset + 1
        self._values[offset] = values
        return Record("", 0, offset, timestamp_ms, None, _NOT_BYTES)

    def decode(self, record: Record) -> Event:
        """The record's event; two records with equal values are one event."""
        return make_event(
            self._values.pop(record.offset),
            zone=self.zone,
            offset=record.offset,
            timestamp_ms=record.timestamp_ms,
        )

    def expect(self, record: Record) -> None:
        """Nothing to do: no schema is asked for."""


def timestamp_ms(moment: datetime) -> int:
    """An instant as a Kafka timestamp."""
    return int(moment.timestamp() * 1_000)
