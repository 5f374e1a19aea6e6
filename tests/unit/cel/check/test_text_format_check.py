"""`format()` at load: clauses and values must fit where both are written out."""

from __future__ import annotations

import pytest

from tests.unit.cel.plate_variables import compiled, failure_of, problem_of


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("'%q'.format([1]) == ''", "'%q'", "unrecognized formatting clause '%q'"),
        ("'100%'.format([]) == ''", "'100%'", "unrecognized formatting clause '%'"),
        ("'%s %s'.format([1]) == ''", "[1]", "the text has 2 clauses, but the list 1 values"),
        ("'%d'.format([camera_id]) == ''", "camera_id", "%d takes a number, and this is a string"),
        ("'%.2f'.format([tags]) == ''", "tags", "%f takes a number, and this is a list"),
        ("'%b'.format([0.5]) == ''", "0.5", "%b takes a whole number or a bool"),
        ("'%s%o'.format([1, 0.5]) == ''", "0.5", "%o takes a whole number"),
        ("'%x'.format([is_test]) == ''", "is_test", "%x takes a whole number, a text or bytes"),
        ("'%d'.format([null]) == ''", "null", "%d takes a number, and this is null"),
    ],
)
def test_what_does_not_fit_is_a_fault_at_its_place(text: str, place: str, what: str) -> None:
    problem = problem_of(text)
    assert problem.offset == text.index(place)
    assert what in problem.what
    assert problem.remedy


def test_a_spare_value_and_one_that_may_be_null_are_warnings() -> None:
    for text, code in (
        ("'%s'.format([1, 2]) == ''", "unused-value"),
        ("'%.1f'.format([extras.quality_score]) == ''", "may-be-null"),
    ):
        (warning,) = compiled(text).warnings
        assert warning.code == code
        assert warning.remedy


@pytest.mark.parametrize(
    "text",
    [
        "'%s %s %s'.format([camera_id, vehicle.make, tags]) == ''",
        "'%d %f %e %x'.format([latency_ms, latency_ms, plate.confidence, camera_id]) == ''",
        "'%b %o %X %%'.format([is_test, latency_ms, b'a']) == ''",
        "extras.quality_score != null && '%f'.format([extras.quality_score]) == ''",
        "'%d'.format([dyn(camera_id)]) == ''",
        "'%d'.format(dyn(tags)) == ''",
        "camera_id.format([1]) == ''",
    ],
)
def test_what_fits_or_is_not_known_is_left_alone(text: str) -> None:
    assert compiled(text).warnings == ()


def test_what_is_not_known_at_load_fails_when_it_is_evaluated() -> None:
    assert failure_of("'%d'.format([dyn(camera_id)]) == ''") == "bad_argument"
