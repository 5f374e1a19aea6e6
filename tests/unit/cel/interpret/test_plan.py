"""The closures of each kind of node."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from engine.cel import compile_expression, evaluate
from engine.cel.values.values import FailureKind
from engine.errors import EvaluationError, ExpressionError
from engine.schema import FieldType, Kind
from tests.support.random_cases import examples
from tests.unit.cel.expressions import BINDINGS, CONDITIONS
from tests.unit.cel.plate_variables import value_of


def failure_of(expression: str, **bindings: Any) -> str:
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression, bindings)
    return caught.value.error_type


def test_long_chains_run_without_deep_recursion() -> None:
    assert evaluate("x" + " + 1" * 5_000, {"x": 0}) == 5_000
    assert evaluate(" || ".join(["x == 1"] * 3_000), {"x": 0}) is False
    assert evaluate(" && ".join(["x == 1"] * 3_000), {"x": 1}) is True
    assert evaluate("'a'" + " + 'b'" * 2_000).count("b") == 2_000


def test_arithmetic_runs_from_the_left() -> None:
    assert evaluate("20 - 5 - 3 * 2 / 4 % 2") == 14
    assert evaluate("x - (y - z)", {"x": 1, "y": 2, "z": 3}) == 2


def test_maps_are_built_with_checked_keys() -> None:
    assert evaluate("{'a': x, 'b': [x]}", {"x": 1}) == {"a": 1, "b": [1]}
    assert evaluate("{x: 'a', true: 'b'}[1.0]", {"x": 1}) == "a"
    assert failure_of("{x: 1, 1: 2}", x=1) == FailureKind.BAD_KEY
    assert failure_of("{1.5: 1}") == FailureKind.BAD_KEY
    assert failure_of("{null: 1}") == FailureKind.BAD_KEY


def test_membership_in_constants_and_in_values() -> None:
    assert value_of("camera_id in ['gate-1', 'gate-2', 3]") is True
    assert value_of("latency_ms in [40.0]") is True
    assert value_of("is_test in [0, 1]") is False
    assert value_of("vehicle.color in ['red', null]") is True
    assert value_of("'night' in tags") is True
    assert evaluate("[1] in [[1.0]]") is True
    assert evaluate("x in [x, 2]", {"x": 1}) is True


def test_comparisons_with_constants_on_either_side() -> None:
    assert value_of("'gate-1' == camera_id && 40 == latency_ms && null == extras") is True
    assert value_of("0.9 < plate.confidence && plate.confidence <= 1") is True
    assert value_of("is_test == false && is_test != 0") is True
    assert value_of("latency_ms != 40.0") is False


def test_an_unknown_name_fails_only_where_it_decides() -> None:
    assert evaluate("true || nothing") is True
    assert failure_of("nothing && true") == FailureKind.UNKNOWN_NAME
    assert failure_of("nothing(1)") == FailureKind.UNKNOWN_NAME
    assert failure_of("size()") == FailureKind.NO_OVERLOAD


def test_types_are_values() -> None:
    assert evaluate("type(x) == int && type(type(x)) == type", {"x": 1}) is True
    assert evaluate("type(timestamp(0)) == google.protobuf.Timestamp") is True


TYPES = {
    "i": FieldType(Kind.INT),
    "d": FieldType(Kind.DOUBLE),
    "s": FieldType(Kind.STRING),
    "t": FieldType(Kind.BOOL),
    "n": FieldType(Kind.STRING, nullable=True),
    "l": FieldType(Kind.LIST, element=FieldType(Kind.INT)),
    "m": FieldType(Kind.MAP),
}


def outcome(run: Any, *args: Any) -> Any:
    try:
        return run(*args)
    except EvaluationError as error:
        return error.error_type


@examples(300)
@given(CONDITIONS)
def test_with_and_without_types_an_expression_gives_the_same(text: str) -> None:
    try:
        expression = compile_expression(text, TYPES)
    except ExpressionError:
        return
    assert outcome(expression.evaluate, BINDINGS) == outcome(evaluate, text, BINDINGS)
