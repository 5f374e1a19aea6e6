"""Where the events of a simulation come from: a topic's past, a file, or standard input.

A file holds JSON lines or is an Avro object container. What can't be read is counted and skipped,
each with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, Self

import orjson

from engine.errors import DecodeError, EventError, SourceError
from engine.pipeline.pipeline import EventDecoder
from engine.schema import CAPTURED_AT, MAGIC, EventContainer, EventSchema
from engine.schema.event import read_time
from engine.settings import Settings
from engine.simulate.given_events import GivenEvents
from engine.stream.decoder import Decoder, WriterSchemas
from engine.stream.history import BATCH_RECORDS, Stretch
from engine.stream.record import Record, SchemaName
from engine.stream.registry import SchemaRegistry, WriterSchema

#: What SOURCE is called for standard input, and for the past of the topics.
STANDARD_INPUT: Final = "-"
KAFKA: Final = "kafka"
#: So many faults are described; beyond the second number reading ends.
SHOWN_FAULTS: Final = 5
MOST_FAULTS: Final = 1_000
#: A line may be no longer.
MAX_LINE_BYTES: Final = 16 << 20
_READ_AHEAD_BYTES: Final = 1 << 20
# What console consumers print before a value, where they are asked for it.
_CONSOLE_TIME: Final = re.compile(rb"(?:CreateTime|LogAppendTime):(\d+)")
_NO_TIME: Final = f"its `{CAPTURED_AT}` is no time, so nobody knows when it was"
_ARRAY: Final = "it is a list, write one event a line, as with `jq -c '.[]'`"


@dataclass(slots=True)
class Faults:
    """What could not be read: how many, and the first of them with their places.

    Where they are `most`, it is taken to be no source of events at all; None for no limit.
    """

    most: int | None = MOST_FAULTS
    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, fault: str) -> None:
        """Count one more; SourceError where they are too many."""
        self.count += 1
        if len(self.first) < SHOWN_FAULTS:
            self.first.append(fault)
        if self.most is not None and self.count >= self.most:
            raise SourceError(
                f"{self.count:,} events can't be read, the first: {self.first[0]}; are they events"
                " of the schema in SCHEMAS_PATH?"
            )


class EventSource(Protocol):
    """Gives records, and the decoder that makes their events."""

    @property
    def decoder(self) -> EventDecoder:
        """What decodes its records, each once, or with `decodes_again` as often as it is asked."""

    @property
    def decodes_again(self) -> bool:
        """Whether a record may be decoded again."""

    @property
    def writers(self) -> Mapping[SchemaName, WriterSchema]:
        """The writer schemas that have fitted a record so far, by id or GUID."""

    @property
    def faults(self) -> Faults:
        """What was no record."""

    @property
    def total(self) -> int | None:
        """How much there is in all, in the unit of `position`; None where nobody knows."""

    @property
    def position(self) -> int:
        """How much of it was read."""

    def batches(self, size: int = BATCH_RECORDS) -> Iterator[list[Record]]:
        """The records in their order, at most `size` at a time, once; SourceError."""


class KafkaSource:
    """A stretch of the topics' past; its `total` and `position` are in offsets."""

    decodes_again: bool = True
    decoder: Decoder

    def __init__(
        self, stretch: Stretch, schema: EventSchema, registry: WriterSchemas, zone: tzinfo
    ) -> None:
        self.decoder = Decoder(schema, registry, zone)
        self.faults = Faults()
        self._stretch = stretch

    @property
    def writers(self) -> Mapping[SchemaName, WriterSchema]:
        """Those of its decoder."""
        return self.decoder.writers

    @property
    def total(self) -> int | None:
        """The length of the stretch."""
        return self._stretch.total

    @property
    def position(self) -> int:
        """How much of it was read."""
        return self._stretch.done

    def batches(self, size: int = BATCH_RECORDS) -> Iterator[list[Record]]:
        """The records by their times; HistoryError and BrokerUnavailableError."""
        return self._stretch.batches(size)


class FileSource:
    """The events of a file or of a stream of this `name`; `total` and `position` are in bytes.

    `total` is None for a stream. Naive times are read in `zone`.
    """

    decodes_again: bool = False

    def __init__(
        self,
        stream: BinaryIO,
        name: str,
        schema: EventSchema,
        zone: tzinfo,
        total: int | None = None,
    ) -> None:
        self._given = GivenEvents(schema, zone)
        self.decoder: EventDecoder = self._given
        #: Its records need none.
        self.writers: Mapping[SchemaName, WriterSchema] = {}
        self.faults = Faults()
        self.total = total
        self._stream = _Counted(stream)
        self._name = name
        self._schema = schema

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file or stream."""
        self._stream.close()

    @property
    def position(self) -> int:
        """How much of it was read."""
        return self._stream.position

    def batches(self, size: int = BATCH_RECORDS) -> Iterator[list[Record]]:
        """The records in the order of the file; SourceError where it can't be read any further."""
        batch: list[Record] = []
        try:
            is_container = self._stream.begins_with(MAGIC)
            for record in self._of_container() if is_container else self._of_lines():
                batch.append(record)
                if len(batch) >= size:
                    yield batch
                    batch = []
        except OSError as error:
            raise SourceError(f"{self._name}: can't be read: {error.strerror or error}") from error
        if batch:
            yield batch

    def _of_container(self) -> Iterator[Record]:
        number = 0
        try:
            for number, values in enumerate(
                EventContainer(self._stream, self._schema).records(), 1
            ):
                if isinstance(values, DecodeError):
                    self.faults.add(f"{self._name}: event {number}: {values}")
                elif read_time(values[CAPTURED_AT], self._given.zone) is None:
                    self.faults.add(f"{self._name}: event {number}: {_NO_TIME}")
                else:
                    yield self._given.complete_record(values)
        except DecodeError as error:
            where = f"{self._name}: behind event {number}" if number else self._name
            if not number:
                raise SourceError(f"{where}: {error}") from error
            self.faults.add(f"{where}: {error}")

    def _of_lines(self) -> Iterator[Record]:
        number = 0
        while line := self._stream.readline(MAX_LINE_BYTES):
            number += 1
            if len(line) >= MAX_LINE_BYTES:
                raise SourceError(
                    f"{self._name}:{number}: longer than {MAX_LINE_BYTES >> 20} MiB, write one"
                    " event a line"
                )
            if line.isspace():
                continue
            try:
                yield self._of_line(line)
            except EventError as error:
                self.faults.add(f"{self._name}:{number}: {error}")

    def _of_line(self, line: bytes) -> Record:
        values, timestamp_ms = read_line(line)
        return given_record(self._given, values, timestamp_ms)


def given_record(given: GivenEvents, values: Mapping[str, Any], timestamp_ms: int = 0) -> Record:
    """The record of an event in the engine's JSON or in Avro's; EventError where it is neither.

    It must have a time: its own, or a Kafka timestamp in ms.
    """
    try:
        whole = given.schema.complete(values)
    except EventError:
        plain = given.schema.from_avro_json(values)
        if plain == values:
            raise
        whole = given.schema.complete(plain)
    if timestamp_ms <= 0 and read_time(whole[CAPTURED_AT], given.zone) is None:
        raise EventError(_NO_TIME)
    return given.complete_record(whole, timestamp_ms)


def read_line(line: bytes) -> tuple[Mapping[str, Any], int]:
    """An event's values and its Kafka timestamp in ms (0: none); EventError.

    The line is an event as JSON, as console consumers print it after its time, key and so on, or
    the JSON that kcat prints of a record.
    """
    begin = line.lstrip()[:1]
    if begin == b"[":
        raise EventError(_ARRAY)
    # JSON has no tab in its texts, so the last one is what the console consumer has put there.
    before, tab, value = line.rpartition(b"\t")
    if begin == b"{" and not tab:
        before, value = b"", line
    values = _parsed(value)
    found = _CONSOLE_TIME.search(before)
    timestamp_ms = int(found[1]) if found is not None else 0
    if "payload" not in values or CAPTURED_AT in values:
        return values, timestamp_ms
    payload, given_ms = values["payload"], values.get("ts")
    if isinstance(payload, str):
        payload = _parsed(payload.encode())
    if not isinstance(payload, dict):
        raise EventError("its payload is no JSON object")
    return payload, given_ms if isinstance(given_ms, int) else timestamp_ms


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        what = f"{error.msg} in column {error.colno}"
        raise EventError(f"it is no JSON: {what}, write one event a line") from error
    if not isinstance(values, dict):
        raise EventError("it is no JSON object, write one event a line")
    return values


def open_file(path: Path, schema: EventSchema, zone: tzinfo) -> FileSource:
    """The events of a file; SourceError where it can't be opened."""
    try:
        stream = path.open("rb", buffering=_READ_AHEAD_BYTES)
        size = path.stat().st_size if path.is_file() else None
    except OSError as error:
        raise SourceError(f"{path}: can't be read: {error.strerror or error}") from error
    return FileSource(stream, str(path), schema, zone, size)


@contextmanager
def registry_of(settings: Settings) -> Iterator[SchemaRegistry]:
    """The registry of the settings, which is closed at the end of the context."""
    registry = SchemaRegistry(
        settings.schema_registry_url.reveal(), settings.schema_registry_options.reveal()
    )
    try:
        yield registry
    finally:
        registry.close()


class _Counted:
    """A stream that counts what was read of it, and whose first bytes can be looked at."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._ahead = b""
        self.position = 0

    def close(self) -> None:
        """Close the stream itself."""
        self._stream.close()

    def begins_with(self, start: bytes) -> bool:
        """Whether these are its first bytes."""
        while len(self._ahead) < len(start):
            more = self._stream.read(len(start) - len(self._ahead))
            if not more:
                break
            self._ahead += more
        return self._ahead == start

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, fewer at the end."""
        if self._ahead:
            found, self._ahead = self._ahead[:size], self._ahead[size:]
            more = size - len(found)
            found += self._stream.read(more) if more > 0 else b""
        else:
            found = self._stream.read(size)
        self.position += len(found)
        return found

    def readline(self, limit: int) -> bytes:
        """The next line with its end, cut at this length; b"" at the end."""
        start, self._ahead = self._ahead, b""
        if b"\n" in start:
            line, _, self._ahead = start.partition(b"\n")
            line += b"\n"
        else:
            line = start + self._stream.readline(limit)
        self.position += len(line)
        return line
