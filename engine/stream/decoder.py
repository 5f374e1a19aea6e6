"""Kafka records in Confluent's wire formats become events."""

from __future__ import annotations

from datetime import tzinfo
from functools import cached_property
from typing import Protocol

from engine.errors import DecodeError
from engine.event import Event, Present, digest_of, make_event
from engine.schema import EventSchema, Reader
from engine.stream.framing import (
    MARK_BYTES,
    SchemaName,
    header_mark,
    schema_name,
    why_unframed,
    why_unknown,
)
from engine.stream.record import Record
from engine.stream.registry import UnknownSchemaError, WriterSchema


class WriterSchemas(Protocol):
    """Where writer schemas come from."""

    def writer_schema(self, name: SchemaName) -> WriterSchema:
        """The schema of an id or GUID, and those that it refers to.

        UnknownSchemaError if there is none, DecodeError if it is no Avro,
        RegistryUnavailableError.
        """


class Decoder:
    """Decodes records to events of one `schema`; each writer schema is prepared once.

    `zone` is the time zone of times without one; `present` is asked where a Kafka timestamp
    contradicts a camera.
    """

    def __init__(
        self,
        schema: EventSchema,
        registry: WriterSchemas,
        zone: tzinfo,
        present: Present | None = None,
    ) -> None:
        self.schema = schema
        self._registry = registry
        self._zone = zone
        self._present = present
        # By the bytes that name the schema: magic byte and id or GUID.
        self._readers: dict[bytes, Reader] = {}
        self._misfits: dict[bytes, str] = {}

    def decode(self, record: Record) -> Event:
        """The record's event.

        DecodeError says why there is none in it, and never will be; RegistryUnavailableError, that
        it can't be known just now. A tombstone is for the caller to skip.
        """
        value = record.value
        if not value:
            raise DecodeError("the record has no value")
        start = 0
        mark = header_mark(record.headers) if record.headers else None
        if mark is None:
            start = MARK_BYTES.get(value[0], 0)
            if not start or len(value) < start:
                raise DecodeError(why_unframed(value, record.headers, self._is_event))
            mark = value[:start]
        reader = self._readers.get(mark) or self._prepare(mark, value)
        try:
            values = reader(value[start:])
        except DecodeError as error:
            raise DecodeError(f"written with schema {schema_name(mark)}: {error}") from error
        return make_event(
            values,
            zone=self._zone,
            digest=digest_of(value),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp_ms,
            read_at=record.read_at,
            present=self._present,
        )

    def _prepare(self, mark: bytes, value: bytes) -> Reader:
        # A schema never changes under its id, so neither does its misfit.
        if mark in self._misfits:
            raise DecodeError(self._misfits[mark])
        name = schema_name(mark)
        try:
            writer = self._registry.writer_schema(name)
        except UnknownSchemaError as error:
            explained = why_unknown(value, name, self._is_event)
            raise UnknownSchemaError(f"{error}: {explained}") from error
        try:
            reader = self.schema.reader(writer.text, writer.references)
        except DecodeError as error:
            self._misfits[mark] = f"schema {name}: {error}"
            raise DecodeError(self._misfits[mark]) from error
        self._readers[mark] = reader
        return reader

    def _is_event(self, body: bytes) -> bool:
        """Whether the bytes are a whole event of our own schema, with nothing in front."""
        try:
            self._own_reader(body)
        except DecodeError:
            return False
        return True

    @cached_property
    def _own_reader(self) -> Reader:
        return self.schema.reader(self.schema.text)
