from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel.values.instants import format_timestamp
from engine.cel.values.values import to_timestamp
from engine.schema.avro import (
    LOGICAL,
    bounded_timestamp,
    full_schema,
    instant_text,
    local_text,
    local_timestamp_unit,
    prepared_for_fastavro,
    timestamp,
    timestamp_unit,
    type_text,
    units_since_epoch,
)


def test_logical_types_are_set_aside_and_the_original_is_left_alone() -> None:
    schema = {"type": "string", "logicalType": "uuid", "default": ""}
    assert prepared_for_fastavro(schema, with_defaults=True) == {
        "type": "string",
        LOGICAL: "uuid",
        "default": "",
    }
    assert prepared_for_fastavro([schema], with_defaults=False) == [
        {"type": "string", LOGICAL: "uuid"}
    ]
    assert schema["logicalType"] == "uuid"


def test_a_schema_that_is_too_deep_is_refused() -> None:
    deep: list[object] = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(ValueError, match="nested deeper than 64"):
        prepared_for_fastavro(deep, with_defaults=True)


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


def test_local_timestamps_are_another_type() -> None:
    assert local_timestamp_unit({"type": "long", LOGICAL: "local-timestamp-micros"}) == 1
    assert local_timestamp_unit({"type": "long", LOGICAL: "timestamp-micros"}) is None
    assert local_text(timestamp(1500, 1000)) == "1970-01-01T00:00:01.500000"


def test_a_logical_type_on_a_type_that_it_is_not_for_means_nothing() -> None:
    assert timestamp_unit({"type": "string", LOGICAL: "timestamp-millis"}) is None
    assert local_timestamp_unit({"type": "int", LOGICAL: "local-timestamp-millis"}) is None


def test_nanoseconds_are_cut_to_microseconds() -> None:
    unit = timestamp_unit({"type": "long", LOGICAL: "timestamp-nanos"})
    assert unit == Fraction(1, 1000)
    moment = datetime(2025, 12, 25, 16, 0, 0, 123456, tzinfo=UTC)
    assert timestamp(1_766_678_400_123_456_789, unit) == moment
    assert timestamp(-1, unit) == datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.mark.parametrize(("value", "bound"), [(2**62, datetime.max), (-(2**62), datetime.min)])
def test_an_instant_beyond_all_dates_is_the_last_or_the_first(value: int, bound: datetime) -> None:
    with pytest.raises(OverflowError):
        timestamp(value, 1000)
    assert bounded_timestamp(value, 1000) == bound.replace(tzinfo=UTC)
    assert bounded_timestamp(1, 1000) == timestamp(1, 1000)


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instants_text_is_the_same_as_in_a_message(moment: datetime) -> None:
    assert instant_text(moment) == format_timestamp(to_timestamp(moment))


def test_an_instants_text_is_in_utc() -> None:
    moment = datetime(2025, 12, 25, 18, tzinfo=timezone(timedelta(hours=2)))
    assert instant_text(moment) == "2025-12-25T16:00:00Z"
    assert instant_text(moment.replace(microsecond=250_000)) == "2025-12-25T16:00:00.25Z"


@given(st.integers(-(10**15), 10**15), st.sampled_from([1000, 1]))
def test_a_timestamp_is_written_as_it_was_read(value: int, unit: int) -> None:
    moment = bounded_timestamp(value, unit)
    if datetime.min.replace(tzinfo=UTC) < moment < datetime.max.replace(tzinfo=UTC):
        assert units_since_epoch(moment, unit) == value


def test_a_type_is_named_with_what_it_means() -> None:
    named = {"com.R": {"type": "record", "name": "com.R", "fields": []}}
    assert type_text(["null", {"type": "long", LOGICAL: "timestamp-nanos"}], named) == (
        "null or long (timestamp-nanos)"
    )
    assert type_text("com.R", named) == "record com.R"
