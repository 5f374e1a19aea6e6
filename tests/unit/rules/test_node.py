"""Nodes know their place and whether they are null."""

from __future__ import annotations

import pytest

from engine.errors import Place
from engine.rules.document import parse_document
from engine.rules.faults import Faults
from engine.rules.nodes import MappingNode, ScalarNode, SequenceNode, Source, YamlNode


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
