from __future__ import annotations

import json
import math
import struct
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.cel.values.instants import format_timestamp
from engine.cel.values.values import to_timestamp
from engine.errors import DecodeError, SchemaError
from engine.schema import RecordWriter
from engine.schema.avro import (
    LOGICAL,
    bounded_timestamp,
    full_schema,
    instant_text,
    local_text,
    local_timestamp_unit,
    prepared_for_fastavro,
    shortest,
    timestamp,
    timestamp_unit,
    type_text,
    units_since_epoch,
    unsafe_reason,
)
from tests.support.avro import changed, plate_schema


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


def _record(*types: Any, name: str = "R") -> dict[str, Any]:
    fields = [{"name": f"f{i}", "type": each} for i, each in enumerate(types)]
    return {"type": "record", "name": name, "fields": fields}


@pytest.mark.parametrize(
    "items",
    [
        "null",
        _record(),
        _record("null", _record("null", name="S")),
        {"type": "fixed", "name": "F", "size": 0},
    ],
)
def test_lists_of_items_that_take_no_bytes_are_a_danger(items: Any) -> None:
    nested = {"type": "map", "values": ["null", {"type": "array", "items": items}]}
    assert unsafe_reason(_record("string", nested, name="T"), {}) == (
        "it has lists of items that take no bytes"
    )


@pytest.mark.parametrize(
    "items",
    [
        "string",
        "int",
        ["null", "string"],
        _record("null", "int"),
        {"type": "map", "values": "null"},
    ],
)
def test_lists_of_items_that_take_bytes_are_none(items: Any) -> None:
    assert unsafe_reason(_record({"type": "array", "items": items}, name="T"), {}) == ""


def test_a_record_that_holds_itself_is_a_danger() -> None:
    named = {"A": _record(["null", "B"], name="A"), "B": _record("int", "A", name="B")}
    assert unsafe_reason("A", named) == "the record A holds itself"


def test_a_deep_value_of_a_recursive_type_never_reaches_the_reader() -> None:
    node = {
        "type": "record",
        "name": "Node2",
        "fields": [{"name": "next", "type": ["null", "Node2"], "default": None}],
    }
    writer = changed(
        lambda raw: raw["fields"].append({"name": "chain", "type": ["null", node], "default": None})
    )
    with pytest.raises(DecodeError, match="Node2 holds itself"):
        plate_schema().reader(writer)


def test_types_that_are_used_often_are_looked_at_once() -> None:
    named = {
        f"T{i}": {
            "type": "record",
            "name": f"T{i}",
            "fields": [{"name": side, "type": f"T{i + 1}"} for side in ("left", "right")],
        }
        for i in range(60)
    }
    named["T60"] = {"type": "record", "name": "T60", "fields": [{"name": "a", "type": "int"}]}
    assert unsafe_reason("T0", named) == ""


MAX = 3.4028234663852886e38


def _float32(bits: int) -> float:
    (value,) = struct.unpack("<f", struct.pack("<I", bits))
    return float(value)


def _reads_back(text: str, value: float) -> bool:
    try:
        return struct.pack("<f", float(text)) == struct.pack("<f", value)
    except OverflowError:
        return False


def _by_search(value: float) -> float:
    """The definition: of the decimals with the fewest digits that read back, the nearest."""
    for digits in range(1, 10):
        number, exponent = f"{value:.{digits - 1}e}".split("e")
        nearest, power = int(number.replace(".", "")), int(exponent) - digits + 1
        found = [
            (abs(Fraction(each) * Fraction(10) ** power - Fraction(value)), f"{each}e{power}")
            for each in (nearest, nearest - 1, nearest + 1)
            if _reads_back(f"{each}e{power}", value)
        ]
        if found:
            return float(min(found, key=lambda pair: pair[0])[1])
    raise AssertionError(value)


@given(st.integers(0, 2**32 - 1))
@example(0x00000001)
@example(0x007FFFFF)
@example(0x00800000)
@example(0x7F7FFFFF)
@example(0x3F666666)
@example(0x4B800000)
@example(0x0A000000)
def test_a_float_of_any_bits_becomes_its_shortest_decimal(bits: int) -> None:
    value = _float32(bits)
    if math.isfinite(value) and value:
        assert shortest(value) == _by_search(value)


@given(st.floats(0.0, 1.0, width=32))
def test_a_probability_becomes_its_shortest_decimal(value: float) -> None:
    assert shortest(value) == (_by_search(value) if value else 0.0)


@pytest.mark.parametrize("exponent", range(-149, 128))
def test_a_power_of_two_becomes_its_shortest_decimal(exponent: int) -> None:
    assert shortest(2.0**exponent) == _by_search(2.0**exponent)


@given(st.decimals(0, 1, places=6))
def test_up_to_six_digits_come_back_as_they_were_written(written: object) -> None:
    value = float(str(written))
    (stored,) = struct.unpack("<f", struct.pack("<f", value))
    assert shortest(stored) == value


@pytest.mark.parametrize("value", [math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0])
def test_infinities_zeros_and_ones_stay_as_they_are(value: float) -> None:
    assert repr(shortest(value)) == repr(value)


def test_a_nan_stays_a_nan() -> None:
    assert math.isnan(shortest(math.nan))


def test_negative_floats_mirror_positive_ones() -> None:
    assert shortest(-0.8999999761581421) == -0.9


def test_the_largest_float_reads_back() -> None:
    assert shortest(MAX) == 3.4028235e38


SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "R",
        "fields": [
            {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["A", "B"]}},
            {"name": "text", "type": "string"},
        ],
    }
)


def test_a_record_is_written_as_avro() -> None:
    assert RecordWriter(SCHEMA).write({"kind": "B", "text": "hi"}) == b"\x02\x04hi"


@pytest.mark.parametrize(
    ("record", "where"),
    [
        ({"kind": "ABC123", "text": ""}, "R.kind"),
        ({"kind": "A", "text": 4711}, "R.text"),
        ({"kind": "A"}, "R.text"),
        ({"kind": "A", "text": "ABC123 \ud800"}, "UnicodeEncodeError"),
    ],
)
def test_what_does_not_fit_is_told_by_its_field_and_never_quoted(
    record: dict[str, Any], where: str
) -> None:
    with pytest.raises(SchemaError) as caught:
        RecordWriter(SCHEMA).write(record)
    assert str(caught.value) == f"a record does not fit its schema: {where}"


@pytest.mark.parametrize("text", ["{", '{"type": "nothing"}', "[]]", '{"type": "record"}'])
def test_a_schema_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(SchemaError, match="not an Avro schema"):
        RecordWriter(text)
