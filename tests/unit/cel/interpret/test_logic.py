"""`&&`, `||`, `!` and `?:`, every combination of outcomes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from engine.cel.interpret.budget import Closure
from engine.cel.interpret.closures import conjunction, disjunction, negation, ternary
from engine.cel.values.values import FailureKind, failure
from engine.errors import EvaluationError

FAILS = object()
NOT_BOOL = "text"
OUTCOMES = (True, False, FAILS, NOT_BOOL)


def closure(outcome: Any) -> Closure:
    def give(bindings: dict[Any, Any]) -> Any:
        if outcome is FAILS:
            raise failure(FailureKind.NO_KEY, "no such key")
        return outcome

    return give


def result(run: Closure) -> Any:
    try:
        return run({})
    except EvaluationError:
        return FAILS


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_false_operand_decides_and_whatever_fails_beside_it(count: int) -> None:
    for outcomes in itertools.product(OUTCOMES, repeat=count):
        wanted: Any = FAILS
        if False in outcomes:
            wanted = False
        elif all(outcome is True for outcome in outcomes):
            wanted = True
        assert result(conjunction([closure(outcome) for outcome in outcomes])) is wanted, outcomes


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_true_operand_decides_or_whatever_fails_beside_it(count: int) -> None:
    for outcomes in itertools.product(OUTCOMES, repeat=count):
        wanted: Any = FAILS
        if True in outcomes:
            wanted = True
        elif all(outcome is False for outcome in outcomes):
            wanted = False
        assert result(disjunction([closure(outcome) for outcome in outcomes])) is wanted, outcomes


def test_the_failure_that_stands_is_the_first() -> None:
    run = conjunction([closure(True), closure(FAILS), closure(NOT_BOOL)])
    with pytest.raises(EvaluationError, match="no such key"):
        run({})


def test_operands_after_a_decision_are_not_evaluated() -> None:
    seen: list[int] = []

    def third(bindings: dict[Any, Any]) -> bool:
        seen.append(3)
        return True

    assert result(conjunction([closure(True), closure(False), third])) is False
    assert result(disjunction([closure(False), closure(True), third])) is True
    assert seen == []


def test_negation_takes_bools_only() -> None:
    assert result(negation(closure(True))) is False
    assert result(negation(closure(False))) is True
    assert result(negation(closure(NOT_BOOL))) is FAILS
    assert result(negation(closure(None))) is FAILS


def test_only_the_branch_taken_is_evaluated() -> None:
    assert result(ternary(closure(True), closure(1), closure(FAILS))) == 1
    assert result(ternary(closure(False), closure(FAILS), closure(2))) == 2
    assert result(ternary(closure(FAILS), closure(1), closure(1))) is FAILS
    assert result(ternary(closure(NOT_BOOL), closure(1), closure(1))) is FAILS
