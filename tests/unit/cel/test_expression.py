"""Compiled expressions, their conjunction, and their constant parts."""

from __future__ import annotations

import sys
import threading
from datetime import timedelta

import pytest

from engine.cel import compile_condition, compile_expression, conjunction
from engine.cel.values.values import FailureKind
from engine.errors import EvaluationError, ExpressionError, Severity
from tests.unit.cel.plate_variables import (
    VARIABLES,
    compiled,
    event,
    problem_of,
    problems_of,
    value_of,
)


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


@pytest.mark.parametrize(
    ("text", "offset", "what"),
    [
        ("1 / 0 == 1", 2, "'1 / 0' always fails: division by zero"),
        ("latency_ms / 0 > 1", 11, "'latency_ms / 0' always fails: division by zero"),
        ("latency_ms + latency_ms % 0 > 1", 24, "'latency_ms % 0' always fails: division by zero"),
        ("uint(latency_ms) / 0u > 1", 17, "'uint(latency_ms) / 0u' always fails: division by zero"),
        ("[1, 2][5] == latency_ms", 6, "'[1, 2][5]' always fails: index out of range: 5"),
        ("{'a': 1}.b == 1", 9, "'{\"a\": 1}.b' always fails: no such key: 'b'"),
        ("{'a': 1, 'a': 2}.a == 1", 0, "stands twice in a map"),
        ("!(9223372036854775807 + 1 > latency_ms)", 22, "64"),
        ("'a'.substring(5) == camera_id", 4, "always fails"),
        ("(1 / 0 == 1 ? true : false) || 1 / 0 == 1", 3, "division by zero"),
        ("is_test ? 1 / 0 : 2 / 0", 12, "division by zero"),
        ("[1 / 0].all(x, x > 1)", 3, "division by zero"),
    ],
)
def test_a_part_with_which_the_whole_fails_is_an_error(text: str, offset: int, what: str) -> None:
    problem = problems_of(text)[0]
    assert (problem.code, problem.offset) == ("always-fails", offset)
    assert what in problem.what


@pytest.mark.parametrize(
    "text",
    [
        "is_test && 1 / 0 == 1",
        "is_test || latency_ms / 0 == 1",
        "(is_test ? 1 / 0 : 2) == 1",
        "tags.all(t, [1][2] == 1)",
        "[1, 2].exists(x, {'a': 1}.b == x)",
    ],
)
def test_a_part_that_may_not_matter_is_a_warning(text: str) -> None:
    (warning,) = compiled(text).warnings
    assert (warning.code, warning.severity) == ("always-fails", Severity.WARNING)


@pytest.mark.parametrize(
    "text",
    [
        "1.0 / 0.0 > 1.0", "[1, 2][1] == 2", "{'a': 1}.a == 1", "has({'a': 1}.b)",
        "timestamp('2025-01-01T00:00:00Z') < time", "'a' + 'b' == camera_id",
        "int('5') == latency_ms", "type(1) == int", "latency_ms / (latency_ms - latency_ms) == 1",
        "[1, 2].map(x, x * 2)[1] == 4", "plate.confidence / 0.0 > 1.0",
    ],
)  # fmt: skip
def test_constant_parts_with_a_value_are_fine(text: str) -> None:
    assert compiled(text).warnings == ()


def test_a_long_sum_is_told_as_a_whole() -> None:
    text = " + ".join(["9223372036854775807"] * 500)
    assert problem_of(f"{text} > 1").code == "always-fails"
