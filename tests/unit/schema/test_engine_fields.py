"""What the engine itself takes from an event is declared once, and every schema is held to it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, Final

import pytest

from engine.errors import SchemaError
from engine.rules.rate_limits import DEFAULT_KEY
from engine.rules.rule import DEFAULT_TEMPLATE
from engine.schema import ENGINE_FIELDS, Kind, load_event_schema, value_at
from tests.support.avro import PLATE_EVENT, record_schema

ROOT: Final = Path(__file__).parents[3]
REQUIRED: Final = {each.path for each in ENGINE_FIELDS if each.is_required}
INSTANT: Final = {"type": "long", "logicalType": "timestamp-millis"}


def record(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


def field(name: str, kind: Any = "string") -> dict[str, Any]:
    return {"name": name, "type": kind}


def plate(*fields: dict[str, Any]) -> dict[str, Any]:
    return field("plate", record("Plate", field("normalized_text"), *fields))


LEAST: Final = (field("captured_at"), field("camera_id"), plate())


def faults(folder: Path, *fields: dict[str, Any]) -> list[str]:
    """The faults of a schema of these fields, each without the file's name."""
    path = folder / "plate_event.avsc"
    path.write_text(record_schema(*fields), encoding="utf-8")
    try:
        load_event_schema(path)
    except SchemaError as error:
        lines = str(error).splitlines()
        assert all(line.startswith(f"{path}: ") for line in lines)
        return [line.removeprefix(f"{path}: ") for line in lines]
    return []


def test_the_shipped_schema_has_all_of_them() -> None:
    schema = load_event_schema(PLATE_EVENT)
    assert all(schema.field(each.path) is not None for each in ENGINE_FIELDS)


def test_what_the_engine_can_do_without_need_not_be_there(tmp_path: Path) -> None:
    assert faults(tmp_path, *LEAST) == []


@pytest.mark.parametrize(
    "captured_at",
    [
        {"type": "long", "logicalType": f"{local}timestamp-{unit}"}
        for local in ("", "local-")
        for unit in ("millis", "micros", "nanos")
    ],
    ids=lambda each: each["logicalType"],
)
def test_the_time_may_be_any_avro_timestamp(tmp_path: Path, captured_at: dict[str, Any]) -> None:
    assert faults(tmp_path, field("captured_at", captured_at), *LEAST[1:]) == []
    nullable = field("captured_at", ["null", captured_at])
    assert faults(tmp_path, nullable, *LEAST[1:]) == []


def test_every_field_may_be_null_and_a_text_may_be_an_enum(tmp_path: Path) -> None:
    text = ["null", "string"]
    camera = {"type": "enum", "name": "Camera", "symbols": ["north", "south"]}
    inner = record("Plate", field("normalized_text", text), field("text", text))
    images = record("Images", field("plate_url", text))
    nullable = (
        field("captured_at", text),
        field("camera_id", ["null", camera]),
        field("plate", ["null", inner]),
        field("images", [images, "null"]),
        field("event_id", {"type": "string", "logicalType": "uuid"}),
        field("track_id", text),
    )
    assert faults(tmp_path, *nullable) == []


def test_all_that_is_missing_is_told_at_once_with_what_to_add(tmp_path: Path) -> None:
    found = faults(tmp_path, field("color"))
    assert [re.findall(r"`([\w.]+)`", line)[0] for line in found] == [
        "captured_at",
        "camera_id",
        "plate.normalized_text",
    ]
    assert found[1] == (
        "`camera_id` is missing, but the engine needs a string there, for cooldowns by camera, "
        'messages and logs: add {"name": "camera_id", "type": "string"} to its fields, with '
        '"aliases": ["…"] if it is sent by another name, and "default": "" if it may not be sent '
        "at all"
    )
    assert "to the fields of the record `plate`" in found[2]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            (field("captured_at", "long"), *LEAST[1:]),
            "`captured_at` is long, but the engine needs a string in ISO 8601, or a long with the "
            "logical type timestamp-millis or -micros, for the time of the event: add "
            '"logicalType": "timestamp-millis" to the long, or "timestamp-micros"',
        ),
        (
            (field("captured_at", {"type": "int", "logicalType": "date"}), *LEAST[1:]),
            "`captured_at` is int (date), but the engine needs a string in ISO 8601, or a long "
            "with the logical type timestamp-millis or -micros, for the time of the event: give "
            "it that type here and where it is sent",
        ),
        (
            (LEAST[0], field("camera_id", ["null", "int"]), LEAST[2]),
            "`camera_id` is null or int, but the engine needs a string, for cooldowns by camera, "
            "messages and logs: give it that type here and where it is sent",
        ),
        (
            (*LEAST[:2], field("plate")),
            "`plate` is string, but the engine needs a record with the string `normalized_text` "
            "there, for cooldowns by plate, messages and logs: give it that type here and where "
            "it is sent",
        ),
        (
            (*LEAST[:2], field("plate", record("Plate", field("normalized_text", "bytes")))),
            "`plate.normalized_text` is bytes, but the engine needs a string, for cooldowns by "
            "plate, messages and logs: give it that type here and where it is sent",
        ),
        (
            (*LEAST[:2], plate(field("text", {"type": "array", "items": "string"}))),
            "`plate.text` is array, but the engine needs a string, for masking plates in logs: "
            "give it that type, or leave it out of this file: the engine can do without it",
        ),
        (
            (*LEAST, field("track_id", "long")),
            "`track_id` is long, but the engine needs a string, for cooldowns by track: give it "
            "that type, or leave it out of this file: the engine can do without it",
        ),
        (
            (*LEAST, field("event_id", {"type": "fixed", "name": "Id", "size": 16})),
            "`event_id` is fixed Id, but the engine needs a string, for showing which reading it "
            "was: give it that type, or leave it out of this file: the engine can do without it",
        ),
        (
            (*LEAST, field("images", record("Images", field("plate_url", INSTANT)))),
            "`images.plate_url` is long (timestamp-millis), but the engine needs a string, for "
            "the link to the picture in messages: give it that type, or leave it out of this "
            "file: the engine can do without it",
        ),
    ],
    ids=lambda each: each.split("`")[1] if isinstance(each, str) else "",
)
def test_a_field_of_another_type_is_told_with_its_type_the_needed_one_and_the_remedy(
    tmp_path: Path, fields: tuple[dict[str, Any], ...], told: str
) -> None:
    assert faults(tmp_path, *fields) == [told]


def test_a_list_of_pictures_is_no_link_and_no_fault(tmp_path: Path) -> None:
    assert faults(tmp_path, *LEAST, field("images", {"type": "array", "items": "string"})) == []


def test_what_no_record_could_be_read_by_is_refused(tmp_path: Path) -> None:
    nothing = {"type": "fixed", "name": "Nothing", "size": 0}
    (told,) = faults(tmp_path, *LEAST, field("marks", {"type": "array", "items": nothing}))
    assert told.startswith("it has lists of items that take no bytes, so no record")


def test_a_value_is_found_by_its_path_or_is_absent() -> None:
    event = {"plate": {"text": "a"}, "images": None, "camera_id": "c"}
    assert value_at(event, "plate.text") == "a"
    assert value_at(event, "camera_id") == "c"
    for path in ("plate.normalized_text", "images.plate_url", "camera_id.x", "no.such.thing"):
        assert value_at(event, path) is None


def test_what_rules_ask_for_by_default_is_required() -> None:
    named = set(re.findall(r"\{([\w.]+)\}", DEFAULT_TEMPLATE)) - {"rule.name"}
    assert named | {DEFAULT_KEY} <= REQUIRED
    assert all(Kind.STRING in each.kinds for each in ENGINE_FIELDS)


def test_nobody_takes_one_of_them_from_an_event_by_a_name_of_his_own() -> None:
    names = {each.path.rpartition(".")[2] for each in ENGINE_FIELDS} - {"text"}
    found = [
        f"{path.relative_to(ROOT)}: {ast.unparse(node)}"
        for room in ("engine", "channels")
        for path in sorted((ROOT / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if _key(node) in names
    ]
    assert found == []


def _key(node: ast.AST) -> object:
    """The constant that a value is taken by: `x["key"]` or `x.get("key")`."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return node.slice.value
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ):
        return node.args[0].value
    return None
