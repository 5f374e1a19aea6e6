"""The check: names, fields, macros, conditions, records, lists and maps."""

from __future__ import annotations

import pytest

from engine.cel.check.check import check
from engine.cel.syntax.parser import parse
from engine.cel.types.kinds import EMPTY_LIST, EMPTY_MAP, SCALARS, list_of, nullable
from engine.cel.types.scope import Scope
from engine.errors import Severity
from engine.schema import FieldType, Kind
from tests.unit.cel.plate_variables import VARIABLES, compiled, problem_of, problems_of

TEXT, INT = SCALARS[Kind.STRING], SCALARS[Kind.INT]


def map_of(key: FieldType | None, element: FieldType | None) -> FieldType:
    return FieldType(Kind.MAP, key=key, element=element)


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


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[]", EMPTY_LIST),
        ("{}", EMPTY_MAP),
        ("[1, latency_ms]", list_of(INT)),
        ("[1, 'a']", list_of(None)),
        ("[1, null]", list_of(nullable(INT))),
        ("[[], [1]]", list_of(list_of(INT))),
        ("[] + [1]", list_of(INT)),
        ("is_test ? [] : ['a']", list_of(TEXT)),
        ("{'a': 1}", map_of(TEXT, INT)),
        ("{1: 'a', 2: null}", map_of(INT, nullable(TEXT))),
        ("{1: 'a', 'b': 2}", map_of(None, None)),
        ("{'a': [1]}.a[0]", INT),
        ("{'a': 1}['a']", INT),
        ("[vehicle.make, camera_id]", list_of(nullable(TEXT))),
    ],
)
def test_what_is_written_out_has_the_type_of_its_parts(text: str, kind: FieldType) -> None:
    assert compiled(text).type == kind


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{1.5: 1}", "a map's key must be string, int, uint or bool, not a double"),
        ("{null: 1}[null]", "a map's key must be string, int, uint or bool, not null"),
        ("labels[1]", "the keys of this map are of type string, not int"),
        ("{1: 2}['a']", "the keys of this map are of type int, not string"),
        ("{'a': 1}[[1]]", "the keys of this map are of type string, not list(int)"),
        ("{'a': 1}.map(k, k + 1)", "'+' can't be applied to string and int"),
        ("{1: 'a'}.all(k, k == 1 && k.size() > 1)", "size() can't be applied to (int)"),
    ],
)
def test_the_types_inside_are_checked(text: str, what: str) -> None:
    assert problem_of(text).what == what


def test_numbers_of_every_kind_look_up_a_number() -> None:
    assert compiled("{1: 2}[1u] + {1: 2}[1.0]").warnings == ()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("[vehicle.make].exists(m, m.size() > 1)", 1),
        ("[vehicle.make].filter(m, m != null).exists(m, m.size() > 1)", 0),
        ("[vehicle.make].map(m, m != null, m.size())[0] > 1", 0),
        ("[vehicle.make].exists(m, m != null && m.size() > 1)", 0),
        ("[vehicle.make][0].size() > 1", 1),
        ("[vehicle.make][0] != null && [vehicle.make][0].size() > 1", 0),
        ("(is_test ? vehicle.make : null).size() > 1", 1),
        ("(vehicle.make != null ? vehicle.make : 'x').size() > 1", 0),
        ("extras != null && extras.lane > 1", 0),
        ("has(extras.lane) && extras.lane > 1", 0),
        ("extras.lane > 1", 1),
        ("plate.region != null && [1].all(plate, plate > 0) && plate.region > 'a'", 0),
    ],
)
def test_null_is_warned_of_wherever_it_may_come_from(text: str, count: int) -> None:
    assert [each.code for each in compiled(text).warnings] == ["may-be-null"] * count
