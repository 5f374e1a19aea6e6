from __future__ import annotations

import gzip
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from engine.errors import DecodeError, RegistryUnavailableError
from engine.schema.event import digest_of
from engine.stream.decoder import Decoder
from engine.stream.record import SCHEMA_HEADER, Record, SchemaName
from engine.stream.registry import UnknownSchemaError, WriterSchema
from tests.support.avro import PLATE_EVENT, body, changed, plate_schema, record_schema
from tests.support.sightings import sighting

NOON = datetime(2025, 12, 25, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
EVENT = sighting("ABC123", NOON, event_id="e-1")
SHIPPED = PLATE_EVENT.read_text(encoding="utf-8")
Headers = tuple[tuple[str, bytes | None], ...]
GUID = UUID("5b4b7d31-0f5f-4c3a-9c06-6d0f2f5f8a11")
GUID_MARK = b"\1" + GUID.bytes
GOOD = b"\0\0\0\0\7" + body(EVENT)


class Schemas:
    """Writer schemas by id; counts what is asked for."""

    def __init__(self, schemas: Mapping[SchemaName, str]) -> None:
        self._schemas = schemas
        self.asked: list[SchemaName] = []
        self.is_away = False

    def writer_schema(self, name: SchemaName) -> WriterSchema:
        self.asked.append(name)
        if self.is_away:
            raise RegistryUnavailableError
        if name not in self._schemas:
            raise UnknownSchemaError(f"no schema {name}")
        return WriterSchema(self._schemas[name])

    def ask_again(self, name: SchemaName, seconds: float) -> WriterSchema:
        return self.writer_schema(name)


def _decoder(schemas: Schemas | None = None) -> Decoder:
    return Decoder(plate_schema(), schemas or Schemas({7: SHIPPED}), ZoneInfo("Europe/Berlin"))


def _record(value: bytes | None, timestamp_ms: int = NOON_MS, headers: Headers = ()) -> Record:
    return Record("t", 2, 41, timestamp_ms, b"cam-1", value, headers, 3.5)


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


def test_a_schema_that_does_not_fit_is_asked_for_again_before_each_misfit() -> None:
    # How often that asks the registry itself is the registry's own affair.
    schemas = Schemas({7: record_schema({"name": "latency_ms", "type": "int"})})
    decoder = _decoder(schemas)
    for _ in range(2):
        with pytest.raises(DecodeError, match=r"schema 7: .*`camera_id` is missing"):
            decoder.decode(_record(GOOD))
    assert schemas.asked == [7, 7, 7, 7]


@pytest.mark.parametrize(
    ("value", "headers", "asked"),
    [
        (GOOD, (), [7]),
        (GUID_MARK + body(EVENT), (), [GUID]),
        (body(EVENT), ((SCHEMA_HEADER, GUID_MARK),), [GUID]),
        (None, (), []),
        (b"", (), []),
        (b"\0\0", (), []),
        (b"{}", (), []),
        (b"{}", ((SCHEMA_HEADER, b"?"),), []),
    ],
)
def test_the_schema_of_a_later_record_is_asked_for(
    value: bytes | None, headers: Headers, asked: list[SchemaName]
) -> None:
    schemas = Schemas({})
    _decoder(schemas).expect(_record(value, headers=headers))
    assert schemas.asked == asked


def test_a_schema_that_is_known_is_not_asked_for_again() -> None:
    schemas = Schemas({7: SHIPPED})
    decoder = _decoder(schemas)
    decoder.decode(_record(GOOD))
    decoder.expect(_record(GOOD))
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
    ("value", "headers"),
    [
        (GUID_MARK + body(EVENT), ()),
        (body(EVENT), ((SCHEMA_HEADER, GUID_MARK),)),
        (body(EVENT), ((SCHEMA_HEADER, b"\0\0\0\0\7"),)),
        (body(EVENT), (("trace", b"x"), (SCHEMA_HEADER, GUID_MARK), (SCHEMA_HEADER, b"?"))),
        (GUID_MARK + body(EVENT), ((SCHEMA_HEADER, None), ("__key_schema_id", b"?"))),
    ],
)
def test_a_schema_may_be_named_by_a_guid_and_in_a_header(value: bytes, headers: Headers) -> None:
    schemas = Schemas({7: SHIPPED, GUID: SHIPPED})
    decoder = _decoder(schemas)
    for _ in range(3):
        event = decoder.decode(_record(value, headers=headers))
        assert event.values == EVENT
    assert event.digest == digest_of(value)
    assert len(schemas.asked) == 1


def test_a_body_that_does_not_fit_a_guid_is_told_with_the_guid() -> None:
    schemas = Schemas({GUID: SHIPPED})
    with pytest.raises(DecodeError) as caught:
        _decoder(schemas).decode(_record(GOOD, headers=((SCHEMA_HEADER, GUID_MARK),)))
    assert str(caught.value).startswith(f"written with schema {GUID}: ")


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (b"", "the header __value_schema_id holds 0 bytes ()"),
        (b"\7\1\2", "the header __value_schema_id holds 3 bytes (07 01 02), neither 00 and an id"),
        (GUID_MARK[:-1], "the header __value_schema_id holds 16 bytes (01 5b 4b 7d 31 0f 5f 4c 3a"),
        (GUID_MARK + b"\0", "holds 18 bytes (01 5b 4b 7d 31 0f 5f 4c 3a …): a GUID and more"),
        (str(GUID).encode(), "holds 36 bytes (35 62 34 62 37 64 33 31 2d …), neither"),
    ],
)
def test_a_header_that_names_no_schema_says_what_it_holds(mark: bytes, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        _decoder().decode(_record(body(EVENT), headers=((SCHEMA_HEADER, mark),)))
    assert message in str(caught.value)
    assert "let the producer write" in str(caught.value)


APICURIO = b"\0" + (5).to_bytes(8, "big") + body(EVENT)


@pytest.mark.parametrize(
    ("value", "seen", "remedy"),
    [
        (
            APICURIO,
            "look like an id of 8 bytes, 5, as Apicurio's",
            "apicurio.registry.as-confluent",
        ),
        (APICURIO, "the first bytes (00 00 00 00 00 00 00 00 05 …)", "ids of 4 bytes"),
        (b"\0\0\0\0\x63" + body(EVENT), "no schema 99", "is SCHEMA_REGISTRY_URL the registry"),
        (b"\1" + bytes(16) + body(EVENT), "no schema 00000000-", "is SCHEMA_REGISTRY_URL"),
        (body(EVENT), "is 6, not 0 or 1: it is an event in plain Avro", "registry's serializer"),
        (body({**EVENT, "event_id": ""}), "it is an event in plain Avro", "registry's serializer"),
        (b"\xc3\x01" + bytes(8) + body(EVENT), "(c3 01) are those of a single Avro", "id of 4"),
        (
            b"Obj\x01" + bytes(40),
            "(4f 62 6a 01) are those of an Avro object container",
            "serializer",
        ),
        (
            b"\x03\x00" + bytes(16) + body(EVENT),
            "(03 00) are those of a record of AWS Glue",
            "Conf",
        ),
        (
            b"\x03\x05" + bytes(16) + body(EVENT),
            "compressed record of AWS Glue",
            "Confluent's form",
        ),
        (b'{"plate": "ABC123"}', "is 123, not 0 or 1: it looks like JSON", "serializer"),
        (b'\xef\xbb\xbf [{"plate": 1}]', "is 239, not 0 or 1: it looks like JSON", "serializer"),
        (b"<plate>ABC123</plate>", "it looks like XML", "serializer"),
        (b"ABC123", "it is text", "serializer"),
        (b"AAAAAAfABC", "(41 41 41 41) are those of a record in Base64", "the bytes themselves"),
        (
            gzip.compress(GOOD, mtime=0),
            "(1f 8b) are those of data compressed by gzip",
            "compression.type",
        ),
        (b"\x28\xb5\x2f\xfd\0\0", "compressed by zstd", "compression.type"),
        (b"\xff\x06\x00\x00sNaPpY", "compressed by snappy", "compression.type"),
        (b"\xac\xed\x00\x05sr", "a serialized Java object", "serializer"),
        (b"\x07" + GOOD, "is 7, not 0 or 1: not written with a registry", "serializer"),
    ],
)
def test_what_is_not_understood_says_what_it_looks_like_and_what_to_do(
    value: bytes, seen: str, remedy: str
) -> None:
    with pytest.raises(DecodeError) as caught:
        _decoder().decode(_record(value))
    assert seen in str(caught.value)
    assert remedy in str(caught.value)
    assert "ABC123" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "content", "seen"),
    [
        ("apicurio.value.globalId", bytes(8), "the header apicurio.value.globalId says that Apicu"),
        ("content-type", b"avro/binary+0123", "the header content-type says that Azure's"),
        ("content-type", b"application/json", "it is an event in plain Avro"),
    ],
)
def test_headers_of_other_serializers_are_named(header: str, content: bytes, seen: str) -> None:
    with pytest.raises(DecodeError) as caught:
        _decoder().decode(_record(body(EVENT), headers=((header, content),)))
    assert seen in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "the record has no value"),
        (b"", "the record has no value"),
        (b"\0", "1 bytes are too few for the header"),
        (b"\0\0\0\7", "4 bytes are too few for the header"),
        (b"{}", "the magic byte is 123, not 0 or 1"),
        (b"\1" + GUID.bytes[:-1], "16 bytes are too few for the header"),
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
