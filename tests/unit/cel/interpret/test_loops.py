"""The macros over lists and maps."""

from __future__ import annotations

from typing import Any

import pytest

from engine.cel import evaluate
from engine.cel.interpret.budget import MAX_ROUNDS
from engine.cel.values.values import FailureKind
from engine.errors import EvaluationError


def failure_of(expression: str, bindings: dict[str, Any] | None = None) -> str:
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression, bindings)
    return caught.value.error_type


def test_all_is_false_if_any_is_false_whatever_fails_beside_it() -> None:
    assert evaluate("[0, 1, 2].all(x, 2 / x == 2)") is False
    assert evaluate("[0].all(x, x > 0)") is False
    assert evaluate("[].all(x, 1 / 0 == 1)") is True
    assert failure_of("[0, 2].all(x, 2 / x == 1)") == FailureKind.DIVISION_BY_ZERO


def test_exists_is_true_if_any_is_true_whatever_fails_beside_it() -> None:
    assert evaluate("[0, 2].exists(x, 2 / x == 1)") is True
    assert evaluate("[].exists(x, 1 / 0 == 1)") is False
    assert failure_of("[0, 1].exists(x, 2 / x == 1)") == FailureKind.DIVISION_BY_ZERO


def test_exists_one_map_and_filter_fail_with_any_item() -> None:
    assert evaluate("[1, 2].exists_one(x, x == 2)") is True
    for macro in ("exists_one(x, 2 / x == 1)", "map(x, 2 / x)", "filter(x, 2 / x == 1)"):
        assert failure_of(f"[2, 0].{macro}") == FailureKind.DIVISION_BY_ZERO


def test_a_condition_that_is_no_bool_fails() -> None:
    for macro in ("all", "exists", "exists_one", "filter"):
        assert failure_of(f"[1].{macro}(x, x)") == FailureKind.NO_OVERLOAD
    assert evaluate("[1, false].all(x, x)") is False
    assert evaluate("[1, true].exists(x, x)") is True


def test_macros_run_over_the_keys_of_a_map() -> None:
    assert evaluate("{'a': 1, 'b': 2}.map(k, k)") == ["a", "b"]
    assert evaluate("{1: 'a', true: 'b'}.filter(k, k == 1)") == [1]
    assert failure_of("'text'.all(x, true)") == FailureKind.NO_OVERLOAD
    assert failure_of("null.all(x, true)") == FailureKind.NULL_OPERAND


def test_map_with_three_arguments_filters_first() -> None:
    assert evaluate("[0, 1, 2].map(x, x > 0, 2 / x)") == [2, 1]


def test_macros_nest_and_the_inner_name_hides_the_outer() -> None:
    assert evaluate("[[1, 2], [3]].map(x, x.map(x, x + 1))") == [[2, 3], [4]]
    assert evaluate("[1, 2].map(x, [10].map(y, x + y))") == [[11], [12]]
    assert evaluate("[1].all(x, [2].all(y, x == 1)) && [3].all(x, x == 3)") is True


def test_the_rounds_of_all_macros_together_are_bounded() -> None:
    side = int(MAX_ROUNDS**0.5)
    bindings = {"l": list(range(side + 1))}
    assert failure_of("l.all(x, l.all(y, l.all(z, true)))", bindings) == FailureKind.TOO_LARGE
    assert evaluate("l.all(x, true)", bindings) is True


def test_what_map_keeps_is_bounded_too() -> None:
    bindings = {"l": list(range(200)), "t": "x" * 50_000}
    assert failure_of("l.map(x, t + 'x')", bindings) == FailureKind.TOO_LARGE
    assert failure_of("l.map(x, l.map(y, t.replace('x', 'y')))", bindings) == FailureKind.TOO_LARGE
    assert evaluate("l.map(x, t.size()).size()", bindings) == 200


def test_the_callers_bindings_are_left_alone() -> None:
    bindings = {"l": [1, 2]}
    assert evaluate("l.map(x, x)", bindings) == [1, 2]
    assert bindings == {"l": [1, 2]}
