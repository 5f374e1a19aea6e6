from __future__ import annotations

from typing import Any

import pytest

from engine.errors import DecodeError
from engine.schema.avro import unsafe_reason
from tests.support.avro import changed, plate_schema


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
