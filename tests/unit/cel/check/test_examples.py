"""Messages show the names that the caller gives, and none of anybody's schema without them."""

from __future__ import annotations

import pytest

from engine.cel import compile_condition, compile_expression, compile_template
from engine.cel.syntax.examples import NEUTRAL, Examples
from engine.errors import ExpressionError
from engine.schema import FieldType, Kind

VARIABLES = {"weight": FieldType(Kind.DOUBLE)}
PARCELS = Examples("parcel.sender", "weight", "parcel.size", ("parcel.code",), "recalled")


def remedy_of(text: str, examples: Examples) -> str:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, VARIABLES, examples=examples)
    return caught.value.problems[0].remedy


@pytest.mark.parametrize(
    ("text", "neutral", "of_parcels"),
    [
        ("$x > 1", "a field is written record.field", "a field is written parcel.sender"),
        ("event.x > 1", "as they are: record.field", "as they are: parcel.sender"),
        ("states('x') > 1", "as they are: field", "as they are: weight"),
        ("in_watchlist('x')", 'watchlist("name")', 'watchlist("recalled")'),
        ("rows('x') > 1", "rows(record.field)", "rows(parcel.code)"),
        ("size(watchlist('x')) > 1", "write record.field in", "write parcel.code in"),
        ("watchlist(1)", 'watchlist("name")', 'watchlist("recalled")'),
    ],
)
def test_a_remedy_shows_the_names_of_the_caller(text: str, neutral: str, of_parcels: str) -> None:
    assert neutral in remedy_of(text, NEUTRAL)
    assert of_parcels in remedy_of(text, PARCELS)


def test_a_template_shows_the_names_of_the_caller() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template("{}", VARIABLES, examples=PARCELS)
    assert "such as {weight};" in caught.value.problems[0].remedy


def test_a_condition_shows_the_names_of_the_caller() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition("weight + 1", "equals", 1, VARIABLES, PARCELS)
    assert "write it like parcel.size;" in caught.value.problems[0].remedy
