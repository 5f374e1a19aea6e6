"""Calls: the overload that fits, or a failure that names the types."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.cel import evaluate
from engine.cel.values.values import FailureKind
from engine.errors import EvaluationError


def failure_of(expression: str, **bindings: Any) -> EvaluationError:
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression, bindings)
    return caught.value


def test_the_overload_is_chosen_by_the_types_of_the_values() -> None:
    assert evaluate("size(x)", {"x": [1]}) == evaluate("size(x)", {"x": "a"}) == 1
    assert evaluate("x.size()", {"x": {1: 2}}) == 1
    assert evaluate("x.getHours()", {"x": timedelta(hours=5)}) == 5


@pytest.mark.parametrize("function", ["contains", "startsWith", "endsWith", "matches"])
def test_a_constant_and_a_computed_text_give_the_same(function: str) -> None:
    for text in ("a", "b", "", "ab"):
        fixed = evaluate(f"x.{function}('{text}')", {"x": "abc"})
        assert evaluate(f"x.{function}(y)", {"x": "abc", "y": text}) is fixed


@pytest.mark.parametrize("argument", ["'a'", "y"])
@pytest.mark.parametrize("function", ["contains", "startsWith", "matches"])
def test_a_target_of_another_type_fails_with_the_types(function: str, argument: str) -> None:
    error = failure_of(f"x.{function}({argument})", x=1, y="a")
    assert error.error_type == FailureKind.NO_OVERLOAD
    assert str(error) == f"'{function}' can't be applied to (int, string)"


def test_an_argument_of_another_type_fails() -> None:
    assert failure_of("x.contains(1)", x="a").error_type == FailureKind.NO_OVERLOAD
    assert failure_of("x.charAt(true)", x="a").error_type == FailureKind.NO_OVERLOAD
    assert failure_of("size(x)", x=1).error_type == FailureKind.NO_OVERLOAD


def test_a_bad_pattern_fails_when_it_is_evaluated() -> None:
    assert evaluate("true || 'a'.matches('(')") is True
    assert failure_of("'a'.matches('(')").error_type == FailureKind.BAD_REGEX
    assert failure_of("'a'.matches(x)", x="(").error_type == FailureKind.BAD_REGEX
    assert failure_of("x.matches('a')", x="\ud800").error_type == FailureKind.BAD_ARGUMENT
