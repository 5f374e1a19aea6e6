"""Kafka records in Confluent's wire formats become events."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import tzinfo
from functools import cached_property
from typing import Any, Protocol

from engine.errors import DecodeError, RegistryUnavailableError
from engine.schema import EventSchema, Reader
from engine.schema.event import CurrentInstants, Event, digest_of, make_event
from engine.stream.framing import (
    MARK_BYTES,
    SchemaName,
    header_mark,
    schema_name,
    why_unframed,
    why_unknown,
)
from engine.stream.record import Record
from engine.stream.registry import MISFIT_SECONDS, UnknownSchemaError, WriterSchema


class WriterSchemas(Protocol):
    """Where writer schemas come from."""

    def writer_schema(self, name: SchemaName) -> WriterSchema:
        """The schema of an id or GUID, and those that it refers to.

        UnknownSchemaError if there is none, DecodeError if it is no Avro,
        RegistryUnavailableError.
        """

    def ask_again(self, name: SchemaName, seconds: float) -> WriterSchema:
        """The schema, of which the registry was asked again; errors as `writer_schema`.

        RegistryUnavailableError also where it has not given the same one for `seconds`.
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
        present: CurrentInstants | None = None,
    ) -> None:
        self.schema = schema
        self._registry = registry
        self._zone = zone
        self._present = present
        # By the bytes that name the schema: magic byte and id or GUID.
        # Bodies have been read with these, so they are the right ones.
        self._readers: dict[bytes, Reader] = {}
        self._writers: dict[bytes, WriterSchema] = {}
        # Nothing was read with these yet; text says why nothing can be.
        self._unproven: dict[bytes, tuple[WriterSchema, Reader | str]] = {}

    def decode(self, record: Record) -> Event:
        """The record's event.

        DecodeError says why there is none in it, and never will be; RegistryUnavailableError, that
        it can't be known just now: the registry is away, or in doubt. A tombstone is for the
        caller to skip.
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
        reader = self._readers.get(mark)
        if reader is None:
            values = self._read_first(mark, value, start)
        else:
            try:
                values = reader(value[start:])
            except DecodeError as error:
                values = self._read_again(mark, value[start:], error)
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

    def expect(self, record: Record) -> None:
        """Have the schema of a record asked for that is to be decoded later."""
        value = record.value
        if not value:
            return
        mark = header_mark(record.headers) if record.headers else None
        if mark is None:
            mark = value[: MARK_BYTES.get(value[0], 0)]
        if mark in self._readers:
            return
        with contextlib.suppress(DecodeError, RegistryUnavailableError):
            self._registry.writer_schema(schema_name(mark))

    def _read_first(self, mark: bytes, value: bytes, start: int) -> Mapping[str, Any]:
        """The values of a body of whose schema none was read yet.

        A registry that answers with another schema would make every record a misfit: it must have
        said the same for a while.
        """
        name = schema_name(mark)
        try:
            writer = self._registry.writer_schema(name)
        except UnknownSchemaError as error:
            explained = why_unknown(value, name, self._is_event)
            raise UnknownSchemaError(f"{error}: {explained}") from error
        try:
            reader = self._reader_of(mark, name, writer)
            values = _read(reader, value[start:], name)
        except DecodeError:
            # Raises in its turn until the registry is believed, or gives another schema.
            self._registry.ask_again(name, MISFIT_SECONDS)
            raise
        self._readers[mark], self._writers[mark] = reader, writer
        return values

    def _read_again(self, mark: bytes, body: bytes, error: DecodeError) -> Mapping[str, Any]:
        """The values of a body that does not fit a schema which others have fitted.

        The registry may give another schema by now. If it is away the body is a misfit all the
        same: the schema is known to be right.
        """
        name = schema_name(mark)
        misfit = DecodeError(f"written with schema {name}: {error}")
        try:
            writer = self._registry.ask_again(name, 0.0)
            if writer == self._writers[mark]:
                raise misfit
            reader = self._reader_of(mark, name, writer)
            values = reader(body)
        except (DecodeError, RegistryUnavailableError):
            raise misfit from error
        self._readers[mark], self._writers[mark] = reader, writer
        return values

    def _reader_of(self, mark: bytes, name: SchemaName, writer: WriterSchema) -> Reader:
        """How bodies of this schema are read, prepared once; DecodeError where they can't be."""
        known, reader = self._unproven.get(mark, (None, ""))
        if known != writer:
            try:
                reader = self.schema.reader(writer.text, writer.references)
            except DecodeError as error:
                reader = f"schema {name}: {error}"
            self._unproven[mark] = (writer, reader)
        if isinstance(reader, str):
            raise DecodeError(reader)
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


def _read(reader: Reader, body: bytes, name: SchemaName) -> Mapping[str, Any]:
    try:
        return reader(body)
    except DecodeError as error:
        raise DecodeError(f"written with schema {name}: {error}") from error
