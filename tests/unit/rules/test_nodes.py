"""Nodes know their place in the file, and are read as texts, flags and numbers."""

from __future__ import annotations

import pytest

from engine.errors import Place
from engine.rules.document import parse_document
from engine.rules.faults import Faults
from engine.rules.nodes import (
    MappingNode,
    ScalarNode,
    SequenceNode,
    Source,
    YamlNode,
    as_flag,
    as_mapping,
    as_sequence,
    as_text,
    check_keys,
    kind_of,
    line_and_column,
    number_of,
    source_index,
)


def _parse(text: str) -> YamlNode:
    node = parse_document(Source("f.yaml", text), Faults())
    assert node is not None
    return node


@pytest.mark.parametrize("text", ["~", "null", "Null", "NULL", ""])
def test_words_for_null_are_null_without_quotes_only(text: str) -> None:
    plain, quoted = _parse(f"[a, {text}]" if text else "[a,b]\n"), _parse(f'["{text}"]')
    assert isinstance(plain, SequenceNode)
    assert isinstance(quoted, SequenceNode)
    if text:
        assert isinstance(plain.items[1], ScalarNode)
        assert plain.items[1].is_null
    assert isinstance(quoted.items[0], ScalarNode)
    assert not quoted.items[0].is_null


def test_a_key_without_a_value_holds_null() -> None:
    node = _parse("a:\nb: 1\n")
    assert isinstance(node, MappingNode)
    value = node.values["a"]
    assert isinstance(value, ScalarNode)
    assert value.is_null


def test_a_tag_makes_a_text_of_null() -> None:
    node = _parse("[!!str null, ! null, !!null null]")
    assert isinstance(node, SequenceNode)
    assert [isinstance(item, ScalarNode) and item.is_null for item in node.items] == [
        False,
        False,
        True,
    ]


def test_places_count_from_one_and_in_characters() -> None:
    node = _parse("é: 1\n🚗🚗: [a, {b: c}]\n")
    assert isinstance(node, MappingNode)
    sequence = node.values["🚗🚗"]
    assert isinstance(sequence, SequenceNode)
    assert node.keys["🚗🚗"].place == Place("f.yaml", 2, 1)
    assert sequence.place == Place("f.yaml", 2, 5)
    assert sequence.items[1].place == Place("f.yaml", 2, 9)


def test_a_places_index_counts_every_line_break_of_yaml() -> None:
    text = "a: 1\r\nb: 2\rc: 3\x85d: 4\u2028e: 5\u2029f: 6\n"
    source = Source("f.yaml", text)
    values = [text.index(digit) for digit in "123456"]
    assert [source.index(line, 4) for line in range(1, 7)] == values
    nodes = parse_document(source, Faults())
    assert isinstance(nodes, MappingNode)
    scalars = [node for node in nodes.values.values() if isinstance(node, ScalarNode)]
    assert [source.index(each.line, each.column) for each in scalars] == values


@pytest.mark.parametrize(
    ("text", "is_cut"),
    [
        ("a: Gate #1", True),
        ("a: #1", True),
        ("a: Gate  # a comment", False),
        ("a: Gate#1", False),
        ("a: 'Gate' #1", False),
        ("a: |\n  Gate #1", False),
        ("a: Gate\n#1", False),
        ("a: Gate", False),
    ],
)
def test_a_number_sign_with_no_blank_behind_cuts_a_text(text: str, is_cut: bool) -> None:
    node = _parse(text)
    assert isinstance(node, MappingNode)
    value = node.values["a"]
    assert isinstance(value, ScalarNode)
    assert value.is_cut is is_cut


def _scalar(text: str) -> ScalarNode:
    root = parse_document(Source("f.yaml", text), Faults())
    assert isinstance(root, MappingNode)
    scalar = root.values["when"]
    assert isinstance(scalar, ScalarNode)
    return scalar


STYLES = {
    "plain": "when: a > b\n",
    "plain over lines": "when: a >\n  b\n\n  c # no\nx: 1\n",
    "single quotes": "when: 'it''s > b'\n",
    "single quotes over lines": "when: 'a\n   b'\n",
    "double quotes": 'when: "a > b"\n',
    "double quotes with escapes": 'when: "a\\"b\\\\c\\u00e9d\\x41e"\n',
    "double quotes with an escaped break": 'when: "a \\\n    b"\n',
    "literal": "when: |\n  a\n   b\n\n  c \n\n\nx: 1\n",
    "literal after blank lines": "when: |\n\n\n  a\n",
    "literal with an indentation indicator": "when: |2-\n   ab\n  c\n",
    "folded": "when: >-\n\n  ab c\n  d\n\n  e\n    f\n  g\n\nx: 1\n",
    "after an anchor and a tag": "when: &it !!str a > b\n",
    "wide and combining characters": "when: 🚗 é > b\n",
    "carriage returns": "when: |\r\n  a\r\n  b\r\nx: 1\r\n",
    "old carriage returns": "when: |\r  a\r  b\rx: 1\r",
}
SPELLED = {'"', "\\", "é", "A"}


@pytest.mark.parametrize("text", STYLES.values(), ids=STYLES.keys())
def test_every_visible_character_is_found_where_it_stands(text: str) -> None:
    scalar = _scalar(text)
    lines = text.splitlines()
    for offset, char in enumerate(scalar.text):
        if char.isspace():
            continue
        place = scalar.place_at(offset)
        there = lines[place.line - 1][place.column - 1]
        assert there == char or (there == "\\" and char in SPELLED), (offset, char, place)


@pytest.mark.parametrize("text", STYLES.values(), ids=STYLES.keys())
def test_the_end_is_after_the_last_visible_character(text: str) -> None:
    scalar = _scalar(text)
    end = scalar.place_at(len(scalar.text))
    last = scalar.place_at(len(scalar.text.rstrip()) - 1)
    assert (end.line, end.column) == (last.line, last.column + 1)


def test_an_offset_that_can_not_be_found_gives_the_start() -> None:
    scalar = ScalarNode(Source("f.yaml", "when: other"), "text", True, "", 1, 7)
    assert scalar.place_at(3) == Place("f.yaml", 1, 7)


def test_a_source_that_ends_early_is_no_match() -> None:
    assert source_index("when: |", 6, "ab", "|", 1) is None


def test_lines_and_columns_count_from_the_place_of_the_start() -> None:
    assert line_and_column("x: abc\n  d", 3, Place("f", 1, 4), 9) == (2, 3)


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
