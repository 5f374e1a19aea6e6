"""Hovering explains keys, fields with their types and values, functions, and operators as CEL."""

from __future__ import annotations

import pytest
from lsprotocol.types import MarkupContent

from engine.cel import Operator
from engine.cel.check.likeness import FUNCTIONS
from engine.cel.syntax.tree import Macro
from engine.editor.hover import explain
from engine.editor.language import BY_LIKENESS, MACROS, call_help
from engine.editor.text import Text
from engine.rules.keys import OPERATORS
from tests.support.avro import plate_schema

TEXT = """\
rules:
  - id: gate
    priority: high
    when: plate.confidence > 0.5 && camera_id.startsWith("g") && math.abs(1) == 1
    conditions:
      - {field: extras.direction, operator: equals, value: In}
      - field: plate.normalized_text
        operator: in_list
        value: [ABC123]
    message_template: "{vehicle.color} {rule.name}"
    tests:
      - event: {plate: {region: US-FL}}
        expect: match
"""


def said_of(word: str, text: str = TEXT) -> str:
    found = explain(Text("r.yaml", text), text.index(word) + 1, plate_schema())
    if found is None:
        return ""
    assert isinstance(found.contents, MarkupContent)
    return found.contents.value


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("rules:", "The list of rules."),
        ("priority", "`high` · `medium` · `low`"),
        ("field: plate", "dotted path"),
        ("confidence", "`plate.confidence`: double"),
        ("confidence", "Values: from 0 to 1"),
        ("direction", "`extras.direction`: string or null"),
        ("normalized_text", "Values: the characters `A-Z0-9`"),
        ("startsWith", "string.startsWith(string) → bool"),
        ("abs(", "math.abs(double) → double"),
        ("color", "`vehicle.color`: string or null"),
        ("name}", "`rule.name`: string"),
        ("region", "`plate.region`: string or null"),
        ("equals", OPERATORS[Operator.EQUALS]),
        ("equals", 'extras.direction != null && lower(extras.direction) == "in"'),
        ("in_list", 'lower(plate.normalized_text) in ["abc123"]'),
    ],
)
def test_a_word_is_explained(word: str, says: str) -> None:
    assert says in said_of(word)


@pytest.mark.parametrize("word", ["gate", "ABC123", "0.5", "match\n"])
def test_of_the_authors_own_words_nothing_is_said(word: str) -> None:
    assert said_of(word) == ""


def test_an_operator_of_a_faulty_condition_is_explained_without_cel() -> None:
    assert said_of("in_list", TEXT.replace("[ABC123]", "ABC123")) == OPERATORS[Operator.IN_LIST]


@pytest.mark.parametrize(
    ("operator", "value", "cel"),
    [
        ("similar_to", "ABC123", 'similar(plate.normalized_text, "ABC123")'),
        ("in_watchlist", "stolen", 'plate.normalized_text in watchlist("stolen")'),
        ("similar_in_watchlist", "stolen", 'similar(plate.normalized_text, watchlist("stolen"))'),
    ],
)
def test_an_operator_of_plates_is_shown_as_cel(operator: str, value: str, cel: str) -> None:
    text = TEXT.replace("in_list", operator).replace("[ABC123]", value)
    assert (
        said_of(operator, text) == f"{OPERATORS[Operator(operator)]}\n\nAs CEL:\n\n```\n{cel}\n```"
    )


def test_a_function_of_plates_is_explained() -> None:
    text = TEXT.replace("math.abs(1) == 1", 'similar(plate.text, "A")')
    assert "similar(plate.normalized_text, watchlist(" in said_of("similar(", text)


def test_every_operator_and_macro_is_explained() -> None:
    assert {*OPERATORS} == {*Operator}
    names = {f"cel.{each}" if each is Macro.BIND else str(each) for each in Macro}
    assert {*MACROS} == names | {"has"}
    assert all(call_help(name) for name in MACROS)
    assert {*BY_LIKENESS} == {*FUNCTIONS}
    assert all(f"{name}(" in call_help(name) for name in BY_LIKENESS)
