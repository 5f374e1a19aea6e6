from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.schema.avro import LOGICAL, full_schema, set_aside, timestamp, timestamp_unit


def test_logical_types_are_set_aside_and_the_original_is_left_alone() -> None:
    schema = {"type": "string", "logicalType": "uuid", "default": ""}
    assert set_aside(schema, with_defaults=True) == {
        "type": "string",
        LOGICAL: "uuid",
        "default": "",
    }
    assert set_aside([schema], with_defaults=False) == [{"type": "string", LOGICAL: "uuid"}]
    assert schema["logicalType"] == "uuid"


def test_a_schema_that_is_too_deep_is_refused() -> None:
    deep: list[object] = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(ValueError, match="nested deeper than 64"):
        set_aside(deep, with_defaults=True)


def test_a_schema_is_found_in_any_form() -> None:
    named = {"com.R": {"type": "record", "name": "com.R", "fields": []}}
    assert full_schema("com.R", named) == named["com.R"]
    assert full_schema("int", named) == {"type": "int"}
    assert full_schema({"type": {"type": "int"}}, named) == {"type": "int"}
    assert full_schema({"type": ["null", "int"]}, named) == ["null", "int"]


def test_timestamps_count_from_the_epoch() -> None:
    assert timestamp_unit({"type": "long", LOGICAL: "timestamp-millis"}) == 1000
    assert timestamp_unit({"type": "long", LOGICAL: "local-timestamp-millis"}) is None
    assert timestamp_unit("long") is None
    assert timestamp(1, 1000) == datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC)
