"""The readings of `alert-engine bench`, of the last hour, as dicts, records and events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from typing import Any, Final
from urllib.request import ProxyHandler, Request, build_opener

from fastavro import parse_schema, schemaless_writer

from engine.bench import rule_sets
from engine.schema.event import Event, make_event
from engine.stream.record import Record, SchemaName
from engine.stream.registry import WriterSchema
from tests.support.avro import plate_schema

SCHEMA_ID: Final = 7
HEADER: Final = b"\0" + SCHEMA_ID.to_bytes(4, "big")
_ID_BYTES: Final = len(HEADER) - 1


class Writers:
    """A registry that knows one schema, the shipped one, and is never away."""

    def writer_schema(self, name: SchemaName) -> WriterSchema:
        """The schema, which refers to no others."""
        assert name == SCHEMA_ID
        return WriterSchema(plate_schema().text)

    def ask_again(self, name: SchemaName, seconds: float) -> WriterSchema:
        """The same."""
        return self.writer_schema(name)


def readings(
    count: int, watched: Sequence[str] = (), share: float = 0.0, seed: int = 1
) -> Iterator[dict[str, Any]]:
    """So many events, a second's worth of milliseconds apart and all of the last hour.

    `share` of them, evenly spread, have the plates of `watched`, each in turn.
    """
    start = datetime.now(UTC) - timedelta(minutes=30)
    return rule_sets.readings(count, start, watched, share, seed)


@cache
def _parsed() -> Any:
    return parse_schema(json.loads(plate_schema().text))


def encode(event: dict[str, Any], schema_id: int = SCHEMA_ID) -> bytes:
    """The event in the Confluent wire format; `schema_id` is the shipped schema's in a registry."""
    stream = BytesIO()
    schemaless_writer(stream, _parsed(), event)
    return b"\0" + schema_id.to_bytes(_ID_BYTES, "big") + stream.getvalue()


def register(registry_url: str) -> int:
    """The id of the shipped schema in this registry, which learns it."""
    request = Request(
        f"{registry_url}/subjects/plates-value/versions",
        json.dumps({"schema": plate_schema().text}).encode(),
        {"Content-Type": "application/json"},
    )
    with build_opener(ProxyHandler({})).open(request) as answer:
        return int(json.load(answer)["id"])


def record(value: bytes, offset: int = 0) -> Record:
    """A record of the topic `plates`, with a Kafka timestamp of now."""
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    return Record("plates", 0, offset, now_ms, b"cam-000", value)


def events(
    count: int, seed: int = 1, watched: Sequence[str] = (), share: float = 0.0
) -> list[Event]:
    """So many events as rules see them, floats as the wire has them."""
    return [make_event(each, zone=UTC) for each in readings(count, watched, share, seed)]
