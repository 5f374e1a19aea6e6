"""The check of calls, and the signatures that fit them."""

from __future__ import annotations

import pytest

from engine.cel.check.calls import fitting, result_of, takes
from engine.cel.types.functions import FUNCTIONS
from engine.cel.types.kinds import SCALARS, list_of
from engine.schema import Domain, FieldType, Kind
from tests.unit.cel.plate_variables import compiled, problem_of

TEXT, INT, DOUBLE = SCALARS[Kind.STRING], SCALARS[Kind.INT], SCALARS[Kind.DOUBLE]
TIME, SPAN = SCALARS[Kind.TIMESTAMP], SCALARS[Kind.DURATION]


def result(name: str, *kinds: FieldType | None) -> FieldType | None:
    """The type of a call that fits."""
    rows = fitting(FUNCTIONS[name], kinds)
    assert rows
    return result_of(FUNCTIONS[name], rows, kinds)


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        (
            "camera_id.startwith('a')",
            "there is no function 'startwith'",
            "did you mean 'startsWith'?",
        ),
        ("contains(camera_id, 'a')", "'contains' is called otherwise", "write x.contains()"),
        ("camera_id.int() > 1", "'int' is called otherwise", "write int(x)"),
        ("tags.all(t)", "all() takes other arguments", "write list.all(item, condition)"),
        ("has(a, b)", "has() takes other arguments", "write has(record.field)"),
        (
            "camera_id.contains()",
            "contains() takes 1 argument, not 0",
            "it gives whether a text is part of this one",
        ),
        (
            "camera_id.substring(1, 2, 3) == ''",
            "substring() takes 1 or 2 arguments, not 3",
            "it gives the characters from a start to before an end",
        ),
        (
            "latency_ms.contains('a')",
            "contains() can't be applied to (int, string)",
            "convert it: string(x)",
        ),
        ("_f(1)", "there is no function '_f'", ""),
        ("camera_id.contains(null)", "contains() can't be applied to null", ""),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_what_to_write(
    text: str, what: str, remedy: str
) -> None:
    problem = problem_of(text)
    assert (problem.what, problem.remedy) == (what, remedy or problem.remedy)


@pytest.mark.parametrize(
    ("text", "offset", "part"),
    [
        ("camera_id.matches('(?=a)')", 18, "lookahead"),
        ("matches(camera_id, '[')", 19, "missing ]"),
        ("time > timestamp('yesterday')", 17, "RFC 3339"),
        ("time - time > duration('1 hour')", 23, "not a duration"),
        ("latency_ms > int('many')", 17, "can't be read as an int"),
        ("time.getHours('Mars') > 1", 14, "not a time zone"),
    ],
)
def test_a_constant_that_would_always_fail_is_a_fault(text: str, offset: int, part: str) -> None:
    problem = problem_of(text)
    assert (problem.code, problem.offset) == ("bad-constant", offset)
    assert part in problem.what


def test_functions_with_a_name_space_are_found() -> None:
    assert compiled("strings.quote(camera_id) == ''").fields == {"camera_id"}
    problem = problem_of("strings.qoute('a') == ''")
    assert problem.what == "there is no function 'strings.qoute'"
    assert problem.remedy == "did you mean 'quote'?"


def test_a_function_that_takes_anything_is_not_warned_of() -> None:
    assert compiled("type(vehicle.make) == string").warnings == ()
    assert len(compiled("string(vehicle.make) == ''").warnings) == 1


def test_a_signature_fits_when_every_known_type_does() -> None:
    for kinds in ((TEXT, INT), (TEXT, None), (None, None)):
        assert fitting(FUNCTIONS["charAt"], kinds)
    for wrong in ((INT, INT), (TEXT, DOUBLE), (TEXT,)):
        assert not fitting(FUNCTIONS["charAt"], wrong)
    assert fitting(FUNCTIONS["type"], [FieldType(Kind.RECORD)])


def test_a_record_has_no_size() -> None:
    assert fitting(FUNCTIONS["size"], [FieldType(Kind.MAP)])
    assert not fitting(FUNCTIONS["size"], [FieldType(Kind.RECORD)])


@pytest.mark.parametrize(
    ("name", "kinds", "kind"),
    [
        ("split", (TEXT, TEXT), list_of(TEXT)),
        ("join", (list_of(TEXT),), TEXT),
        ("size", (TEXT,), INT),
        ("size", (None,), INT),
        ("timestamp", (TEXT,), TIME),
        ("duration", (TEXT,), SPAN),
        ("uint", (INT,), SCALARS[Kind.UINT]),
        ("bytes", (TEXT,), SCALARS[Kind.BYTES]),
        ("type", (INT,), SCALARS[Kind.TYPE]),
        ("dyn", (INT,), None),
        ("getHours", (SPAN,), INT),
        ("math.greatest", (list_of(DOUBLE),), DOUBLE),
        ("math.greatest", (INT, INT), INT),
        ("math.greatest", (INT, DOUBLE), None),
    ],
)
def test_a_result_has_the_type_that_the_signatures_say(
    name: str, kinds: tuple[FieldType | None, ...], kind: FieldType | None
) -> None:
    assert result(name, *kinds) == kind


def test_the_elements_of_a_list_must_fit_too() -> None:
    assert not fitting(FUNCTIONS["join"], [list_of(INT)])
    assert fitting(FUNCTIONS["join"], [list_of(None)])
    assert not fitting(FUNCTIONS["math.least"], [list_of(TEXT)])


def test_what_is_known_of_a_result_beyond_its_type() -> None:
    def domain(name: str, *kinds: FieldType | None) -> Domain | None:
        found = result(name, *kinds)
        return found.domain if found is not None else None

    assert domain("getDayOfWeek", TIME) == Domain(0, 6, note="Sunday is 0")
    assert domain("getHours", SPAN) is None
    assert domain("size", list_of(TEXT)) == Domain(minimum=0)
    assert domain("indexOf", TEXT, TEXT) == Domain(minimum=-1)
    letters = FieldType(Kind.STRING, domain=Domain(is_lower=True))
    assert domain("trim", letters) == letters.domain


def test_what_a_function_takes_is_said_as_it_is_called() -> None:
    assert takes(FUNCTIONS["contains"], 2) == "string.contains(string)"
    assert takes(FUNCTIONS["join"], 2) == "list(string).join(string)"
    assert takes(FUNCTIONS["bytes"], 1) == "bytes(bytes) or bytes(string)"
    assert takes(FUNCTIONS["math.greatest"], 2) == "math.greatest(number, number)"
    assert "map" in takes(FUNCTIONS["size"], 1)


def test_every_function_has_a_result_for_its_own_signatures() -> None:
    kinds = {str: TEXT, int: INT, float: DOUBLE, object: None}
    for function in FUNCTIONS.values():
        for row in function.overloads:
            if all(param in kinds for param in row.params):
                given = [kinds[param] for param in row.params]
                assert row in fitting(function, given), function.name


def test_types_reach_the_rules() -> None:
    assert compiled("camera_id.split('-')[0].size()").type == INT
    assert compiled("time - time").type == SPAN
    assert compiled("[1, 2].map(x, [x])").type == list_of(list_of(INT))
