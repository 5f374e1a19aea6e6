"""Where celpy's interpreter and CEL differ, the engine is CEL's."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from engine.cel import evaluate
from engine.cel.values.values import UInt
from engine.errors import EvaluationError, ExpressionError
from tests.unit.cel.celpy_reference import ERROR, celpy_answer

ROWS = tomllib.loads(
    Path(__file__).with_name("celpy_differences.toml").read_text(encoding="utf-8")
)["difference"]


def our_answer(expression: str) -> Any:
    try:
        return evaluate(expression)
    except (EvaluationError, ExpressionError):
        return ERROR


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["expression"])
def test_celpy_differs_as_listed_and_the_engine_is_right(row: dict[str, str]) -> None:
    celpy, right = json.loads(row["celpy"]), json.loads(row["right"])
    assert row["reason"]
    assert (type(celpy), celpy) != (type(right), right)
    theirs, ours = celpy_answer(row["expression"]), our_answer(row["expression"])
    assert (type(theirs), theirs) in ((type(celpy), celpy), (UInt, celpy))
    assert (type(ours), ours) == (type(right), right)
