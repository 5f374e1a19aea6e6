from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DecodeError, EventError, SchemaError
from engine.schema import EventSchema, Kind
from engine.schema.avro import shortest
from tests.support.avro import PLATE_EVENT, body, plate_schema, record_schema
from tests.support.sightings import sighting

NOON = datetime(2025, 12, 25, 12, tzinfo=UTC)
EVENT = sighting("ABC123", NOON, event_id="e-1")
SHIPPED = PLATE_EVENT.read_text(encoding="utf-8")


def _plate_field(raw: dict[str, Any], name: str) -> dict[str, Any]:
    fields = next(f for f in raw["fields"] if f["name"] == "plate")["type"]["fields"]
    return next(dict_ for dict_ in fields if dict_["name"] == name)


def _read(event: dict[str, Any], writer: str) -> dict[str, Any]:
    return plate_schema().reader(writer)(body(event, writer))


def test_the_variables_are_the_fields_and_time() -> None:
    kinds = {name: kind.kind for name, kind in plate_schema().variables.items()}
    assert kinds == {
        "event_id": Kind.STRING,
        "captured_at": Kind.STRING,
        "camera_id": Kind.STRING,
        "track_id": Kind.STRING,
        "plate": Kind.RECORD,
        "vehicle": Kind.RECORD,
        "images": Kind.RECORD,
        "latency_ms": Kind.INT,
        "node": Kind.RECORD,
        "extras": Kind.RECORD,
        "time": Kind.TIMESTAMP,
    }
    assert plate_schema().name == "com.alpr.events.PlateEvent"


@pytest.mark.parametrize(
    ("path", "kind", "is_nullable"),
    [
        ("camera_id", Kind.STRING, False),
        ("plate.confidence", Kind.DOUBLE, False),
        ("plate.region", Kind.STRING, True),
        ("extras", Kind.RECORD, True),
        ("extras.direction", Kind.STRING, True),
        ("time", Kind.TIMESTAMP, False),
    ],
)
def test_a_field_is_found_by_its_path(path: str, kind: Kind, is_nullable: bool) -> None:
    found = plate_schema().field(path)
    assert found is not None
    assert (found.kind, found.nullable) == (kind, is_nullable)


def test_a_field_of_an_absent_record_may_be_null() -> None:
    schema = EventSchema.parse(
        record_schema(
            {
                "name": "more",
                "type": [
                    "null",
                    {
                        "type": "record",
                        "name": "More",
                        "fields": [{"name": "text", "type": "string"}],
                    },
                ],
            }
        )
    )
    found = schema.field("more.text")
    assert found is not None
    assert found.nullable


@pytest.mark.parametrize("path", ["", "nothing", "plate.nothing", "camera_id.x", "plate.", "."])
def test_an_unknown_path_is_no_field(path: str) -> None:
    assert plate_schema().field(path) is None


def test_every_field_is_documented() -> None:
    def check(fields: Any, path: str) -> None:
        for name, kind in fields.items():
            assert kind.doc, f"{path}{name}"
            check(kind.fields, f"{path}{name}.")

    check(plate_schema().variables, "")


def test_the_dead_letter_schema_is_an_avro_record() -> None:
    schema = EventSchema.load(PLATE_EVENT.with_name("dlq_message.avsc"))
    assert schema.name == "com.alpr.dlq.DLQMessage"
    assert schema.variables["error_type"].kind is Kind.STRING
    assert schema.variables["metadata"].kind is Kind.MAP


def test_defaults_are_completed_and_typed() -> None:
    schema = EventSchema.parse(
        record_schema(
            {"name": "score", "type": "float", "default": 1},
            {
                "name": "inner",
                "type": {
                    "type": "record",
                    "name": "Inner",
                    "fields": [
                        {"name": "a", "type": "string", "default": "x"},
                        {"name": "b", "type": "bytes", "default": "\u00ff"},
                    ],
                },
                "default": {},
            },
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "color", "type": {"type": "enum", "name": "C", "symbols": ["RED"]}},
        )
    )
    assert schema.complete({}) == {
        "score": 1.0,
        "inner": {"a": "x", "b": b"\xff"},
        "at": datetime(1970, 1, 1, tzinfo=UTC),
        "color": "RED",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ('"string"', "must be a record"),
        ('{"type": "record", "name": "R"}', "must have fields"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a"}]}', "not an Avro schema"),
        ("[" * 100_000, "not JSON that can be used"),
        ("[" * 100 + "]" * 100, "nested deeper than 64"),
        (record_schema({"name": "a", "type": "strin"}), "the type strin is defined nowhere"),
        (record_schema({"name": "a", "type": ["int", "string"]}), "`a`: a union must be"),
        (record_schema({"name": "a", "type": "null"}), "`a`: the type null is not supported"),
        (record_schema({"name": "time", "type": "string"}), "can't be named `time`"),
        (record_schema({"name": "a", "type": ["null", "R"]}, name="R"), "`a`: the record R holds"),
        (record_schema({"name": "a", "type": "long", "default": 2**70}), "default"),
    ],
)
def test_an_unusable_schema_is_an_error(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "event.avsc"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SchemaError) as caught:
        EventSchema.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_a_schema_file_that_is_missing_or_binary_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"nowhere\.avsc: can't be read: No such file"):
        EventSchema.load(tmp_path / "nowhere.avsc")
    binary = tmp_path / "binary.avsc"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(SchemaError, match=r"binary\.avsc: not UTF-8"):
        EventSchema.load(binary)


def test_an_event_is_read_as_it_was_written() -> None:
    assert _read(EVENT, SHIPPED) == EVENT


def test_floats_are_read_as_their_shortest_decimals_wherever_they_are() -> None:
    floats = {"type": "array", "items": ["null", "float"]}
    schema = record_schema(
        {"name": "one", "type": "float"},
        {"name": "list", "type": floats},
        {"name": "map", "type": {"type": "map", "values": "float"}},
        {"name": "double", "type": "double"},
    )
    event = {"one": 0.1, "list": [0.9, None, 0.3], "map": {"k": 0.7}, "double": 0.1 + 0.2}
    assert EventSchema.parse(schema).reader(schema)(body(event, schema)) == event


@given(st.floats(width=32, allow_nan=False), st.none() | st.floats(0, 1, width=32))
def test_every_float_is_widened(confidence: float, score: float | None) -> None:
    event = deepcopy(EVENT)
    event["plate"]["confidence"] = confidence
    event["extras"]["quality_score"] = score
    found = plate_schema().reader(SHIPPED)(body(event))
    assert found["plate"]["confidence"] == shortest(confidence)
    assert found["extras"]["quality_score"] == (None if score is None else shortest(score))


@pytest.mark.parametrize("size", [0, 1, 20, len(body(EVENT)) - 1])
def test_a_truncated_body_is_an_error(size: int) -> None:
    with pytest.raises(DecodeError, match="the body ends before the event does"):
        plate_schema().reader(SHIPPED)(body(EVENT)[:size])


def test_trailing_bytes_are_an_error() -> None:
    with pytest.raises(DecodeError, match="2 bytes follow the event's end"):
        plate_schema().reader(SHIPPED)(body(EVENT) + b"\0\0")


def test_text_that_is_not_utf8_is_an_error_without_the_text() -> None:
    spoiled = body(EVENT).replace(b"ABC-123", b"ABC-\xff23")
    with pytest.raises(DecodeError) as caught:
        plate_schema().reader(SHIPPED)(spoiled)
    assert str(caught.value) == "a text in the body is not UTF-8: invalid start byte"


@pytest.mark.parametrize("claimed", [2**60, 2**62, -1, -5])
def test_an_absurd_length_is_an_error_and_takes_no_memory(claimed: int) -> None:
    number = (claimed << 1) ^ (claimed >> 63)
    prefix = b""
    while number > 0x7F:
        prefix += bytes([number & 0x7F | 0x80])
        number >>= 7
    with pytest.raises(DecodeError):
        plate_schema().reader(SHIPPED)(prefix + bytes([number]) + body(EVENT))


def test_a_branch_that_does_not_exist_is_an_error() -> None:
    whole = body(EVENT)
    at = whole.index(b"\x02\x0aUS-FL")
    with pytest.raises(DecodeError, match="a branch of a type that does not exist"):
        plate_schema().reader(SHIPPED)(whole[:at] + b"\x04" + whole[at + 1 :])


@given(st.binary(max_size=300))
def test_no_garbage_raises_anything_else(garbage: bytes) -> None:
    with pytest.raises(DecodeError):
        plate_schema().reader(SHIPPED)(garbage)


@given(st.data())
def test_a_spoiled_event_is_an_event_or_an_error(data: st.DataObject) -> None:
    spoiled = bytearray(body(EVENT))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(spoiled) - 1))
        spoiled[at : at + 1] = data.draw(st.binary(max_size=10))
        if not spoiled:
            return
    try:
        found = plate_schema().reader(SHIPPED)(bytes(spoiled))
    except DecodeError:
        return
    assert found.keys() == EVENT.keys()


def test_defaults_of_times_are_numbers_wherever_they_are() -> None:
    instant = {"type": "long", "logicalType": "timestamp-millis"}
    local = {"type": "long", "logicalType": "local-timestamp-millis"}
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "at", "type": instant}]}
    schema = EventSchema.parse(
        record_schema(
            {"name": "one", "type": instant, "default": 1000},
            {"name": "maybe", "type": [instant, "null"], "default": 1000},
            {"name": "local", "type": local, "default": 1000},
            {"name": "list", "type": {"type": "array", "items": instant}, "default": [0, 1000]},
            {"name": "map", "type": {"type": "map", "values": local}, "default": {"a": 1000}},
            {"name": "inner", "type": inner, "default": {"at": 1000}},
        )
    )
    first, second = (datetime(1970, 1, 1, 0, 0, n, tzinfo=UTC) for n in (0, 1))
    assert schema.complete({}) == {
        "one": second,
        "maybe": second,
        "local": "1970-01-01T00:00:01",
        "list": [first, second],
        "map": {"a": "1970-01-01T00:00:01"},
        "inner": {"at": second},
    }


@pytest.mark.parametrize("default", [True, 2**62])
def test_a_default_that_is_no_time_is_an_error(default: object) -> None:
    kind = {"type": "long", "logicalType": "timestamp-millis"}
    with pytest.raises(SchemaError, match="default"):
        EventSchema.parse(record_schema({"name": "at", "type": kind, "default": default}))


def test_what_fits_of_an_event_is_written_in_avros_own_numbers() -> None:
    schema = EventSchema.parse(
        record_schema(
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "nano", "type": {"type": "long", "logicalType": "timestamp-nanos"}},
            {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
            {"name": "maybe", "type": ["null", "string"]},
            {"name": "latency_ms", "type": "string"},
        )
    )
    time = "2025-12-25T12:00:00Z"
    given = {"at": time, "nano": time, "local": time, "latency_ms": 5, "camera_id": "c"}
    fitting = schema.fitting(given)
    assert fitting == {"at": NOON, "nano": NOON, "local": time}
    event = schema.writable(schema.complete(fitting), ZoneInfo("Europe/Berlin"))
    seconds = int(NOON.timestamp())
    assert event == {
        "at": seconds * 10**6,
        "nano": seconds * 10**9,
        "local": (seconds + 3600) * 1000,
        "maybe": None,
        "latency_ms": "",
    }
    # What is read again is the same, the local time without its zone.
    read = schema.reader(schema.text)(body(event, schema.text))
    assert read == {**schema.complete(fitting), "local": "2025-12-25T13:00:00"}


def test_a_local_time_that_is_none_can_not_be_written() -> None:
    kind = {"type": "long", "logicalType": "local-timestamp-millis"}
    schema = EventSchema.parse(record_schema({"name": "at", "type": kind}))
    with pytest.raises(EventError, match="not ISO 8601"):
        schema.writable({"at": "soon"}, UTC)
