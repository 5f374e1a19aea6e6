"""Names, constants and logic as Python."""

from __future__ import annotations

import pytest

from engine.cel import evaluate
from engine.errors import EvaluationError
from tests.unit.cel.lower.lowered import body, quickly
from tests.unit.cel.plate_variables import compiled, event


def test_constants_are_folded() -> None:
    assert body("1 + 2 * 3 == 7") == "True"
    assert body("'abc'.contains('b') || is_test") == "True"
    assert body("size('abc') > 2 && is_test") == "b[k0]"
    assert body("timestamp('2025-01-01T00:00:00Z') < time") == "(b[k0] > k1)"
    assert body("true ? camera_id : plate.text") == "b[k0]"


def test_a_constant_that_fails_is_left_to_fail() -> None:
    with pytest.raises(EvaluationError, match="division by zero"):
        evaluate("1 / 0 == 1")
    assert evaluate("1 / 0 == 1 || true") is True


def test_an_absent_record_reads_as_an_empty_one() -> None:
    assert quickly(compiled("extras.direction == null"), event()) is True
    assert quickly(compiled("has(extras.lane)"), event()) is False


def test_a_long_sum_is_left_to_a_closure_and_the_rest_is_not() -> None:
    long = "latency_ms" + " + 1" * 200
    text = body(f"{long} == 240 && plate.text == 'abc 123'")
    assert text.count("(b)") == 1
    assert compiled(f"{long} == 240 && plate.text == 'abc 123'").evaluate(event()) is True


def test_what_is_nested_too_deep_is_left_to_a_closure() -> None:
    deep = "is_test"
    for number in range(60):
        deep = f"(is_test ? {deep} : latency_ms == {number})"
    expression = compiled(deep)
    assert expression.fragment is not None
    assert expression.fragment.depth <= 60
    assert expression.evaluate(event(is_test=True)) is True
    assert expression.evaluate(event(is_test=False)) is False


def test_a_null_that_was_asked_for_is_not_expected_to_fail() -> None:
    guarded = compiled("vehicle.make != null && vehicle.make.startsWith('S')").fragment
    bare = compiled("vehicle.make.startsWith('S')").fragment
    assert guarded is not None
    assert bare is not None
    assert not guarded.can_fail
    assert bare.can_fail


def test_names_of_items_hide_those_of_the_event() -> None:
    assert quickly(compiled("tags.exists(camera_id, camera_id == 'vip')"), event()) is True
