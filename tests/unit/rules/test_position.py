"""The way from an offset in a scalar back to the file, walked for every style of YAML."""

from __future__ import annotations

import pytest

from engine.errors import Place
from engine.rules.document import parse_document
from engine.rules.faults import Faults
from engine.rules.nodes import MappingNode, ScalarNode, Source, line_and_column, source_index


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
