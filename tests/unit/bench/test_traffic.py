from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.bench.rule_sets import CAMERAS, EVENTS_AN_EXAMPLE, known_fields, readings, traffic
from engine.errors import EventError
from engine.schema import EventSchema
from tests.support.avro import plate_schema, record_schema

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def plates(found: list[dict[str, object]]) -> list[str]:
    return [each["plate"]["normalized_text"] for each in found]  # type: ignore[index]


def test_readings_are_the_same_in_every_run_and_all_different() -> None:
    first = list(readings(1000, NOON))
    assert first == list(readings(1000, NOON))
    assert len({*plates(first)}) > 990
    assert len({each["event_id"] for each in first}) == 1000
    assert len({each["camera_id"] for each in first}) > CAMERAS / 2
    assert {each["vehicle"]["color"] is None for each in first} == {True, False}


def test_a_share_of_the_readings_has_the_plates_that_are_watched() -> None:
    found = plates(list(readings(1000, NOON, ["AAA0001", "AAA0002"], 0.01)))
    assert [plate for plate in found if plate.startswith("AAA000")] == ["AAA0001", "AAA0002"] * 5


def test_events_have_the_shape_of_the_schema() -> None:
    events = traffic(20, plate_schema(), ZoneInfo("UTC"), NOON)
    assert [event.values for event in events] == list(readings(20, NOON))
    assert [event.time_us - events[0].time_us for event in events[:3]] == [0, 1000, 2000]


def test_every_hundredth_event_has_an_example_in_it() -> None:
    examples: list[dict[str, Any]] = [
        {"plate": {"normalized_text": "ONE"}},
        {"camera_id": "TWO"},
    ]
    events = traffic(300, plate_schema(), ZoneInfo("UTC"), NOON, examples)
    laid = [
        number
        for number, event in enumerate(events, 1)
        if event.values["plate"]["normalized_text"] == "ONE" or event.values["camera_id"] == "TWO"
    ]
    assert laid == [EVENTS_AN_EXAMPLE, 2 * EVENTS_AN_EXAMPLE, 3 * EVENTS_AN_EXAMPLE]
    assert events[199].values["plate"]["normalized_text"] != "ONE"


def test_a_schema_of_ones_own_has_its_own_fields() -> None:
    schema = EventSchema.parse(
        record_schema({"name": "camera_id", "type": "string"}, {"name": "gate", "type": "int"})
    )
    (event,) = traffic(1, schema, ZoneInfo("UTC"), NOON)
    assert {*event.values} == {"camera_id", "gate"}
    assert event.values["gate"] == 0


def test_a_field_of_another_type_is_named() -> None:
    schema = EventSchema.parse(record_schema({"name": "camera_id", "type": "int"}))
    with pytest.raises(EventError, match="camera_id"):
        traffic(1, schema, ZoneInfo("UTC"), NOON)


def test_unknown_fields_are_left_out_at_every_depth() -> None:
    types = plate_schema().variables
    given = {"plate": {"text": "A", "odd": 1}, "odd": {"text": 1}}
    assert known_fields(given, types) == {"plate": {"text": "A"}}
