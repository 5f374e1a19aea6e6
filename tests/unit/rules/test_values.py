"""YAML values become what the field's type wants."""

from __future__ import annotations

from typing import Any

import pytest

from engine.cel import Operator
from engine.errors import Severity
from engine.rules.document import parse_document
from engine.rules.faults import Faults
from engine.rules.nodes import Source, YamlNode
from engine.rules.values import INVALID, event_record, event_value, operand, plain_value
from engine.schema import FieldType, Kind
from tests.unit.rules.rule_text import schema


def _node(text: str) -> YamlNode:
    node = parse_document(Source("f", text), Faults())
    assert node is not None
    return node


def _operand(text: str, operator: Operator, field: str) -> tuple[object, list[str]]:
    faults = Faults()
    node = _node(f"[{text}]")
    (item,) = node.items  # type: ignore[union-attr]
    value = operand(item, operator, field, schema().field(field), faults)
    return value, [fault.what for fault in faults.sorted()]


SPOILED = ["0123", "12_34", "NO", "12:30", "123456", "2025-12-25", "1.50", "true", "0x1F", "1e3"]


@pytest.mark.parametrize("text", SPOILED)
def test_a_string_field_gets_the_scalars_own_text(text: str) -> None:
    assert _operand(text, Operator.EQUALS, "plate.normalized_text") == (text, [])
    assert _operand(f"[{text}]", Operator.IN_LIST, "plate.region") == ([text], [])


def test_plain_null_stays_null_and_quoted_null_is_a_text() -> None:
    assert _operand("~", Operator.EQUALS, "plate.region") == (None, [])
    assert _operand("null", Operator.EQUALS, "plate.region") == (None, [])
    assert _operand("'null'", Operator.EQUALS, "plate.region") == ("null", [])


def test_the_plate_null_is_warned_of() -> None:
    value, warnings = _operand("[ABC, NULL]", Operator.IN_LIST, "plate.normalized_text")
    assert value == ["ABC", None]
    assert warnings == ["`NULL` without quotes means an absent field"]


@pytest.mark.parametrize(("text", "number"), [("0.8", 0.8), ("15", 15), ("-1", -1)])
def test_a_numeric_field_gets_a_number(text: str, number: float) -> None:
    assert _operand(text, Operator.GREATER_THAN, "plate.confidence") == (number, [])
    assert _operand(text, Operator.EQUALS, "latency_ms") == (number, [])


def test_a_numeric_string_is_taken_with_a_warning() -> None:
    value, warnings = _operand("'0.8'", Operator.EQUALS, "plate.confidence")
    assert value == 0.8
    assert warnings == ["`plate.confidence` is a number, but the value '0.8' stands in quotes"]


def test_an_ordering_takes_a_number_for_a_string_field() -> None:
    assert _operand("'100'", Operator.GREATER_THAN, "plate.text") == (100, [])
    assert _operand("B", Operator.LESS_THAN, "plate.text") == (
        INVALID,
        ["less_than takes a number, but the value is `B`"],
    )


@pytest.mark.parametrize("text", ["high", "0123", "12:30", "true", ".inf"])
def test_another_value_for_a_numeric_field_is_an_error(text: str) -> None:
    value, errors = _operand(text, Operator.EQUALS, "latency_ms")
    assert value is INVALID
    assert errors == [f"`latency_ms` is a number, but the value is `{text}`"]


def test_a_boolean_field_gets_a_boolean() -> None:
    faults = Faults()
    kind = FieldType(Kind.BOOL)
    assert operand(_node("yes"), Operator.EQUALS, "flag", kind, faults) is True
    assert operand(_node("7"), Operator.EQUALS, "flag", kind, faults) is INVALID
    assert [fault.what for fault in faults.sorted()] == [
        "`flag` is true or false, but the value is `7`"
    ]


@pytest.mark.parametrize("operator", [Operator.CONTAINS, Operator.REGEX, Operator.GREATER_THAN])
def test_only_equality_takes_null(operator: Operator) -> None:
    assert _operand("null", operator, "plate.text") == (
        INVALID,
        [f"{operator} needs a value, but it is empty"],
    )


def test_a_long_list_of_faults_is_told_item_by_item() -> None:
    value, errors = _operand("[1, a, [2], {b: 3}]", Operator.IN_LIST, "latency_ms")
    assert value is INVALID
    assert len(errors) == 3


def test_an_empty_list_is_left_to_the_operator() -> None:
    assert _operand("[]", Operator.IN_LIST, "plate.text") == ([], [])


def _event(text: str, kind: FieldType) -> tuple[Any, list[str]]:
    faults = Faults()
    (node,) = _node(f"[{text}]").items  # type: ignore[union-attr]
    value = event_value(node, "x", kind, faults)
    return value, [fault.what for fault in faults.sorted()]


def test_a_tests_event_is_typed_by_the_schema() -> None:
    plate = schema().variables["plate"]
    text = "{text: 0123, confidence: 1, region: null}"
    value, errors = _event(text, plate)
    assert value == {"text": "0123", "confidence": 1.0, "region": None}
    assert type(value["confidence"]) is float
    assert not errors


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("[1, 2]", FieldType(Kind.LIST, element=FieldType(Kind.INT)), [1, 2]),
        ("{a: 1.5}", FieldType(Kind.MAP, element=FieldType(Kind.DOUBLE)), {"a": 1.5}),
        ("yes", FieldType(Kind.BOOL), True),
        ("abc", FieldType(Kind.BYTES), b"abc"),
        ("~", FieldType(Kind.INT, nullable=True), None),
    ],
)
def test_every_kind_of_field_can_be_given(text: str, kind: FieldType, value: object) -> None:
    assert _event(text, kind) == (value, [])


@pytest.mark.parametrize(
    ("text", "kind", "what"),
    [
        ("abc", Kind.INT, "`x` is `abc`, but the event has a whole number there"),
        ("1.5", Kind.INT, "`x` is `1.5`, but the event has a whole number there"),
        ("'1'", Kind.INT, "`x` is the text `1`, but the event has a whole number there"),
        ("'null'", Kind.DOUBLE, "`x` is the text `null`, but the event has a number there"),
        ("[a]", Kind.STRING, "`x` is a list, but the event has a text there"),
        ("{a: b}", Kind.BOOL, "`x` is a mapping, but the event has true or false there"),
    ],
)
def test_a_value_of_the_wrong_type_says_both(text: str, kind: Kind, what: str) -> None:
    assert _event(text, FieldType(kind)) == (INVALID, [what])


def test_unknown_fields_of_an_event_have_places_and_suggestions() -> None:
    faults = Faults()
    record = FieldType(Kind.RECORD, fields=schema().variables)
    mapping = _node("plate: {txt: A}\ncamera: B\n")
    event_record(mapping, "", record, faults)  # type: ignore[arg-type]
    assert [str(fault) for fault in faults.sorted()] == [
        "f:1:9: unknown key `txt` in the record `plate`, did you mean `text`?",
        "f:2:1: unknown key `camera` in the event, did you mean `camera_id`?",
    ]


def test_a_channels_definition_keeps_what_a_number_would_lose() -> None:
    text = (
        "{a: 587, b: +15551234567, c: 0123, d: 1.50, e: 10.5, f: true, g: 'true', h: ~, i: 12:30,"
        " j: [1, {k: v}]}"
    )
    assert plain_value(_node(text)) == {
        "a": 587,
        "b": "+15551234567",
        "c": "0123",
        "d": "1.50",
        "e": "10.5",
        "f": True,
        "g": "true",
        "h": None,
        "i": "12:30",
        "j": [1, {"k": "v"}],
    }


@pytest.mark.parametrize(
    ("field", "text", "remedy"),
    [
        ("plate.confidence", "80", "from 0 to 1"),
        ("plate.normalized_text", "abc", "the characters A-Z0-9"),
        ("latency_ms", "-1", "from 0"),
    ],
)
def test_a_value_that_no_event_has_is_warned_of(field: str, text: str, remedy: str) -> None:
    faults, kind = Faults(), schema().field(field)
    assert kind is not None
    assert event_value(_node(text), field, kind, faults) is not INVALID
    (fault,) = faults.sorted()
    assert fault.severity is Severity.WARNING
    assert remedy in fault.remedy


@pytest.mark.parametrize(
    ("field", "text"),
    [("plate.confidence", "1"), ("plate.normalized_text", "''"), ("latency_ms", "0")],
)
def test_a_value_that_events_may_have_is_not_warned_of(field: str, text: str) -> None:
    faults, kind = Faults(), schema().field(field)
    assert kind is not None
    event_value(_node(text), field, kind, faults)
    assert faults.sorted() == ()
