"""`cel.bind`: a name for a value, which means what writing the value out means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import evaluate
from engine.cel.expression import compile_tree
from engine.cel.syntax.parser import parse
from engine.cel.syntax.tree import unparse
from engine.cel.types.scope import Scope
from engine.errors import EvaluationError, ExpressionError
from tests.support.random_cases import examples
from tests.unit.cel.lower.lowered import outcome
from tests.unit.cel.plate_variables import (
    VARIABLES,
    compiled,
    event,
    failure_of,
    problem_of,
    value_of,
)
from tests.unit.cel.typed_expressions import CONDITIONS, EVENTS

TERMS = st.sampled_from(
    ["plate.region", "plate.confidence", "latency_ms", "tags", "(1 / 0 == 1)", "vehicle.make"]
)


def test_the_value_stands_under_its_name() -> None:
    assert value_of("cel.bind(n, latency_ms + 2, n * n)") == 42 * 42
    assert value_of("cel.bind(m, lower(vehicle.make), m == 'škoda' || m == 'vw')") is True
    assert evaluate("cel.bind(a, 1, cel.bind(b, a + 1, cel.bind(a, b * 5, a + b)))") == 12


def test_the_name_hides_others_in_the_result_but_not_in_the_value() -> None:
    assert value_of("cel.bind(latency_ms, latency_ms + 1, latency_ms)") == 41
    assert value_of("cel.bind(plate, 'a', plate + 'b')") == "ab"
    assert evaluate("[1, 2].map(x, cel.bind(x, x * 10, x + 1))") == [11, 21]
    assert evaluate("cel.bind(x, [1, 2], x.map(x, x + 1))") == [2, 3]


def test_a_value_that_is_not_asked_for_may_fail() -> None:
    assert evaluate("cel.bind(x, 1 / 0, true)") is True
    assert evaluate("cel.bind(x, 1 / 0 == 1, x || true)") is True
    assert value_of("cel.bind(x, 1 / (latency_ms - 40), is_test && x > 1)") is False


def test_a_value_that_fails_fails_each_time_in_the_same_way() -> None:
    assert failure_of("cel.bind(x, 1 / (latency_ms - 40), x > 1)") == "division_by_zero"
    with pytest.raises(EvaluationError, match="division by zero") as caught:
        evaluate("cel.bind(x, 1 / 0, x == 1 || x == 2)")
    assert caught.value.error_type == "division_by_zero"


def test_the_value_is_computed_once() -> None:
    # Written out these would take 2^40 steps.
    nested = "a40 == 1 || true"
    failing = "a40 || a40"
    for number in range(40, 0, -1):
        nested = f"cel.bind(a{number}, a{number - 1} - a{number - 1} + 1, {nested})"
        failing = f"cel.bind(a{number}, a{number - 1} || a{number - 1}, {failing})"
    assert evaluate(f"cel.bind(a0, 1, {nested})") is True
    with pytest.raises(EvaluationError):
        evaluate(f"cel.bind(a0, 1 / 0 == 1, {failing})")


def test_the_rounds_of_the_value_are_counted() -> None:
    rounds = {"l": list(range(400))}
    with pytest.raises(EvaluationError) as caught:
        evaluate("cel.bind(x, l.map(a, l.map(b, l.map(c, 1))), x.size())", rounds)
    assert caught.value.error_type == "too_large"
    assert evaluate("cel.bind(x, l.map(a, l.map(b, 1)), x.size() + x.size() / 2)", {"l": [1]}) == 1


@examples(300)
@given(CONDITIONS, TERMS, EVENTS)
def test_a_bound_part_means_what_the_part_means(
    text: str, term: str, values: dict[str, Any]
) -> None:
    def run(written: str) -> tuple[str, ...]:
        tree = parse(written)
        compiled = compile_tree(tree, written, Scope(VARIABLES, is_strict=False))
        assert outcome(compiled.run, values) == outcome(compiled.interpreter, values)
        return outcome(compiled.run, values)

    text = text.replace("has(plate.region)", "(plate.region != null)")  # has() takes no name
    assert run(f"cel.bind(q, {term}, {text.replace(term, 'q')})") == run(text)


def test_types_go_through_the_name() -> None:
    assert problem_of("cel.bind(x, latency_ms, x.startsWith('a'))").code == "no-overload"
    assert problem_of("cel.bind(x, plate, x.tetx == '')").remedy == "did you mean 'text'?"
    expression = compiled("cel.bind(x, plate.confidence, x * 2.0)")
    assert expression.type is not None
    assert str(expression.type.kind) == "double"


def test_a_guard_on_the_wrong_side_makes_nothing_crash() -> None:
    for text in (
        "cel.bind(e, extras, e.lane > 2) && extras != null",
        "extras == null || cel.bind(e, extras, e.lane > 2)",
        "extras != null ? true : cel.bind(e, extras, e.lane > 2)",
    ):
        expression = compiled(text)
        assert outcome(expression.run, event()) == outcome(expression.interpreter, event())


@pytest.mark.parametrize(
    ("text", "warns"),
    [
        ("cel.bind(c, vehicle.color, c.startsWith('b'))", True),
        ("cel.bind(c, vehicle.color, c != null && c.startsWith('b'))", False),
        ("vehicle.color != null && cel.bind(c, vehicle.color, c.startsWith('b'))", False),
        ("cel.bind(c, vehicle.color, vehicle.color == 'b')", False),
        ("vehicle.color != null && cel.bind(v, vehicle, lower(v.color) == '')", False),
        ("vehicle.color != null && cel.bind(vehicle, vehicle, lower(vehicle.color) == '')", False),
        ("plate.region != null && cel.bind(plate, vehicle, lower(plate.color) == '')", True),
        ("vehicle.color != null && cel.bind(v, vehicle, lower(v.make) == '')", True),
        ("cel.bind(e, extras, e.lane > 2) && extras != null", False),
    ],
)
def test_null_guards_work_on_the_name(text: str, warns: bool) -> None:
    assert any(each.code == "may-be-null" for each in compiled(text).warnings) is warns
    expression = compiled(text)
    for color in (None, "black"):
        values = event(vehicle={"make": None, "color": color})
        assert outcome(expression.run, values) == outcome(expression.interpreter, values)


def test_constants_are_known_under_their_names() -> None:
    assert value_of("cel.bind(p, '^g.*1$', camera_id.matches(p))") is True
    assert value_of("cel.bind(l, ['gate-1', 'x'], camera_id in l && size(l) == 2)") is True
    assert value_of("cel.bind(n, 2, n + n == latency_ms / 10)") is True
    assert failure_of("cel.bind(n, 0, 1 / n == latency_ms)") == "division_by_zero"
    assert failure_of("cel.bind(p, '(', camera_id.matches(p))") == "bad_regex"


def test_the_first_argument_must_be_a_name() -> None:
    for text in ("cel.bind(a.b, 1, 2)", "cel.bind('a', 1, 2)", "cel.bind(.a, 1, 2)"):
        with pytest.raises(ExpressionError) as caught:
            parse(text)
        (problem,) = caught.value.problems
        assert problem.what == "the first argument of cel.bind() must be a simple name"
        assert problem.remedy == "write cel.bind(name, value, result)"


def test_it_is_written_as_it_was() -> None:
    text = "cel.bind(a, b ? 1 : 2, a + 1) + 1"
    assert unparse(parse(text)) == text
