"""Random expressions: the engine and Google's C++ implementation give the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from engine.cel import compile_expression, evaluate
from engine.errors import EvaluationError, ExpressionError
from tests.support.random_cases import examples
from tests.unit.cel.google_reference import (
    DIFFERENCES,
    ERROR,
    comparable,
    google_answer,
    is_known,
)
from tests.unit.cel.plate_variables import VARIABLES, event
from tests.unit.cel.typed_expressions import CONDITIONS, EVENTS, VALUES


def assert_same(text: str, values: dict[str, Any]) -> None:
    try:
        expression = compile_expression(text, VARIABLES)
    except ExpressionError:
        return
    if is_known(text):
        return
    try:
        ours = comparable(expression.evaluate(values))
    except EvaluationError:
        ours = ERROR
    theirs = google_answer(text, values)
    assert (type(ours), ours) == (type(theirs), theirs)


@examples(400)
@given(CONDITIONS, EVENTS)
def test_random_conditions_agree_with_googles_implementation(
    text: str, values: dict[str, Any]
) -> None:
    assert_same(text, values)


@examples(200)
@given(VALUES, EVENTS)
def test_random_values_agree_with_googles_implementation(text: str, values: dict[str, Any]) -> None:
    assert_same(text, values)


@pytest.mark.slow
@pytest.mark.timeout(0)
@examples(15_000)
@given(CONDITIONS | VALUES, EVENTS)
def test_many_random_expressions_agree_with_googles_implementation(
    text: str, values: dict[str, Any]
) -> None:
    assert_same(text, values)


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: row["expression"])
def test_google_differs_as_listed_and_the_engine_is_right(row: dict[str, str]) -> None:
    assert row["reason"]
    assert is_known(row["expression"]) or "/ 0.0" in row["expression"]
    google, right = json.loads(row["google"]), json.loads(row["right"])
    assert (type(google), google) != (type(right), right)
    assert google_answer(row["expression"], event()) == google
    try:
        ours: Any = evaluate(row["expression"])
    except EvaluationError:
        ours = ERROR
    assert (type(ours), ours) == (type(right), right)
