"""Keys of a mapping are read with their types."""

from __future__ import annotations

import pytest

from engine.rules.document import parse_document
from engine.rules.faults import Faults
from engine.rules.nodes import (
    MappingNode,
    Source,
    YamlNode,
    as_flag,
    as_mapping,
    as_sequence,
    as_text,
    check_keys,
    kind_of,
    number_of,
)


def _value(text: str) -> YamlNode:
    root = parse_document(Source("f", f"key: {text}\n"), Faults())
    assert isinstance(root, MappingNode)
    return root.values["key"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-15", -15),
        ("+7", 7),
        ("1_000", 1000),
        ("0.8", 0.8),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("-2.5E-1", -0.25),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_a_decimal_is_a_number(text: str, number: float) -> None:
    assert number_of(text) == number
    assert type(number_of(text)) is type(number)


@pytest.mark.parametrize(
    "text",
    ["", "a", "0123", "0x10", "12:30", ".nan", ".inf", "nan", "1e999", "9" * 19, "9" * 5000, "1 2"],
)
def test_whatever_may_be_read_in_two_ways_is_no_number(text: str) -> None:
    assert number_of(text) is None


@pytest.mark.parametrize(
    ("text", "kind"), [("{}", "a mapping"), ("[]", "a list"), ("", "empty"), ("x", "a text")]
)
def test_kinds_have_words(text: str, kind: str) -> None:
    assert kind_of(_value(text)) == kind


@pytest.mark.parametrize("text", ["true", "yes", "On", "FALSE", "no", "off"])
def test_flags_are_yamls_words(text: str) -> None:
    faults = Faults()
    assert as_flag(_value(text), "`key`", faults) is (text in {"true", "yes", "On"})
    assert not faults.has_errors


@pytest.mark.parametrize("text", ["'true'", "1", "maybe", "[]", ""])
def test_anything_else_is_no_flag(text: str) -> None:
    faults = Faults()
    assert as_flag(_value(text), "`key`", faults) is None
    assert [str(fault) for fault in faults.sorted()] == [
        f"f:1:{6 if text else 5}: `key` must be true or false, write true or false, without quotes"
    ]


def test_wrong_kinds_say_what_was_found() -> None:
    faults = Faults()
    assert as_mapping(_value("[a]"), "`key`", faults) is None
    assert as_sequence(_value("a"), "`key`", faults) is None
    assert as_text(_value("{a: b}"), "`key`", faults) is None
    assert as_text(_value("' '"), "`key`", faults) is None
    assert {fault.what for fault in faults.sorted()} == {
        "`key` must be a mapping, but it is a list",
        "`key` must be a list, but it is a text",
        "`key` must be a text, but it is a mapping",
        "`key` is empty",
    }


def test_an_unknown_key_has_a_suggestion() -> None:
    faults = Faults()
    mapping = _value("{nmae: a, zzz: b}")
    assert isinstance(mapping, MappingNode)
    check_keys(mapping, ("name", "id"), "a thing", faults)
    assert [str(fault) for fault in faults.sorted()] == [
        "f:1:7: unknown key `nmae` in a thing, did you mean `name`?",
        "f:1:16: unknown key `zzz` in a thing, the keys are name, id",
    ]
