"""Random conditions: the engine and celpy's interpreter give the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from engine.cel import evaluate
from engine.errors import EvaluationError
from tests.support.random_cases import examples
from tests.unit.cel.celpy_reference import ERROR, celpy_answer
from tests.unit.cel.expressions import BINDINGS, CONDITIONS


def our_answer(text: str) -> Any:
    try:
        return evaluate(text, BINDINGS)
    except EvaluationError:
        return ERROR


@examples(300)
@given(CONDITIONS)
def test_random_conditions_agree_with_celpys_interpreter(text: str) -> None:
    assert our_answer(text) == celpy_answer(text, BINDINGS)
