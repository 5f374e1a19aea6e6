"""The library's door: plain values in, plain values out, our errors only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.cel import evaluate
from engine.cel.values.values import FailureKind
from engine.errors import EvaluationError, ExpressionError


def test_plain_values_go_in_and_come_out() -> None:
    moment = datetime(2025, 12, 25, 16, tzinfo=UTC)
    assert evaluate("x + y", {"x": moment, "y": timedelta(hours=1)}) == moment.replace(hour=17)
    assert evaluate("x - y", {"x": moment, "y": moment}) == timedelta(0)
    assert evaluate("[x, {'a': x}]", {"x": 1}) == [1, {"a": 1}]
    assert evaluate("x.a[0].b", {"x": {"a": ({"b": "c"},)}}) == "c"


def test_names_are_found_from_the_container_outwards() -> None:
    bindings = {"a.b.x": 1, "a.x": 2, "x": 3}
    assert evaluate("x", bindings, container="a.b") == 1
    assert evaluate("x", bindings, container="a") == 2
    assert evaluate(".x", bindings, container="a") == 3
    assert evaluate("a.b.x", bindings) == 1


def test_what_is_no_cel_is_an_expression_error() -> None:
    with pytest.raises(ExpressionError):
        evaluate("1 +")


@pytest.mark.parametrize("value", [object(), datetime(2025, 1, 1), 2**63, {None: 1}])
def test_a_binding_of_no_cel_type_is_an_evaluation_error(value: Any) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate("1", {"x": value})
    assert caught.value.error_type == FailureKind.BAD_ARGUMENT


def test_a_binding_nested_without_end_is_an_evaluation_error() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(EvaluationError) as caught:
        evaluate("x == x", {"x": deep})
    assert caught.value.error_type == FailureKind.TOO_LARGE
    while deep:
        deep = deep.pop()


def test_the_same_expression_may_see_other_bindings() -> None:
    assert [evaluate("x * 2", {"x": value}) for value in (1, 2)] == [2, 4]
    with pytest.raises(EvaluationError):
        evaluate("x * 2", {"y": 1})
