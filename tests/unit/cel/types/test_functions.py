"""Every function has a text for people and a case."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from engine.cel import evaluate
from engine.cel.types.functions import FUNCTIONS
from engine.errors import EvaluationError

CASES: dict[str, list[str]] = tomllib.loads(
    Path(__file__).with_name("functions.toml").read_text(encoding="utf-8")
)["cases"]


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_has_a_case_that_it_passes(name: str) -> None:
    expression, value = CASES[name]
    assert name.rpartition(".")[2] in expression
    assert evaluate(expression) == json.loads(value)


def test_every_function_says_what_it_gives() -> None:
    for function in FUNCTIONS.values():
        assert function.doc.endswith(".")
        assert function.is_global or function.is_member
        assert len({overload.params for overload in function.overloads}) == len(function.overloads)


@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - {"dyn", "type"}))
def test_every_function_fails_on_null(name: str) -> None:
    function = FUNCTIONS[name]
    args = ", ".join(["null"] * (function.arities[0] - (not function.is_global)))
    call = f"{name}({args})" if function.is_global else f"null.{name}({args})"
    with pytest.raises(EvaluationError) as caught:
        evaluate(call)
    assert caught.value.error_type == "null_operand"
