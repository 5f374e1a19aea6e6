"""What a schema promises of a field's values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.errors import SchemaError
from engine.schema import Domain, EventSchema
from engine.schema.field_type import of_characters, without


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
