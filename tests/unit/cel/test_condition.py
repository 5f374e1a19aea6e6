"""The operators of conditions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import Expression, Operator, compile_condition, compile_expression
from engine.cel.condition import OF_LISTS
from engine.errors import ExpressionError, Problem
from tests.unit.cel import plate_lists
from tests.unit.cel.plate_variables import EXAMPLES, VARIABLES, event, holds


def refusal(field: str, operator: str, value: object) -> Problem:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(field, operator, value, VARIABLES)
    (problem,) = caught.value.problems
    return problem


def cel_of(field: str, operator: str, value: object) -> str:
    return compile_condition(field, operator, value, VARIABLES).cel


def test_text_is_compared_without_regard_to_case() -> None:
    assert holds("vehicle.make", "equals", "ŠKODA")
    assert holds("vehicle.make", "contains", "KOD")
    assert holds("vehicle.make", "regex", "^ŠK")
    assert holds("vehicle.make", "in_list", ["x", "ŠkOdA"])
    assert not holds("vehicle.make", "equals", "Skoda")


def test_an_absent_field_never_matches_but_equals_null_does() -> None:
    for operator, value in [
        ("equals", "red"), ("contains", ""), ("regex", ".*"), ("in_list", ["red"]),
        ("greater_than", 1), ("less_than", 1),
    ]:  # fmt: skip
        assert not holds("vehicle.color", operator, value)
    assert holds("vehicle.color", "equals", None)
    assert holds("extras", "equals", None)
    assert holds("vehicle.color", "in_list", ["red", None])
    assert not holds("vehicle.make", "equals", None)
    for operator in ("greater_than", "less_than"):
        assert not holds("extras.quality_score", operator, 0.5)


def test_numbers_are_compared_as_numbers() -> None:
    assert holds("latency_ms", "equals", 40.0)
    assert holds("latency_ms", "greater_than", 39.5)
    assert not holds("latency_ms", "less_than", 40)
    assert holds("plate.confidence", "in_list", [0.95, 1])
    assert holds("latency_ms", "less_than", 2**70)
    assert not holds("extras.lane", "equals", 0)


def test_a_numeric_text_in_a_text_field_counts_as_its_number() -> None:
    assert holds("camera_id", "greater_than", 5, camera_id="5.5")
    assert holds("camera_id", "less_than", "1e3", camera_id="-7")
    for text in ("abc", "", "5 cars", "0x10", "nan", "inf"):
        assert not holds("camera_id", "greater_than", -1, camera_id=text)


def test_booleans_are_compared_as_booleans() -> None:
    assert holds("is_test", "equals", False)
    assert not holds("is_test", "in_list", [True])


def test_a_numeric_text_for_a_numeric_field_is_that_number_with_a_warning() -> None:
    expression = compile_condition("latency_ms", "equals", " 40 ", VARIABLES)
    assert expression.evaluate(event()) is True
    assert [warning.code for warning in expression.warnings] == ["odd-value"]
    assert holds("plate.confidence", "greater_than", "0.9")


def test_odd_values_are_warned_of() -> None:
    for operator, value in (("in_list", []), ("contains", "")):
        expression = compile_condition("camera_id", operator, value, VARIABLES)
        assert [warning.code for warning in expression.warnings] == ["odd-value"]
    assert compile_condition("camera_id", "equals", "a", VARIABLES).warnings == ()


def test_a_whole_number_that_should_equal_a_fraction_is_warned_of() -> None:
    for operator, value in (("equals", 0.5), ("in_list", [1, 0.5])):
        (warning,) = compile_condition("latency_ms", operator, value, VARIABLES).warnings
        assert warning.what == "latency_ms is a whole number, never 0.5"
    for operator, value in (("equals", 5.0), ("greater_than", 0.5)):
        assert compile_condition("latency_ms", operator, value, VARIABLES).warnings == ()


@pytest.mark.parametrize(
    ("field", "operator", "value", "code", "part"),
    [
        ("plate.txt", "equals", "a", "unknown-field", "did you mean 'text'?"),
        ("region", "equals", "a", "unknown-name", "did you mean 'plate.region'?"),
        ("plate text", "equals", "a", "unknown-field", "not a field's name"),
        ("plate..text", "equals", "a", "unknown-field", "not a field's name"),
        ("camera_id", "equal", "a", "unknown-operator", "did you mean 'equals'?"),
        ("camera_id", "EQUALS", "a", "unknown-operator", "did you mean 'equals'?"),
        ("latency_ms", "equals", "fast", "bad-value", "is a number"),
        ("latency_ms", "equals", True, "bad-value", "is a number"),
        ("latency_ms", "greater_than", float("nan"), "bad-value", "is a number"),
        ("latency_ms", "greater_than", None, "bad-value", "is a number"),
        ("is_test", "equals", 1, "bad-value", "is a bool"),
        ("camera_id", "equals", 5, "bad-value", "is a string"),
        ("camera_id", "in_list", "a", "bad-value", "wants a list"),
        ("camera_id", "in_list", [["a"]], "bad-value", "is a string"),
        ("camera_id", "greater_than", "fast", "bad-value", "wants a number"),
        ("camera_id", "greater_than", True, "bad-value", "wants a number"),
        ("latency_ms", "contains", "4", "bad-value", "does not work"),
        ("latency_ms", "regex", "4", "bad-value", "does not work"),
        ("camera_id", "contains", 4, "bad-value", "wants a text"),
        ("plate", "equals", "a", "bad-value", "plate.text"),
        ("tags", "contains", "a", "bad-value", "'when'"),
        ("time", "greater_than", 5, "bad-value", "'when'"),
        ("camera_id", "regex", "(?!a)", "bad-constant", "lookahead"),
        ("camera_id", "regex", r"(a)\1", "bad-constant", "back-references"),
        ("camera_id", "regex", "[", "bad-constant", "missing ]"),
    ],
)
def test_what_does_not_fit_is_refused(
    field: str, operator: str, value: object, code: str, part: str
) -> None:
    problem = refusal(field, operator, value)
    assert problem.code == code
    assert part in f"{problem.what}, {problem.remedy}"


def test_an_unknown_field_and_operator_are_reported_together() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition("plate.txt", "is", "a", VARIABLES)
    assert len(caught.value.problems) == 2


def test_the_cel_of_a_condition_is_for_people() -> None:
    assert cel_of("camera_id", "equals", "A") == 'lower(camera_id) == "a"'
    assert cel_of("vehicle.make", "contains", "a") == (
        'vehicle.make != null && lower(vehicle.make).contains("a")'
    )
    assert cel_of("camera_id", "regex", "^a") == 'camera_id.matches("(?i)^a")'
    assert cel_of("camera_id", "greater_than", 5) == (
        "isNumber(camera_id) && double(camera_id) > 5.0"
    )
    plates = [f"P{number}" for number in range(10_000)]
    assert cel_of("camera_id", "in_list", plates) == (
        'lower(camera_id) in ["p0", "p1", "p2", "p3", "p4", … 9,995 more]'
    )


def test_no_value_becomes_part_of_the_language() -> None:
    value = '" || true || "'
    assert not holds("camera_id", "equals", value)
    assert holds("camera_id", "equals", value, camera_id=value)
    expression = compile_condition("camera_id", "equals", value, VARIABLES)
    assert compile_expression(expression.cel, VARIABLES).evaluate(event()) is False


def test_ten_thousand_plates_are_one_probe() -> None:
    plates = [f"P{number}" for number in range(10_000)]
    expression = compile_condition("camera_id", "in_list", plates, VARIABLES)
    assert expression.evaluate(event(camera_id="p9999")) is True
    assert expression.evaluate(event(camera_id="p10000")) is False


TEXT = st.text("aAbBéÉ1.", max_size=3)
NUMBER = st.one_of(st.integers(-3, 3), st.floats(-3, 3))


def oracle(operator: str, value: Any, field: Any) -> bool:
    """The operators as DESIGN has them, on a text or number field."""
    if operator == "equals" and value is None:
        return field is None
    if operator == "in_list":
        return any(oracle("equals", item, field) for item in value)
    if field is None:
        return False
    if operator == "equals":
        return bool(field.lower() == value.lower() if isinstance(field, str) else field == value)
    if operator == "contains":
        return str(value).lower() in field.lower()
    try:
        number = float(field)
    except ValueError:
        return False
    return bool(number > value if operator == "greater_than" else number < value)


@given(st.one_of(st.none(), TEXT), st.sampled_from(["equals", "contains", "in_list"]), st.data())
def test_text_operators_agree_with_the_oracle(
    field: str | None, operator: str, data: st.DataObject
) -> None:
    values = {
        "equals": st.one_of(st.none(), TEXT),
        "contains": TEXT,
        "in_list": st.lists(st.one_of(st.none(), TEXT), max_size=3),
    }
    value = data.draw(values[operator])
    given_event = {"vehicle": {"make": field, "color": None}}
    assert holds("vehicle.make", operator, value, **given_event) is oracle(operator, value, field)


@given(st.one_of(st.none(), NUMBER, TEXT), st.sampled_from(["greater_than", "less_than"]), NUMBER)
def test_orderings_agree_with_the_oracle(field: Any, operator: str, value: float) -> None:
    wanted = oracle(operator, value, field)
    if isinstance(field, str):
        assert holds("plate.region", operator, value, plate={"region": field}) is wanted
    else:
        extras = {"quality_score": field}
        assert holds("extras.quality_score", operator, value, extras=extras) is wanted


def test_every_operator_is_documented_by_a_case() -> None:
    cases: dict[Operator, object] = {
        Operator.EQUALS: "gate-1", Operator.CONTAINS: "gate", Operator.REGEX: r"\d$",
        Operator.IN_LIST: ["gate-1"], Operator.GREATER_THAN: 0, Operator.LESS_THAN: 2,
        Operator.SIMILAR_TO: "GATEI",
    }  # fmt: skip
    assert cases.keys() == set(Operator) - OF_LISTS
    for operator, value in cases.items():
        camera = "1" if operator in (Operator.GREATER_THAN, Operator.LESS_THAN) else "gate-1"
        assert holds("camera_id", operator, value, camera_id=camera)


PLATE = "plate.normalized_text"
NEAR = {"plate": {**event()["plate"], "normalized_text": "A8C123"}}


def plate_condition(
    operator: str, value: object, threshold: float | None = None, field: str = PLATE
) -> Expression:
    known = plate_lists.lists()
    return compile_condition(field, operator, value, VARIABLES, EXAMPLES, known, threshold)


@pytest.mark.parametrize(
    ("operator", "value", "threshold", "cel"),
    [
        ("similar_to", "ABC123", None, 'similar({}, "ABC123")'),
        ("similar_to", ["ABC123"], 0.95, 'similar({}, ["ABC123"], 0.95)'),
        ("similar_to", ["A1", "B2", "A1"], None, 'similar({}, ["A1", "B2"])'),
        ("in_watchlist", "noted", None, '{} in watchlist("noted")'),
        ("in_watchlist", ["noted", "plain"], None,
         '{0} in watchlist("noted") || {0} in watchlist("plain")'),
        ("similar_in_watchlist", "noted", None, 'similar({}, watchlist("noted"))'),
        ("similar_in_watchlist", ["noted"], 1, 'similar({}, watchlist("noted"), 1)'),
    ],
)  # fmt: skip
def test_plates_are_asked_by_functions_of_cel(
    operator: str, value: object, threshold: float | None, cel: str
) -> None:
    expression = plate_condition(operator, value, threshold)
    assert expression.cel == cel.format(PLATE)
    again = compile_expression(expression.cel, VARIABLES, plate_lists.lists())
    for bindings in (event(), event(**NEAR)):
        assert expression.run(bindings) == again.run(bindings)


def test_a_misread_plate_is_similar_and_not_equal() -> None:
    found = {
        operator: plate_condition(operator, value).run(event(**NEAR))
        for operator, value in [
            ("similar_to", "ABC123"),
            ("in_list", ["ABC123"]),
            ("similar_in_watchlist", "noted"),
            ("in_watchlist", "noted"),
        ]
    }
    assert found == {
        "similar_to": True,
        "in_list": False,
        "similar_in_watchlist": True,
        "in_watchlist": False,
    }
    assert plate_condition("similar_to", "ABC123", 0.97).run(event(**NEAR)) is False
    assert plate_condition("similar_in_watchlist", "noted", 0.97).run(event(**NEAR)) is False


def test_an_absent_plate_is_like_none() -> None:
    for operator, value in [
        ("similar_to", "A"), ("similar_to", ["A"]), ("in_watchlist", "noted"),
        ("similar_in_watchlist", "noted"),
    ]:  # fmt: skip
        condition = plate_condition(operator, value, field="plate.region")
        assert condition.run(event()) is False
        assert condition.warnings == ()


@pytest.mark.parametrize(
    ("operator", "value", "threshold", "code", "offset"),
    [
        ("in_watchlist", "noetd", None, "unknown-watchlist", 0),
        ("similar_in_watchlist", ["noted", "noetd"], None, "unknown-watchlist", 2),
        ("in_watchlist", [], None, "bad-value", 0),
        ("similar_to", 5, None, "bad-value", 0),
        ("similar_to", "A", 0, "threshold", 0),
        ("similar_to", ["A"], 0.8, "threshold", 0),
        ("similar_in_watchlist", "noted", 0.8, "threshold", 0),
    ],
)
def test_a_wrong_plate_or_list_is_refused(
    operator: str, value: object, threshold: float | None, code: str, offset: int
) -> None:
    with pytest.raises(ExpressionError) as caught:
        plate_condition(operator, value, threshold)
    (problem,) = caught.value.problems
    assert (problem.code, problem.offset) == (code, offset)


def test_plates_that_are_none_are_warned_of_at_their_places() -> None:
    (warning,) = plate_condition("similar_to", ["ABC123", "AB*"]).warnings
    assert (warning.offset, warning.remedy) == (2, "write a whole plate")
    (warning,) = plate_condition("similar_to", "AB*").warnings
    assert warning.offset == 0
    for operator in ("similar_to", "in_watchlist", "similar_in_watchlist"):
        with pytest.raises(ExpressionError) as caught:
            plate_condition(operator, "noted", field="latency_ms")
        assert "does not work on it" in caught.value.problems[0].what


def test_the_names_of_lists_count_as_used() -> None:
    known = plate_lists.lists()
    compile_condition(PLATE, "in_watchlist", ["noted", "plain"], VARIABLES, lists=known)
    assert (known.used, known.asked_by_likeness) == ({"noted", "plain"}, set())
    compile_condition(PLATE, "similar_in_watchlist", "dated", VARIABLES, lists=known)
    assert known.asked_by_likeness == {"dated"}
