"""Names, constants and logic as Python, and the functions made of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import Expression, compile_condition, conjunction, evaluate
from engine.cel.values.values import FailureKind
from engine.errors import EvaluationError, ExpressionError
from engine.schema import Kind
from tests.support.random_cases import examples
from tests.unit.cel.lower.lowered import body, compiled_or_none, outcome, quickly
from tests.unit.cel.plate_variables import VARIABLES, compiled, event
from tests.unit.cel.typed_expressions import CONDITIONS, EVENTS, VALUES

COMMON = [
    "plate.confidence > 0.8 && plate.normalized_text.startsWith('AB')",
    "vehicle.make != null && vehicle.make.lower() == 'škoda'",
    "has(plate.region) && plate.region.endsWith('FL') || camera_id in ['gate-1', 'gate-2']",
    "extras.direction == 'in' || extras.quality_score == null",
    "time.getHours('Europe/Berlin') >= 12 || time.getHours('Europe/Berlin') < 6",
    "time > timestamp('2025-01-01T00:00:00Z') && time - timestamp(0) > duration('1h')",
    "latency_ms * 2 + 1 > 80 ? plate.text.contains('abc') : false",
    "tags.exists(t, t == 'vip') && tags.all(t, size(t) < 10) && 'night' in tags",
    "tags.map(t, t.upperAscii()).filter(t, t.startsWith('V')) == ['VIP']",
    "tags.exists_one(t, t.matches('^v')) && labels.lane == 'left' && labels['lane'] != 'x'",
    "['AB', 'a'].exists(p, plate.text.startsWith(p))",
    "string(latency_ms) + camera_id != '' && -plate.confidence < 0.0 && int('4') == 4",
    "{'a': latency_ms}.a == 40 && [latency_ms, 1][0] == 40",
    "plate.text.split(' ')[0] == 'abc' && type(plate.text) == string",
]


def assert_same(expression: Expression, events: list[dict[str, Any]]) -> None:
    for values in events:
        assert outcome(expression.run, values) == outcome(expression.interpreter, values)


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


@examples(400)
@given(CONDITIONS, st.lists(EVENTS, min_size=2, max_size=2))
def test_a_random_condition_is_as_interpreted(text: str, events: list[dict[str, Any]]) -> None:
    expression = compiled_or_none(text)
    if expression is not None:
        assert_same(expression, events)


@examples(300)
@given(VALUES, st.lists(EVENTS, min_size=2, max_size=2))
def test_a_random_value_is_as_interpreted(text: str, events: list[dict[str, Any]]) -> None:
    expression = compiled_or_none(text)
    if expression is not None:
        assert_same(expression, events)


@examples(200)
@given(st.lists(CONDITIONS, min_size=2, max_size=4), st.lists(EVENTS, min_size=2, max_size=2))
def test_a_random_conjunction_is_as_interpreted(
    texts: list[str], events: list[dict[str, Any]]
) -> None:
    parts = [part for part in map(compiled_or_none, texts) if part is not None]
    if parts:
        assert_same(conjunction(parts), events)


@examples(200)
@given(
    st.sampled_from(["plate.text", "vehicle.make", "latency_ms", "extras.lane", "is_test"]),
    st.sampled_from(
        ["equals", "contains", "regex", "in_list", "greater_than", "less_than", "similar_to"]
    ),
    st.sampled_from(["abc 123", "Š", "1.5", 40, 0.9, True, None, ["a", "vip", None], [40, 1.5]]),
    EVENTS,
)
def test_a_random_operator_is_as_interpreted(
    field: str, operator: str, value: object, values: dict[str, Any]
) -> None:
    try:
        condition = compile_condition(field, operator, value, VARIABLES)
    except ExpressionError:
        return
    assert_same(condition, [values])


@pytest.mark.slow
@pytest.mark.timeout(0)
@examples(8_000)
@given(st.lists(CONDITIONS | VALUES, min_size=1, max_size=3), st.lists(EVENTS, max_size=3))
def test_many_random_expressions_are_as_interpreted(
    texts: list[str], events: list[dict[str, Any]]
) -> None:
    parts = [part for part in map(compiled_or_none, texts) if part is not None]
    for part in parts:
        assert_same(part, events)
    conditions = [part for part in parts if part.type is not None and part.type.kind is Kind.BOOL]
    if conditions:
        assert_same(conjunction(conditions), events)


@pytest.mark.parametrize("text", COMMON)
def test_what_rules_are_made_of_needs_no_interpreter(text: str) -> None:
    expression = compiled(text)
    assert quickly(expression, event()) is True
    assert expression.evaluate(event()) is True


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("plate.region.startsWith('US')", FailureKind.NULL_OPERAND),
        ("vehicle.color < 'a'", FailureKind.NULL_OPERAND),
        ("string(vehicle.color) == 'x'", FailureKind.NULL_OPERAND),
        ("extras.lane + 1 == 1", FailureKind.NULL_OPERAND),
        ("latency_ms / (latency_ms - 40) == 1", FailureKind.DIVISION_BY_ZERO),
        ("latency_ms % (latency_ms - 40) == 1", FailureKind.DIVISION_BY_ZERO),
        ("latency_ms * 9223372036854775807 == 1", FailureKind.OVERFLOW),
        ("tags[7] == 'x'", FailureKind.NO_INDEX),
        ("labels.nothing == 'x'", FailureKind.NO_KEY),
        ("double(plate.text) > 1.0", FailureKind.BAD_CONVERSION),
        ("(is_test ? 2 : 1 / 0) == 1", FailureKind.DIVISION_BY_ZERO),
    ],
)
def test_a_failure_keeps_its_kind(text: str, kind: FailureKind) -> None:
    for whole in (text, f"{text} && is_test == false", f"is_test || {text}"):
        with pytest.raises(EvaluationError) as caught:
            compiled(whole).evaluate(event())
        assert caught.value.error_type == kind
        assert caught.value.__context__ is None
    assert compiled(f"{text} && is_test").evaluate(event()) is False
    assert compiled(f"is_test == false || {text}").evaluate(event()) is True


def test_an_event_that_is_not_as_its_schema_says_is_interpreted() -> None:
    expression = compiled("plate.confidence > 0.5 && camera_id.startsWith('g')")
    for values in (event(plate={}), event(plate=None), event(camera_id=7), {}):
        assert outcome(expression.run, values) == outcome(expression.interpreter, values)


def test_evaluate_gives_plain_values_and_run_those_of_the_language() -> None:
    expression = compiled("time")
    assert type(expression.run(event())).__name__ == "Timestamp"
    assert expression.evaluate(event()) == event()["time"]
    plain = compiled("plate.text")
    assert plain.run is plain.evaluate


def test_more_loops_than_rounds_are_interpreted() -> None:
    text = (
        "tags.all(a, tags.all(b, tags.all(c, tags.all(d, tags.all(e, a + b + c + d + e != '')))))"
    )
    expression = compiled(text)
    assert expression.fragment is None
    assert expression.evaluate(event()) is True
    assert expression.fallback == "its macros may take more than 100,000 rounds"
    assert compiled(f"({text}) && is_test").fragment is None
    both = conjunction([expression, compiled("is_test")])
    assert both.evaluate(event()) is False
    assert both.fallback == expression.fallback


def test_what_is_lowered_has_no_reason_not_to_be() -> None:
    assert compiled("tags.exists(t, t == 'a')").fallback == ""
    assert conjunction([compiled("is_test"), compiled("is_test")]).fallback == ""
