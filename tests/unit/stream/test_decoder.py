from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from engine.errors import DecodeError, RegistryUnavailableError
from engine.event import digest_of
from engine.stream.decoder import Decoder
from engine.stream.record import Record
from engine.stream.registry import UnknownSchemaError
from tests.support.avro import PLATE_EVENT, body, changed, plate_schema, record_schema
from tests.support.sightings import sighting

NOON = datetime(2025, 12, 25, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
EVENT = sighting("ABC123", NOON, event_id="e-1")
SHIPPED = PLATE_EVENT.read_text(encoding="utf-8")
GOOD = b"\0\0\0\0\7" + body(EVENT)


class Schemas:
    """Writer schemas by id; counts what is asked for."""

    def __init__(self, schemas: Mapping[int, str]) -> None:
        self._schemas = schemas
        self.asked: list[int] = []
        self.is_away = False

    def writer_schema(self, schema_id: int) -> str:
        self.asked.append(schema_id)
        if self.is_away:
            raise RegistryUnavailableError
        if schema_id not in self._schemas:
            raise UnknownSchemaError
        return self._schemas[schema_id]


def _decoder(schemas: Schemas | None = None) -> Decoder:
    return Decoder(plate_schema(), schemas or Schemas({7: SHIPPED}), ZoneInfo("Europe/Berlin"))


def _record(value: bytes | None, timestamp_ms: int = NOON_MS) -> Record:
    return Record("t", 2, 41, timestamp_ms, b"cam-1", value, (), 3.5)


def test_a_record_becomes_its_event() -> None:
    event = _decoder().decode(_record(GOOD))
    assert event.values == EVENT
    assert (event.time, event.time_replaced) == (NOON, "")
    assert (event.topic, event.partition, event.offset) == ("t", 2, 41)
    assert (event.timestamp_ms, event.read_at) == (NOON_MS, 3.5)


def test_an_event_is_known_by_the_bytes_of_its_record() -> None:
    decoder = _decoder()
    event = decoder.decode(_record(GOOD))
    assert event.digest == digest_of(GOOD)
    assert decoder.decode(_record(GOOD, NOON_MS + 1)).digest == event.digest


def test_a_naive_time_is_read_in_the_decoders_zone() -> None:
    naive = {**EVENT, "captured_at": "2025-12-25T13:00:00"}
    event = _decoder().decode(_record(b"\0\0\0\0\7" + body(naive)))
    assert event.time == NOON
    assert event.values["captured_at"] == "2025-12-25T13:00:00"


def test_a_time_far_from_the_kafka_timestamp_is_replaced() -> None:
    event = _decoder().decode(_record(GOOD, NOON_MS - 3_600_000))
    assert event.time_replaced == "future"
    assert event.time_us == (NOON_MS - 3_600_000) * 1000


def test_a_schema_is_asked_for_once() -> None:
    newer = changed(lambda raw: raw["fields"].append({"name": "lane", "type": "int"}))
    schemas = Schemas({7: SHIPPED, 8: newer})
    decoder = _decoder(schemas)
    evolved = b"\0\0\0\0\x08" + body({**EVENT, "lane": 3}, newer)
    for value in (GOOD, evolved, GOOD, evolved):
        assert decoder.decode(_record(value)).values == EVENT
    assert schemas.asked == [7, 8]


def test_a_schema_that_does_not_fit_is_asked_for_once() -> None:
    schemas = Schemas({7: record_schema({"name": "latency_ms", "type": "int"})})
    decoder = _decoder(schemas)
    for _ in range(2):
        with pytest.raises(DecodeError, match=r"schema 7: .*`camera_id` is missing"):
            decoder.decode(_record(GOOD))
    assert schemas.asked == [7]


def test_an_unknown_schema_passes_through() -> None:
    with pytest.raises(UnknownSchemaError):
        _decoder().decode(_record(b"\0\0\0\0\x09" + body(EVENT)))


def test_a_registry_that_is_away_is_asked_again() -> None:
    schemas = Schemas({7: SHIPPED})
    schemas.is_away = True
    decoder = _decoder(schemas)
    with pytest.raises(RegistryUnavailableError):
        decoder.decode(_record(GOOD))
    schemas.is_away = False
    assert decoder.decode(_record(GOOD)).values == EVENT


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "the record has no value"),
        (b"", "the record has no value"),
        (b"\0", "1 bytes are too few for the header"),
        (b"\0\0\0\7", "4 bytes are too few for the header"),
        (b"{}", "the magic byte is 123, not 0"),
        (b"\1" + GOOD, "the schema is named by a GUID"),
        (b"\0\0\0\0\7", "written with schema 7: the body ends before the event does"),
        (GOOD[:-1], "written with schema 7: the body ends before the event does"),
        (GOOD + b"\0", "written with schema 7: 1 bytes follow the event's end"),
        (GOOD[:5] + b"\xff" * 40, "written with schema 7: the body"),
    ],
)
def test_a_poison_record_is_a_decode_error(value: bytes | None, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        _decoder().decode(_record(value))
    assert str(caught.value).startswith(message)
