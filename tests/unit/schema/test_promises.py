"""Values that the schema rules out are found wherever they stand."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from engine.demo.cameras import overlay
from engine.schema import BrokenPromise, EventSchema
from tests.support.avro import plate_schema
from tests.unit.plate import plate_event

SHARE = {"type": "double", "minimum": 0, "maximum": 1}
WORD = {"type": "string", "characters": "a-z"}


def _record(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


def _list(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


INNER = _record("S", {"name": "z", "type": WORD})


def _schema(kind: Any, **properties: Any) -> EventSchema:
    return EventSchema.parse(json.dumps(_record("E", {"name": "x", "type": kind, **properties})))


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
            ["null", _record("R", {"name": "y", "type": ["null", INNER]})],
            [None, {"y": None}, {"y": {"z": "ok"}}],
            {"y": {"z": "NO"}},
            "x.y.z",
            "NO",
        ),
        (
            _list(_record("R", {"name": "y", "type": SHARE})),
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
