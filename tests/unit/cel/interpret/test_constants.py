"""What is settled when an expression is planned."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel.interpret.closures import equals_constant, folded, orders_constant
from engine.cel.syntax.parser import parse
from engine.cel.syntax.tree import Bound, constant_of
from engine.cel.values.comparison import ORDERINGS, equal
from engine.cel.values.values import MISSING, FailureKind, failure
from engine.errors import EvaluationError
from tests.unit.cel.values.test_comparison import VALUES


def test_literals_and_lists_of_them_are_constants() -> None:
    assert constant_of(parse("[1, ['a', null]]")) == [1, ["a", None]]
    assert constant_of(Bound(0, ("a", "b"))) == ["a", "b"]
    assert constant_of(parse("[1, x]")) is MISSING
    assert constant_of(parse("1 + 1")) is MISSING


def test_a_call_of_constants_is_made_once() -> None:
    calls: list[int] = []

    def count(bindings: dict[Any, Any]) -> int:
        calls.append(1)
        return 7

    run = folded(count)
    assert (run({}), run({}), len(calls)) == (7, 7, 1)


def test_a_call_of_constants_that_fails_goes_on_failing() -> None:
    def fail(bindings: dict[Any, Any]) -> Any:
        raise failure(FailureKind.OVERFLOW, "too much")

    with pytest.raises(EvaluationError):
        folded(fail)({})


def outcome(run: Any, *args: Any) -> Any:
    try:
        return run(*args)
    except EvaluationError as error:
        return error.error_type


@given(VALUES, VALUES)
def test_equality_with_a_constant_is_equality(value: Any, constant: Any) -> None:
    for is_equal in (True, False):
        special = equals_constant(lambda _: value, constant, is_equal=is_equal)
        assert special is None or special({}) is (equal(value, constant) is is_equal)


@given(VALUES, st.one_of(st.integers(-3, 3), st.floats(), st.text("ab", max_size=2)))
def test_ordering_against_a_constant_is_ordering(value: Any, constant: Any) -> None:
    for function, order in ORDERINGS.items():
        special = orders_constant(lambda _: value, function, constant)
        assert outcome(special, {}) == outcome(order, value, constant)
