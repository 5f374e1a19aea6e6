from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from engine.errors import EventError
from engine.schema.field_type import FieldType, Kind, complete
from tests.support.avro import plate_schema

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
