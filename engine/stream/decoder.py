"""Decodes Kafka records in Confluent's wire formats to events."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import tzinfo
from functools import cached_property
from typing import Any, Protocol

from engine.errors import DecodeError, RegistryUnavailableError
from engine.schema import EventSchema, Reader
from engine.schema.event import CurrentInstants, Event, digest_of, make_event
from engine.stream.record import (
    MARK_BYTES,
    Record,
    SchemaName,
    header_mark,
    schema_name,
    why_unframed,
    why_unknown,
)
from engine.stream.registry import MISFIT_SECONDS, UnknownSchemaError, WriterSchema


class WriterSchemas(Protocol):
    """Gives writer schemas; SchemaRegistry is one."""

    def writer_schema(self, name: SchemaName) -> WriterSchema:
        """Returns the schema of an id or GUID, with those that it refers to.

        Raises UnknownSchemaError if there is none, DecodeError if it is not Avro, and
        RegistryUnavailableError while the registry can't say.
        """

    def ask_again(self, name: SchemaName, seconds: float) -> WriterSchema:
        """Asks the registry again and returns the schema; raises as `writer_schema` does.

        Raises RegistryUnavailableError also until it has given the same answer for `seconds`.
        """


class Decoder:
    """Decodes records to events of one `schema`; a reader is made once for each writer schema.

    `zone` is the time zone of times without one. `present` helps to judge a Kafka timestamp that
    contradicts the event's own time.
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
        # All by the mark that names the schema: magic byte and id or GUID. Schemas that have fitted
        # a body are known to be right, so that a body that does not fit is at fault itself.
        self._readers: dict[bytes, Reader] = {}
        self._writers: dict[bytes, WriterSchema] = {}
        # Schemas that have fitted no body yet; a text says why they can't be used.
        self._unproven: dict[bytes, tuple[WriterSchema, Reader | str]] = {}

    @property
    def writers(self) -> Mapping[SchemaName, WriterSchema]:
        """The writer schemas that have fitted a body, by id or GUID."""
        return {schema_name(mark): writer for mark, writer in self._writers.items()}

    def decode(self, record: Record) -> Event:
        """Returns the record's event; the caller skips tombstones.

        Raises DecodeError where the record is no event, and RegistryUnavailableError while that
        can't be known: the registry is away, or its answer is not believed yet.
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
        """Let the registry be asked for the schema of a record that is decoded later."""
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
        """Returns the values of the first body of a schema.

        A registry that answers with a wrong schema would turn every record into a dead letter. So
        a body that does not fit is refused only once the registry has said the same for a while.
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
            # Raises RegistryUnavailableError itself until the registry's answer is believed.
            self._registry.ask_again(name, MISFIT_SECONDS)
            raise
        self._readers[mark], self._writers[mark] = reader, writer
        return values

    def _read_again(self, mark: bytes, body: bytes, error: DecodeError) -> Mapping[str, Any]:
        """Returns the values of a body that does not fit a schema that has fitted others.

        The registry may have another schema by now. If it is away, the body is refused all the
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
        """Returns the reader of bodies of this schema; DecodeError where there can be none."""
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
        """Whether the bytes are a whole event of the reader's schema, with no mark before it."""
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
