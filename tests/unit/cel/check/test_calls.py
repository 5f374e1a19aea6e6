"""The check of calls."""

from __future__ import annotations

import pytest

from tests.unit.cel.plate_variables import compiled, problem_of


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
