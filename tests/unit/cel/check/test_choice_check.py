"""What `math.greatest` and `math.least` may choose from."""

from __future__ import annotations

import pytest

from tests.unit.cel.plate_variables import compiled, problem_of

SCORE = "extras.quality_score"


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("math.greatest(latency_ms, 'a', 2) == 1", "'a'", "and this is a string"),
        ("math.least([latency_ms, tags]) == 1", "tags", "and this is a list"),
        ("math.least(1, 2, null) == 1", "null", "and this is null"),
        ("math.greatest([]) == 1", "[]", "of an empty list"),
    ],
)
def test_an_item_that_is_no_number_is_a_fault_at_its_place(
    text: str, place: str, what: str
) -> None:
    problem = problem_of(text)
    assert problem.code == "no-overload"
    assert problem.offset == text.index(place)
    assert what in problem.what
    assert problem.remedy


def test_an_item_that_may_be_null_is_a_warning_unless_guarded() -> None:
    for call in (f"math.least(0.5, {SCORE}, 0.7)", f"math.least([{SCORE}])"):
        (warning,) = compiled(f"{call} > 0.6").warnings
        assert (warning.code, warning.offset) == ("may-be-null", call.index(SCORE) + 7)
        assert compiled(f"{SCORE} != null && {call} > 0.6").warnings == ()


def test_numbers_of_all_kinds_and_what_is_unknown_may_stand_together() -> None:
    for call in ("math.greatest(1, 2u, 0.5)", "math.least([dyn(1), 2])", "math.least(dyn(tags))"):
        assert compiled(f"{call} == latency_ms").warnings == ()


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("math.max(1, 2) == 2", "write math.greatest(…)"),
        ("min(1, 2) == 2", "write math.least(…)"),
        ("abs(latency_ms) == 2", "write math.abs(…)"),
        ("latency_ms.abs() == 2", "write math.abs(…)"),
        ("math.celi(0.5) == 1.0", "did you mean 'ceil'?"),
        ("base64.x('a') == 'b'", "there are: decode, encode"),
    ],
)
def test_a_function_of_another_name_is_pointed_to(text: str, remedy: str) -> None:
    assert problem_of(text).remedy == remedy
