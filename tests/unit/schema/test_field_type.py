"""Partial events are completed by their types; broken promises of the schema are found."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from engine.demo.readings import overlay
from engine.errors import EventError, SchemaError
from engine.schema import BrokenPromise, Domain, EventSchema
from engine.schema.field_type import FieldType, Kind, complete, of_characters, without
from tests.support.avro import plate_schema
from tests.unit.plate import plate_event

TEXT = FieldType(Kind.STRING, zero="")
NUMBER = FieldType(Kind.DOUBLE, zero=0.0)
EMPTY_EVENT = {
    "event_id": "",
    "captured_at": "",
    "camera_id": "",
    "track_id": "",
    "plate": {"text": "", "normalized_text": "", "confidence": 0.0, "region": None},
    "vehicle": {"type": None, "make": None, "model": None, "color": None},
    "images": {"plate_url": None, "vehicle_url": None, "frame_url": None},
    "latency_ms": 0,
    "node": {"site": None, "host": None},
    "extras": None,
}


def _record(**fields: FieldType) -> FieldType:
    return FieldType(Kind.RECORD, fields=MappingProxyType(fields))


def test_an_empty_event_is_completed_to_a_whole_one() -> None:
    assert plate_schema().complete({}) == EMPTY_EVENT


def test_a_part_of_a_record_is_completed_inside_it() -> None:
    event = plate_schema().complete({"plate": {"confidence": 1}, "extras": {"roi": "a"}})
    assert event["plate"] == {**EMPTY_EVENT["plate"], "confidence": 1.0}  # type: ignore[dict-item]
    assert isinstance(event["plate"]["confidence"], float)
    assert event["extras"] == {
        "roi": "a",
        "direction": None,
        "quality_score": None,
        "frame_number": None,
    }


def test_completed_events_share_nothing() -> None:
    first, second = plate_schema().complete({}), plate_schema().complete({})
    first["plate"]["text"] = "changed"
    assert second == EMPTY_EVENT


def test_what_is_given_is_left_alone() -> None:
    given: dict[str, Any] = {"plate": {"text": "A"}}
    plate_schema().complete(given)
    assert given == {"plate": {"text": "A"}}


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"camera": "a"}, "unknown field `camera`, did you mean `camera_id`?"),
        (
            {"plate": {"normalised_text": "A"}},
            "unknown field `plate.normalised_text`, did you mean `plate.normalized_text`?",
        ),
        ({"node": {"qqq": 1}}, "unknown field `node.qqq`, known are site, host"),
        ({1: 2}, "unknown field `1`, known are "),
        ({"camera_id": 7}, "`camera_id` must be a string, not a whole number"),
        ({"camera_id": None}, "`camera_id` can't be null"),
        ({"plate": None}, "`plate` can't be null"),
        ({"plate": "ABC"}, "`plate` must be a record, not a string"),
        ({"plate": {"confidence": "0.9"}}, "`plate.confidence` must be a number, not a string"),
        ({"plate": {"confidence": True}}, "`plate.confidence` must be a number, not a boolean"),
        ({"plate": {"confidence": 10**400}}, "`plate.confidence` is beyond the range of a double"),
        ({"latency_ms": 1.0}, "`latency_ms` must be a whole number, not a number"),
        ({"latency_ms": True}, "`latency_ms` must be a whole number, not a boolean"),
        ({"latency_ms": 2**63}, "`latency_ms` is beyond 64 bits"),
        ({"camera_id": "\ud800"}, "`camera_id` holds half a surrogate pair"),
        ({"extras": {"frame_number": [1]}}, "`extras.frame_number` must be a whole number, not a"),
        ({"camera_id": datetime(2025, 1, 1)}, "`camera_id` must be a string, not a datetime"),
        ([], "`the event` must be a record, not a list"),
        (None, "`the event` can't be null"),
    ],
)
def test_a_misfit_is_an_error_that_names_the_field(event: Any, message: str) -> None:
    with pytest.raises(EventError) as caught:
        plate_schema().complete(event)
    assert str(caught.value).startswith(message)


def test_the_elements_of_lists_and_maps_are_completed() -> None:
    kind = _record(
        items=FieldType(Kind.LIST, element=_record(a=TEXT, b=NUMBER)),
        values=FieldType(Kind.MAP, element=NUMBER),
    )
    assert complete(kind, {"items": [{"a": "x"}], "values": {"k": 1}}) == {
        "items": [{"a": "x", "b": 0.0}],
        "values": {"k": 1.0},
    }


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (FieldType(Kind.LIST, element=TEXT), "abc", "`x` must be a list, not a string"),
        (FieldType(Kind.LIST, element=TEXT), ["a", 1], "`x[1]` must be a string"),
        (FieldType(Kind.MAP, element=TEXT), {1: "a"}, "`x` must be a map with text keys"),
        (FieldType(Kind.MAP, element=TEXT), {"k": None}, "`x.k` can't be null"),
        (FieldType(Kind.BYTES), "\u20ac", "`x` holds characters that are not bytes"),
        (FieldType(Kind.BOOL), 1, "`x` must be a boolean, not a whole number"),
        (FieldType(Kind.TIMESTAMP), "noon", "`x` is not an ISO 8601 timestamp"),
        (FieldType(Kind.TIMESTAMP), "2025-12-25T12:00:00", "`x` is a timestamp without a zone"),
    ],
)
def test_a_misfit_in_any_kind_is_an_error(kind: FieldType, value: Any, message: str) -> None:
    with pytest.raises(EventError) as caught:
        complete(kind, value, "x")
    assert str(caught.value).startswith(message)


def test_bytes_are_taken_as_bytes_and_as_avro_json() -> None:
    assert complete(FieldType(Kind.BYTES), b"\xff") == b"\xff"
    assert complete(FieldType(Kind.BYTES), "\xff") == b"\xff"


def test_a_timestamp_is_taken_in_any_zone_and_kept_in_utc() -> None:
    assert complete(FieldType(Kind.TIMESTAMP), "2025-12-25T13:00:00+01:00") == datetime(
        2025, 12, 25, 12, tzinfo=UTC
    )


def test_null_is_taken_where_it_is_allowed() -> None:
    assert complete(FieldType(Kind.STRING, nullable=True), None) is None


def domain_of(kind: Any, **properties: Any) -> Domain | None:
    field = {"name": "x", "type": kind, **properties}
    schema = {"type": "record", "name": "Event", "fields": [field]}
    found = EventSchema.parse(json.dumps(schema)).field("x")
    assert found is not None
    return found.domain


def test_limits_of_numbers_are_read() -> None:
    assert domain_of("double", minimum=0, maximum=1) == Domain(0, 1)
    assert domain_of(["null", "float"], default=None, minimum=0.5) == Domain(0.5, None)
    assert domain_of({"type": "long", "maximum": 9}) == Domain(None, 9)
    assert domain_of({"type": "long", "maximum": 9}, maximum=8) == Domain(None, 8)
    assert domain_of("long") is None
    assert domain_of("string") is None


def test_an_int_of_avro_has_32_bits() -> None:
    assert domain_of("int") == Domain(-(2**31), 2**31 - 1)
    assert domain_of("int", minimum=0) == Domain(0, 2**31 - 1)


def test_an_enum_is_one_of_its_symbols() -> None:
    enum = {"type": "enum", "name": "Lane", "symbols": ["LEFT", "RIGHT"]}
    domain = domain_of(enum)
    assert domain is not None
    assert domain.words == ("LEFT", "RIGHT")
    assert domain.has("LEFT")
    assert not domain.has("left")
    assert domain.is_of_texts


@pytest.mark.parametrize(
    ("characters", "inside", "outside"),
    [
        ("A-Z0-9", "ABC123", "abc"),
        ("A-Z0-9", "", "A B"),
        ("A-Z0-9", "Z", "-"),
        ("A-Z-", "A-Z", "1"),
        ("-A", "-A", "B"),
        ("a]^\\", "]^\\", "b"),
        (".", ".", "a"),
        ("Ä-Ü", "Ö", "O"),
    ],
)
def test_characters_are_those_within_the_brackets_of_a_pattern(
    characters: str, inside: str, outside: str
) -> None:
    domain = domain_of("string", characters=characters)
    assert domain is not None
    assert domain.has(inside)
    assert domain.has_part(inside)
    assert not domain.has(outside)


def test_a_lower_case_domain_has_no_capital_letters() -> None:
    lower = Domain(is_lower=True)
    assert lower.has("straße 1")
    assert not lower.has("Straße")
    assert not of_characters("A-z", is_lower=True).has("A")
    assert not without("A-Z", "no letters A-Z").has("xA")


def test_what_is_known_of_numbers_says_nothing_of_texts() -> None:
    assert not Domain(0, 1).is_of_texts


@pytest.mark.parametrize(
    ("kind", "properties", "fault"),
    [
        ("string", {"minimum": 0}, "`x`: `minimum` means nothing for the type string"),
        ("int", {"characters": "0-9"}, "`x`: `characters` means nothing for the type int"),
        ("boolean", {"maximum": 1}, "`x`: `maximum` means nothing for the type boolean"),
        ("double", {"minimum": "0"}, "`x`: its `minimum` is not a number"),
        ("double", {"maximum": True}, "`x`: its `maximum` is not a number"),
        ("double", {"minimum": 1, "maximum": 0}, "`x`: its `minimum` is above its `maximum`"),
        ("string", {"characters": "Z-A"}, "the range Z-A runs backwards"),
        ("string", {"characters": ""}, "`x`: its `characters` are no set of characters"),
        ("string", {"characters": 5}, "`x`: its `characters` are no set of characters"),
    ],
)
def test_a_promise_that_can_not_be_meant_is_a_fault_of_the_schema(
    kind: str, properties: dict[str, Any], fault: str
) -> None:
    with pytest.raises(SchemaError) as caught:
        domain_of(kind, **properties)
    assert fault in str(caught.value)


SHARE = {"type": "double", "minimum": 0, "maximum": 1}
WORD = {"type": "string", "characters": "a-z"}


def _record_of(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


def _list(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


INNER = _record_of("S", {"name": "z", "type": WORD})


def _schema(kind: Any, **properties: Any) -> EventSchema:
    return EventSchema.parse(json.dumps(_record_of("E", {"name": "x", "type": kind, **properties})))


def _broken(schema: EventSchema, value: Any) -> list[tuple[str, Any]]:
    return [(each.field, each.value) for each in schema.promises.broken_by({"x": value})]


def test_the_shipped_schema_promises_these() -> None:
    assert plate_schema().promises.fields == (
        "plate.normalized_text",
        "plate.confidence",
        "latency_ms",
        "extras.quality_score",
    )


def test_an_event_as_promised_breaks_nothing() -> None:
    assert plate_schema().promises.broken_by(plate_event()) == ()
    assert plate_schema().promises.broken_by(plate_event(extras={"quality_score": 1.0})) == ()


@pytest.mark.parametrize(
    ("fields", "field", "value", "promise"),
    [
        ({"plate": {"confidence": 12.3}}, "plate.confidence", 12.3, "0 to 1"),
        ({"plate": {"confidence": -0.001}}, "plate.confidence", -0.001, "0 to 1"),
        ({"plate": {"confidence": math.inf}}, "plate.confidence", math.inf, "0 to 1"),
        ({"latency_ms": -1}, "latency_ms", -1, "at least 0"),
        ({"extras": {"quality_score": 1.01}}, "extras.quality_score", 1.01, "0 to 1"),
        (
            {"plate": {"normalized_text": "kfa-8725"}},
            "plate.normalized_text",
            "kfa-8725",
            "characters A-Z0-9",
        ),
        (
            {"plate": {"normalized_text": "K\n"}},
            "plate.normalized_text",
            "K\n",
            "characters A-Z0-9",
        ),
    ],
)
def test_a_value_of_the_shipped_schema_out_of_range_is_found(
    fields: dict[str, Any], field: str, value: object, promise: str
) -> None:
    event = plate_schema().complete(overlay(plate_event(), fields))
    assert plate_schema().promises.broken_by(event) == (BrokenPromise(field, value, promise),)


def test_an_empty_text_and_null_break_nothing() -> None:
    event = plate_event(plate={"normalized_text": ""}, extras={"quality_score": None})
    assert plate_schema().promises.broken_by(event) == ()


def test_not_a_number_lies_in_no_range() -> None:
    (found,) = plate_schema().promises.broken_by(plate_event(plate={"confidence": math.nan}))
    assert found.field == "plate.confidence"


def test_all_fields_are_told_each_once() -> None:
    event = plate_event(plate={"confidence": 2.0, "normalized_text": "a b"}, latency_ms=-5)
    found = [each.field for each in plate_schema().promises.broken_by(event)]
    assert found == ["plate.normalized_text", "plate.confidence", "latency_ms"]


@pytest.mark.parametrize(
    ("kind", "good", "bad", "field", "first"),
    [
        (["null", SHARE], [None, 0.5], 1.5, "x", 1.5),
        (_list(SHARE), [[], [0.0, 1.0]], [0.5, 2.0, 3.0], "x[]", 2.0),
        (["null", _list(["null", WORD])], [None, [None, "a"]], ["A"], "x[]", "A"),
        ({"type": "map", "values": SHARE}, [{}, {"a": 1.0}], {"a": 1.0, "b": 7.0}, "x[]", 7.0),
        (
            ["null", _record_of("R", {"name": "y", "type": ["null", INNER]})],
            [None, {"y": None}, {"y": {"z": "ok"}}],
            {"y": {"z": "NO"}},
            "x.y.z",
            "NO",
        ),
        (
            _list(_record_of("R", {"name": "y", "type": SHARE})),
            [[], [{"y": 1.0}]],
            [{"y": 0.0}, {"y": -1.0}],
            "x[].y",
            -1.0,
        ),
        (_list(_list(WORD)), [[[]]], [["a"], ["1"]], "x[][]", "1"),
    ],
)
def test_values_inside_of_others_are_found(
    kind: Any, good: list[Any], bad: Any, field: str, first: object
) -> None:
    schema = _schema(kind)
    assert schema.promises.fields == (field,)
    assert [_broken(schema, value) for value in good] == [[]] * len(good)
    assert _broken(schema, bad) == [(field, first)]


@pytest.mark.parametrize(
    ("kind", "properties", "good", "bad", "promise"),
    [
        ("long", {"maximum": 9}, -(2**63), 10, "at most 9"),
        ("long", {"minimum": -(2**31), "maximum": 2**31 - 1}, 0, 2**31, "at least -2147483648"),
        ("double", {"minimum": 0.5}, math.inf, 0.4, "at least 0.5"),
        ("double", {"maximum": 2**53 + 1}, 2.0**53, 2.0**54, "at most 9007199254740993"),
        ("double", {"maximum": math.inf}, 1e308, math.nan, "at most inf"),
        ("int", {"maximum": 5}, -(2**31), 6, "-2147483648 to 5"),
    ],
)
def test_one_limit_is_enough(
    kind: str, properties: dict[str, Any], good: float, bad: float, promise: str
) -> None:
    schema = _schema(kind, **properties)
    assert _broken(schema, good) == []
    (found,) = schema.promises.broken_by({"x": bad})
    assert found.promise == promise


@pytest.mark.parametrize(
    "kind",
    ["int", "string", "bytes", "boolean", {"type": "enum", "name": "E2", "symbols": ["A"]}],
)
def test_what_the_type_holds_by_itself_is_no_promise(kind: Any) -> None:
    assert _schema(kind).promises.fields == ()
