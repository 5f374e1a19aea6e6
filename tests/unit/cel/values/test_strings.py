"""The `strings` extension at its edges; the conformance data shows the rest."""

from __future__ import annotations

from typing import Any

import pytest

from engine.cel import evaluate
from engine.cel.values.numbers import MAX_SIZE
from engine.cel.values.values import FailureKind
from engine.errors import EvaluationError


def failure_of(expression: str, bindings: dict[str, Any] | None = None) -> str:
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression, bindings)
    return caught.value.error_type


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'😀é'.charAt(1)", "é"),
        ("'😀é'.charAt(2)", ""),
        ("'😀é'.size()", 2),
        ("'😀aé'.substring(1, 2)", "a"),
        ("'abab'.indexOf('b', 2)", 3),
        ("'abab'.lastIndexOf('b', 2)", 1),
        ("'abab'.lastIndexOf('', 4)", 4),
        ("'aaa'.replace('a', 'b', 2)", "bba"),
        ("'aaa'.replace('a', 'b', -5)", "bbb"),
        ("'aaa'.replace('a', 'b', 0)", "aaa"),
        ("'ab'.replace('', '-')", "-a-b-"),
        ("'a,b,c'.split(',', 2)", ["a", "b,c"]),
        ("'abc'.split('', 2)", ["a", "bc"]),
        ("'abc'.split('')", ["a", "b", "c"]),
        ("''.split(',')", [""]),
        ("'É'.lowerAscii()", "É"),
        ("'ß'.upperAscii()", "ß"),
        ("'\\u001c x \\u3000'.trim()", "\u001c x"),
        ("'é😀'.reverse()", "😀é"),
        ("['a', 'b'].join(', ')", "a, b"),
    ],
)
def test_text_functions_count_code_points(expression: str, value: Any) -> None:
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    "expression",
    ["'a'.charAt(2)", "'a'.charAt(-1)", "'a'.indexOf('a', 2)", "'a'.lastIndexOf('a', -1)",
     "'abc'.substring(2, 1)", "'abc'.substring(4)", "'abc'.substring(0, 4)"],
)  # fmt: skip
def test_an_index_outside_the_text_fails(expression: str) -> None:
    assert failure_of(expression) == FailureKind.NO_INDEX


def test_only_text_is_joined() -> None:
    assert failure_of("['a', 1].join()") == FailureKind.NO_OVERLOAD


def test_no_function_makes_a_text_without_bound() -> None:
    text = "a" * 2_000
    assert failure_of("x.replace('', x)", {"x": text}) == FailureKind.TOO_LARGE
    assert failure_of("[x, x].join(x)", {"x": "a" * MAX_SIZE}) == FailureKind.TOO_LARGE
