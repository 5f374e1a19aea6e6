"""Kafka records in the Confluent wire format become events."""

from __future__ import annotations

from datetime import tzinfo
from typing import Final, Protocol

from engine.errors import DecodeError
from engine.event import Event, digest_of, make_event
from engine.schema import EventSchema, Reader
from engine.stream.record import Record

HEADER_BYTES: Final = 5
_MAGIC: Final = 0
_GUID_MAGIC: Final = 1


class WriterSchemas(Protocol):
    """Where writer schemas come from."""

    def writer_schema(self, schema_id: int) -> str:
        """The schema's JSON; DecodeError if there is none, RegistryUnavailableError."""


class Decoder:
    """Decodes records to events of one schema; each writer schema is prepared once.

    `zone` is the time zone of times without one.
    """

    def __init__(self, schema: EventSchema, registry: WriterSchemas, zone: tzinfo) -> None:
        self._schema = schema
        self._registry = registry
        self._zone = zone
        self._readers: dict[int, Reader] = {}
        self._misfits: dict[int, str] = {}

    def decode(self, record: Record) -> Event:
        """The record's event.

        DecodeError says why there is none in it, and never will be; RegistryUnavailableError, that
        it can't be known just now. A tombstone is for the caller to skip.
        """
        value = record.value
        if not value:
            raise DecodeError("the record has no value")
        if value[0] != _MAGIC or len(value) < HEADER_BYTES:
            raise _no_header(value)
        schema_id = int.from_bytes(value[1:HEADER_BYTES], "big")
        reader = self._readers.get(schema_id) or self._prepare(schema_id)
        try:
            values = reader(value[HEADER_BYTES:])
        except DecodeError as error:
            raise DecodeError(f"written with schema {schema_id}: {error}") from error
        return make_event(
            values,
            zone=self._zone,
            digest=digest_of(value),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp_ms,
            read_at=record.read_at,
        )

    def _prepare(self, schema_id: int) -> Reader:
        # A schema never changes under its id, so neither does its misfit.
        if schema_id in self._misfits:
            raise DecodeError(self._misfits[schema_id])
        text = self._registry.writer_schema(schema_id)
        try:
            reader = self._schema.reader(text)
        except DecodeError as error:
            self._misfits[schema_id] = f"schema {schema_id}: {error}"
            raise DecodeError(self._misfits[schema_id]) from error
        self._readers[schema_id] = reader
        return reader


def _no_header(value: bytes) -> DecodeError:
    if value[0] == _GUID_MAGIC:
        return DecodeError("the schema is named by a GUID, only ids (magic byte 0) are supported")
    if value[0] != _MAGIC:
        return DecodeError(f"the magic byte is {value[0]}, not 0: not written with a registry")
    return DecodeError(f"{len(value)} bytes are too few for the header")
