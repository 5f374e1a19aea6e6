"""The check: names, fields, macros, conditions."""

from __future__ import annotations

import pytest

from engine.cel.check.check import check
from engine.cel.syntax.parser import parse
from engine.cel.types.scope import Scope
from engine.errors import Severity
from engine.schema import FieldType, Kind
from tests.unit.cel.plate_variables import VARIABLES, compiled, problem_of, problems_of


def test_all_faults_are_told_at_once_in_order_of_place() -> None:
    problems = problems_of("plate.txt == 'a' && colour == 'b' && foo(1) && size() > 0")
    assert [(problem.code, problem.offset) for problem in problems] == [
        ("unknown-field", 6),
        ("unknown-name", 20),
        ("unknown-function", 37),
        ("arity", 47),
    ]


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("plat.text == ''", "'plat' is not known here", "did you mean 'plate'?"),
        ("confidence > 1", "'confidence' is not known here", "did you mean 'plate.confidence'?"),
        ("plate.txt == ''", "'plate' has no field 'txt'", "did you mean 'text'?"),
        (
            "vehicle.zzz == ''",
            "'vehicle' has no field 'zzz'",
            "there are: color, make",
        ),
        ("has(extras.dir)", "'extras' has no field 'dir'", "did you mean 'direction'?"),
        ("tags.all(tag, tga == '')", "'tga' is not known here", "did you mean 'tag'?"),
    ],
)
def test_an_unknown_name_comes_with_a_suggestion(text: str, what: str, remedy: str) -> None:
    problem = problem_of(text)
    assert (problem.what, problem.remedy) == (what, remedy)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("camera_id.size", "no-fields"),
        ("camera_id && true", "not-bool"),
        ("!latency_ms", "not-bool"),
        ("latency_ms ? 1 : 2", "not-bool"),
        ("tags.exists(t, t)", "not-bool"),
        ("plate.all(x, true)", "no-overload"),
        ("latency_ms.map(x, x)", "no-overload"),
    ],
)
def test_what_can_never_be_evaluated_is_a_fault(text: str, code: str) -> None:
    assert problem_of(text).code == code


def test_macros_know_the_types_of_their_items() -> None:
    assert problem_of("tags.all(t, t > 1)").code == "no-overload"
    assert problem_of("labels.all(k, k > 1)").code == "no-overload"
    assert problem_of("[1, 2].map(x, x + 'a') == []").code == "no-overload"
    assert problem_of("tags.map(t, size(t))[0] == 1 && tags.filter(t, true)[0] > 1").offset == 56


def type_of(text: str) -> FieldType | None:
    return compiled(text).type


def test_types_follow_from_the_schema() -> None:
    assert type_of("plate.confidence") == FieldType(Kind.DOUBLE)
    assert type_of("extras.lane") == FieldType(Kind.INT, nullable=True)
    assert type_of("latency_ms + 1") == FieldType(Kind.INT)
    assert type_of("lower(camera_id)") == FieldType(Kind.STRING)
    assert type_of("is_test ? vehicle.make : null") == FieldType(Kind.STRING, nullable=True)
    assert type_of("is_test ? camera_id : vehicle.make") == FieldType(Kind.STRING, nullable=True)
    assert type_of("is_test ? dyn(1) : 'a'") is None
    assert type_of("tags.map(t, t.size())") == FieldType(Kind.LIST, element=FieldType(Kind.INT))
    assert type_of("time - time") == FieldType(Kind.DURATION)
    assert type_of("-latency_ms") == FieldType(Kind.INT)
    assert type_of("labels.lane") == FieldType(Kind.STRING)


def test_the_fields_read_are_the_longest_paths() -> None:
    expression = compiled("has(plate.region) && extras == null && time.getHours() > 5")
    assert expression.fields == {"plate.region", "extras", "time"}
    both = compiled("extras == null || extras.lane == 1 || tags.exists(t, t == camera_id)")
    assert both.fields == {"extras", "extras.lane", "tags", "camera_id"}


def test_a_macros_name_hides_a_variable() -> None:
    assert compiled("tags.all(plate, plate != '')").fields == {"tags"}
    guarded = "plate.region != null && [{'region': 'a'}].all(plate, plate.region < 'b')"
    assert compiled(guarded).warnings == ()


def test_without_a_schema_nothing_is_a_fault() -> None:
    scope = Scope({"x": None}, is_strict=False)
    assert check(parse("x.y.z(1) + nothing > 'a' && 1"), scope).problems == []


def test_an_unguarded_null_is_a_warning() -> None:
    (warning,) = compiled("vehicle.make.startsWith('F')").warnings
    assert (warning.code, warning.severity, warning.offset) == (
        "may-be-null",
        Severity.WARNING,
        8,
    )
    assert warning.remedy == "guard it: vehicle.make != null && …"
    assert VARIABLES["vehicle"].fields["make"].nullable
