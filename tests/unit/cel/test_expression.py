"""Compiled expressions and their conjunction."""

from __future__ import annotations

import sys
import threading
from datetime import timedelta

import pytest

from engine.cel import compile_condition, compile_expression, conjunction
from engine.cel.values.values import FailureKind
from engine.errors import EvaluationError, ExpressionError
from tests.unit.cel.plate_variables import VARIABLES, compiled, event, problem_of, value_of


def test_an_expression_has_its_text_its_cel_and_its_fields() -> None:
    expression = compiled("plate.text=='a'&&!is_test")
    assert expression.text == "plate.text=='a'&&!is_test"
    assert expression.cel == 'plate.text == "a" && !is_test'
    assert expression.fields == {"plate.text", "is_test"}
    assert expression.warnings == ()


def test_a_result_that_may_be_null_is_known() -> None:
    assert compiled("vehicle.make").is_nullable
    assert compiled("extras.lane").is_nullable
    assert compiled("null").is_nullable
    assert compiled("is_test ? camera_id : null").is_nullable
    assert not compiled("camera_id").is_nullable
    assert not compiled("vehicle.make == null").is_nullable


def test_results_are_plain_values() -> None:
    assert value_of("time - timestamp('2025-12-25T12:00:00Z')") == timedelta(minutes=30)
    assert value_of("tags.map(t, t.size())") == [3, 5]


@pytest.mark.parametrize("text", ["x" * 1_000_000, "(" * 10_000 + "1" + ")" * 10_000])
def test_a_huge_or_deep_expression_is_refused(text: str) -> None:
    assert problem_of(text).code in ("too-long", "too-deep")


def test_the_deepest_expression_that_is_accepted_runs_far_down_the_stack() -> None:
    text = "tags.all(t, " * 22 + "(is_test ? 1 : 2) == 2" + ")" * 22

    def down(levels: int) -> object:
        return down(levels - 1) if levels else value_of(text, tags=["a"])

    assert down(sys.getrecursionlimit() // 2) is True


def test_conjunction_absorbs_what_fails_beside_a_false_part() -> None:
    fails, false, true = (
        compiled("vehicle.color.contains('a')"),
        compiled("latency_ms == 1"),
        compiled("tags.exists(t, t == 'vip')"),
    )
    assert conjunction([fails, false]).evaluate(event()) is False
    assert conjunction([true, fails, false]).evaluate(event()) is False
    assert conjunction([true, true]).evaluate(event()) is True
    with pytest.raises(EvaluationError) as caught:
        conjunction([true, fails]).evaluate(event())
    assert caught.value.error_type == FailureKind.NULL_OPERAND


def test_conjunction_joins_the_texts_fields_and_warnings_of_its_parts() -> None:
    parts = [
        compiled("is_test || latency_ms > 1"),
        compile_condition("plate.text", "contains", "A", VARIABLES),
        compiled("vehicle.make > 'a'"),
    ]
    whole = conjunction(parts)
    assert whole.cel == (
        '(is_test || latency_ms > 1) && lower(plate.text).contains("a") && vehicle.make > "a"'
    )
    assert whole.fields == {"is_test", "latency_ms", "plate.text", "vehicle.make"}
    assert len(whole.warnings) == 1
    assert compile_expression(whole.cel, VARIABLES).evaluate(event()) == whole.evaluate(event())


def test_conjunction_of_one_and_of_none() -> None:
    one = compiled("is_test")
    assert conjunction([one]) is one
    assert conjunction([]).evaluate({}) is True


def test_an_expression_may_be_evaluated_by_many_threads() -> None:
    expression = compiled("tags.map(t, tags.filter(u, u != t)).size() == size(tags)")
    results: list[bool] = []

    def run() -> None:
        for size in range(40):
            tags = [str(number) for number in range(size)]
            results.append(expression.evaluate(event(tags=tags)))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 160


def test_faults_of_all_kinds_are_an_expression_error() -> None:
    for text in ("", "1 +", "nothing", "camera_id.foo()", "camera_id.matches('(')"):
        with pytest.raises(ExpressionError):
            compiled(text)
