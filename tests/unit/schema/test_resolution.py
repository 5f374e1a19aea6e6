from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DecodeError
from engine.schema import EventSchema
from tests.support.avro import PLATE_EVENT, body, changed, plate_schema, record_schema
from tests.support.sightings import sighting

NOON = datetime(2025, 12, 25, 12, tzinfo=UTC)
EVENT = sighting("ABC123", NOON, event_id="e-1")
FIXED = {"type": "fixed", "name": "F", "size": 2}
EPOCH = "1970-01-01T00:00:00Z"
SHIPPED = PLATE_EVENT.read_text(encoding="utf-8")


def _plate_field(raw: dict[str, Any], name: str) -> dict[str, Any]:
    fields = next(f for f in raw["fields"] if f["name"] == "plate")["type"]["fields"]
    return next(field for field in fields if field["name"] == name)


def raw_body(event: dict[str, Any], schema: str) -> bytes:
    """The body of an event whose times are the numbers that are sent."""
    stream = BytesIO()
    schemaless_writer(stream, parse_schema(json.loads(schema.replace("logicalType", "of"))), event)
    return stream.getvalue()


def _read(event: dict[str, Any], writer: str) -> dict[str, Any]:
    return plate_schema().reader(writer)(body(event, writer))


def test_fields_that_writers_added_and_reordered_are_understood() -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["fields"].append({"name": "speed_kmh", "type": ["null", "float"], "default": None})
        raw["fields"].insert(0, {"name": "tags", "type": {"type": "array", "items": "string"}})
        raw["fields"].reverse()
        _plate_field(raw, "text")["doc"] = "other words"

    event = {**EVENT, "speed_kmh": 50.0, "tags": ["a", "b"]}
    assert _read(event, changed(change)) == EVENT


def test_fields_that_writers_left_out_have_their_defaults() -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["fields"] = [f for f in raw["fields"] if f["name"] not in ("extras", "latency_ms")]

    assert _read(EVENT, changed(change)) == {**EVENT, "extras": None, "latency_ms": 0}


def test_a_left_out_record_has_a_whole_default() -> None:
    inner = {
        "type": "record",
        "name": "Inner",
        "fields": [{"name": "a", "type": "float", "default": 1}],
    }
    ours = record_schema(
        {"name": "x", "type": "int"}, {"name": "inner", "type": inner, "default": {}}
    )
    theirs = record_schema({"name": "x", "type": "int"})
    read = EventSchema.parse(ours).reader(theirs)
    assert read(body({"x": 1}, theirs)) == {"x": 1, "inner": {"a": 1.0}}


def test_narrower_numbers_are_promoted_and_a_written_float_is_widened_as_a_double() -> None:
    ours = record_schema({"name": "a", "type": "double"}, {"name": "b", "type": "double"})
    theirs = record_schema({"name": "a", "type": "float"}, {"name": "b", "type": "int"})
    found = EventSchema.parse(ours).reader(theirs)(body({"a": 0.9, "b": 3}, theirs))
    assert found == {"a": 0.9, "b": 3.0}
    assert isinstance(found["b"], float)


def test_a_writers_logical_types_change_nothing() -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["fields"][0]["type"] = {"type": "string", "logicalType": "uuid"}

    event = {**EVENT, "event_id": "4d9cbd7e-5d0e-4a86-a6c1-0e7a4a3d3c5f"}
    assert _read(event, changed(change)) == event


@pytest.mark.parametrize("unit", ["millis", "micros"])
def test_timestamps_are_read_in_the_writers_unit(unit: str) -> None:
    ours = record_schema(
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}
    )
    theirs = record_schema(
        {"name": "at", "type": {"type": "long", "logicalType": f"timestamp-{unit}"}}
    )
    read = EventSchema.parse(ours).reader(theirs)
    assert read(body({"at": NOON}, theirs)) == {"at": NOON}
    with pytest.raises(DecodeError, match="a timestamp in the body is out of range"):
        read(body({"at": 2**62}, theirs))


def test_a_null_that_our_schema_does_not_take_is_an_error_that_names_the_field() -> None:
    def change(raw: dict[str, Any]) -> None:
        _plate_field(raw, "text")["type"] = ["null", "string"]

    event = deepcopy(EVENT)
    writer = changed(change)
    assert _read(event, writer) == EVENT
    event["plate"]["text"] = None
    with pytest.raises(DecodeError, match=r"`plate\.text` is null, which our schema does not take"):
        _read(event, writer)


def test_a_branch_that_our_union_does_not_take_is_an_error_only_for_its_values() -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["fields"][9]["type"][1]["fields"][3]["type"] = ["null", "long"]

    writer = changed(change)
    event = deepcopy(EVENT)
    with pytest.raises(DecodeError, match=r"`extras\.frame_number` is long, which our schema"):
        _read(event, writer)
    event["extras"]["frame_number"] = None
    assert _read(event, writer) == event


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw["fields"].pop(2), "`camera_id` is missing and has no default"),
        (
            lambda raw: _plate_field(raw, "confidence").update(type="string"),
            "`plate.confidence` is written as string, which can't be read as float",
        ),
        (
            lambda raw: raw["fields"][4]["type"].update(name="Plaque"),
            "`plate` is written as record com.alpr.events.Plaque, which can't be read as record",
        ),
        (lambda raw: raw.update(name="Other"), "the event is written as record com.alpr"),
    ],
)
def test_a_writers_schema_that_does_not_fit_names_the_field(change: Any, message: str) -> None:
    def ignore_result(raw: dict[str, Any]) -> None:
        change(raw)

    with pytest.raises(DecodeError) as caught:
        plate_schema().reader(changed(ignore_result))
    assert message in str(caught.value)


def test_all_misfits_are_named_up_to_five() -> None:
    with pytest.raises(DecodeError) as caught:
        plate_schema().reader(record_schema({"name": "latency_ms", "type": "string"}))
    text = str(caught.value)
    assert "`latency_ms` is written as string" in text
    assert "`event_id` is missing" in text
    assert text.endswith("; and 4 more")


@pytest.mark.parametrize(
    ("writer", "message"),
    [
        ("", "not JSON"),
        ("[]", "written as no type"),
        ('"string"', "the event is written as string"),
        ('{"type": "record"}', "not an Avro schema"),
        (record_schema({"name": "a", "type": "com.other.Type"}), "com.other.Type is defined nowh"),
        ("[" * 100_000, "not JSON that can be used"),
        (
            record_schema({"name": "a", "type": ["null", "PlateEvent"]}),
            "the record PlateEvent holds itself",
        ),
        (
            record_schema({"name": "a", "type": {"type": "array", "items": "null"}}),
            "it has lists of items that take no bytes",
        ),
    ],
)
def test_an_unusable_writers_schema_is_a_decode_error(writer: str, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        plate_schema().reader(writer)
    assert message in str(caught.value)


def test_fields_and_records_are_found_by_their_aliases() -> None:
    ours = record_schema({"name": "camera", "type": "string", "aliases": ["camera_id"]})
    theirs = record_schema({"name": "camera_id", "type": "string"})
    assert EventSchema.parse(ours).reader(theirs)(body({"camera_id": "c"}, theirs)) == {
        "camera": "c"
    }


def test_a_skipped_field_that_is_cut_off_is_an_error() -> None:
    writer = changed(lambda raw: raw["fields"].append({"name": "more", "type": "string"}))
    whole = body({**EVENT, "more": "x" * 50}, writer)
    with pytest.raises(DecodeError, match="the body ends before the event does"):
        plate_schema().reader(writer)(whole[:-10])


def test_a_schema_that_differs_in_texts_only_is_read_the_same() -> None:
    writer = changed(lambda raw: raw.update(doc="other words"))
    assert _read(EVENT, writer) == EVENT


def test_a_writers_wrong_defaults_do_not_matter() -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["fields"][7]["default"] = "zero"
        _plate_field(raw, "region")["default"] = ""

    writer = changed(change)
    assert plate_schema().reader(writer)(body(EVENT)) == EVENT


@pytest.mark.parametrize(
    ("theirs", "ours", "written", "read"),
    [
        ("string", "bytes", "\u00e9", b"\xc3\xa9"),
        ("bytes", "string", b"\xc3\xa9", "\u00e9"),
        ("long", "double", 2**53, 2.0**53),
        ("int", "long", -7, -7),
        (
            {"type": "fixed", "name": "F", "size": 2},
            {"type": "fixed", "name": "F", "size": 2},
            b"ab",
            b"ab",
        ),
        (["null", "string", "long", "double"], ["null", "string"], "x", "x"),
        (["string"], "string", "x", "x"),
        (["null", "float"], ["null", "double"], 0.9, 0.9),
        (["null", "int", "float"], ["null", "float"], 3, 3.0),
        ("int", ["null", "float"], 3, 3.0),
    ],
)
def test_types_are_promoted_as_avro_says(theirs: Any, ours: Any, written: Any, read: Any) -> None:
    writer = record_schema({"name": "a", "type": theirs})
    schema = EventSchema.parse(record_schema({"name": "a", "type": ours}))
    found = schema.reader(writer)(body({"a": written}, writer))
    assert found == {"a": read}
    assert type(found["a"]) is type(read)


def test_symbols_that_we_do_not_know_are_the_default_or_an_error() -> None:
    def kind(*symbols: str, **more: str) -> dict[str, Any]:
        return {"name": "a", "type": {"type": "enum", "name": "E", "symbols": symbols, **more}}

    writer = record_schema(kind("RED", "GREEN"))
    with_default = EventSchema.parse(record_schema(kind("RED", "OTHER", default="OTHER")))
    assert with_default.reader(writer)(body({"a": "GREEN"}, writer)) == {"a": "OTHER"}
    without = EventSchema.parse(record_schema(kind("RED"))).reader(writer)
    assert without(body({"a": "RED"}, writer)) == {"a": "RED"}
    with pytest.raises(DecodeError, match="`a` is a symbol that our schema does not know"):
        without(body({"a": "GREEN"}, writer))


def test_unions_whose_values_look_alike_are_an_error() -> None:
    writer = record_schema({"name": "a", "type": ["float", "double"]})
    schema = EventSchema.parse(record_schema({"name": "a", "type": "double"}))
    with pytest.raises(DecodeError, match="`a` is written as one of too similar types"):
        schema.reader(writer)


def test_defaults_are_not_shared_between_events() -> None:
    ours = record_schema(
        {"name": "x", "type": "int"},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
    )
    theirs = record_schema({"name": "x", "type": "int"})
    read = EventSchema.parse(ours).reader(theirs)
    read(body({"x": 1}, theirs))["tags"].append("spoiled")
    assert read(body({"x": 1}, theirs)) == {"x": 1, "tags": []}


def test_a_changed_event_has_our_fields_only() -> None:
    writer = changed(
        lambda raw: raw["fields"][4]["type"]["fields"].append(
            {"name": "country", "type": ["null", {"type": "map", "values": "float"}]}
        )
    )
    event = deepcopy(EVENT)
    event["plate"]["country"] = {"US": 0.5}
    assert _read(event, writer) == EVENT


@given(st.data())
def test_resolution_agrees_with_that_of_fastavro(data: st.DataObject) -> None:
    def change(raw: dict[str, Any]) -> None:
        added = {"name": "added", "type": ["null", "long"], "default": None}
        for fields in (raw["fields"], raw["fields"][4]["type"]["fields"]):
            if data.draw(st.booleans()):
                fields.append(added)
            fields[:] = data.draw(st.permutations(fields))
        removable = ("latency_ms", "extras")
        left_out = data.draw(st.sets(st.sampled_from(removable)))
        raw["fields"] = [f for f in raw["fields"] if f["name"] not in left_out]

    writer = changed(change)
    event = {**EVENT, "added": 7, "plate": {**EVENT["plate"], "confidence": 0.5, "added": 8}}
    event["extras"] = {**EVENT["extras"], "quality_score": 0.25}
    written = body(event, writer)
    expected = schemaless_reader(
        BytesIO(written), parse_schema(json.loads(writer)), parse_schema(json.loads(SHIPPED))
    )
    assert plate_schema().reader(writer)(written) == expected


INSTANT = {"type": "long", "logicalType": "timestamp-millis"}
LOCAL = {"type": "long", "logicalType": "local-timestamp-micros"}
NOON_MS = int(NOON.timestamp()) * 1000


@pytest.mark.parametrize(
    ("theirs", "ours", "written", "read"),
    [
        (LOCAL, LOCAL, NOON_MS * 1000 + 5, "2025-12-25T12:00:00.000005"),
        ("long", LOCAL, NOON_MS * 1000, "2025-12-25T12:00:00"),
        (LOCAL, "string", NOON_MS * 1000, "2025-12-25T12:00:00"),
        # Its own text names the zone that it has.
        (INSTANT, LOCAL, NOON_MS, "2025-12-25T12:00:00Z"),
        (INSTANT, "string", NOON_MS + 250, "2025-12-25T12:00:00.25Z"),
        (["null", INSTANT], ["null", "string"], NOON_MS, "2025-12-25T12:00:00Z"),
        (["null", INSTANT], ["null", "string"], None, None),
        ({"type": "array", "items": INSTANT}, {"type": "array", "items": "string"}, [0], [EPOCH]),
        (INSTANT, "long", NOON_MS, NOON_MS),
        (LOCAL, "double", 5, 5.0),
        ({"type": "long", "logicalType": "timestamp-nanos"}, INSTANT, NOON_MS * 10**6, NOON),
    ],
)
def test_a_written_time_becomes_what_our_schema_has(
    theirs: Any, ours: Any, written: Any, read: Any
) -> None:
    writer = record_schema({"name": "at", "type": theirs})
    reader = EventSchema.parse(record_schema({"name": "at", "type": ours})).reader(writer)
    assert reader(raw_body({"at": written}, writer)) == {"at": read}


def test_a_local_time_is_no_instant() -> None:
    writer = record_schema({"name": "at", "type": LOCAL})
    with pytest.raises(DecodeError, match=r"`at` is written as long \(local-timestamp-micros\)"):
        EventSchema.parse(record_schema({"name": "at", "type": INSTANT})).reader(writer)


@pytest.mark.parametrize("kind", [INSTANT, ["null", INSTANT], LOCAL])
def test_an_absurd_time_of_the_event_itself_is_kept_and_no_dead_letter(kind: Any) -> None:
    schema = record_schema({"name": "captured_at", "type": kind})
    found = EventSchema.parse(schema).reader(schema)(raw_body({"captured_at": 2**62}, schema))
    last = datetime.max.replace(tzinfo=UTC)
    assert found["captured_at"] == (last if kind != LOCAL else "9999-12-31T23:59:59.999999")


PLATE = {
    "type": "record",
    "name": "Plate",
    "namespace": "com.alpr.events",
    "fields": [{"name": "text", "type": "string"}, {"name": "country", "type": "com.geo.Country"}],
}
COUNTRY = {"type": "enum", "name": "Country", "namespace": "com.geo", "symbols": ["DE", "US"]}
OURS = EventSchema.parse(
    record_schema(
        {
            "name": "plate",
            "type": {
                "type": "record",
                "name": "Plate",
                "fields": [
                    {"name": "text", "type": "string"},
                    {"name": "make", "type": "string", "default": "?"},
                ],
            },
        }
    )
)
REFERRING = json.dumps(
    {
        "type": "record",
        "name": "PlateEvent",
        "namespace": "com.alpr.events",
        "fields": [{"name": "plate", "type": "Plate"}],
    }
)
REFERENCES = (json.dumps(COUNTRY), json.dumps(PLATE))


def _referring_body(text: str) -> bytes:
    """A body of REFERRING: a text, and the second country."""
    return bytes([2 * len(text)]) + text.encode() + b"\x02"


def test_types_of_other_schemas_are_known_by_their_full_names() -> None:
    read = OURS.reader(REFERRING, REFERENCES)
    assert read(_referring_body("AB")) == {"plate": {"text": "AB", "make": "?"}}


def test_a_schema_may_be_nothing_but_a_name() -> None:
    read = OURS.reader('"com.alpr.events.PlateEvent"', (*REFERENCES, REFERRING))
    assert read(_referring_body("AB"))["plate"]["text"] == "AB"


def test_a_reference_that_does_not_come_along_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match=r"com\.geo\.Country is defined nowhere"):
        OURS.reader(REFERRING, REFERENCES[1:])


def test_a_type_that_two_references_define_must_be_the_same() -> None:
    read = OURS.reader(REFERRING, (REFERENCES[0], *REFERENCES))
    assert read(_referring_body("AB"))["plate"]["text"] == "AB"
    other = json.dumps({**COUNTRY, "symbols": ["US", "DE"]})
    with pytest.raises(DecodeError, match="define one type in two ways"):
        OURS.reader(REFERRING, (*REFERENCES, other))


def test_a_reference_is_looked_at_for_dangers_too() -> None:
    deep = json.dumps({**PLATE, "fields": [{"name": "text", "type": ["null", "Plate"]}]})
    with pytest.raises(DecodeError, match="holds itself"):
        OURS.reader(REFERRING, (deep,))


def test_of_a_union_the_record_that_fits_is_read_and_others_are_told() -> None:
    other = record_schema({"name": "speed", "type": "int"}, name="com.alpr.events.Speed")
    union = json.dumps(["null", "com.alpr.events.Speed", "com.alpr.events.PlateEvent"])
    read = OURS.reader(union, (*REFERENCES, REFERRING, other))
    assert read(b"\x04" + _referring_body("AB"))["plate"]["text"] == "AB"
    with pytest.raises(DecodeError, match=r"type 2 of the writer's union: .*Speed"):
        read(b"\x02\x10")
    with pytest.raises(DecodeError, match=r"type 1 of the writer's union: .*null"):
        read(b"\x00")
    for number in (b"\x06", b"\x01", b"\x80\x80\x01"):
        with pytest.raises(DecodeError, match="names a branch of a type that does not exist"):
            read(number + _referring_body("AB"))
    for body_ in (b"", b"\x80"):
        with pytest.raises(DecodeError, match="the body ends before the event does"):
            read(body_)


def test_a_union_of_which_nothing_fits_is_a_decode_error_at_once() -> None:
    union = json.dumps(["null", "string"])
    with pytest.raises(DecodeError, match=r"written as null.*; .*written as string"):
        OURS.reader(union)
