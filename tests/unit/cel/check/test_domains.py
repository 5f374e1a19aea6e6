"""Comparisons that the schema's promises decide."""

from __future__ import annotations

import pytest

from engine.cel import compile_condition, compile_expression
from engine.cel.check.domains import domain_in_case, domain_of_parts, outside, outside_in_any_case
from engine.errors import Problem, Severity
from engine.schema import Domain, FieldType, Kind
from engine.schema.field_type import of_characters
from tests.unit.cel.plate_variables import VARIABLES

LETTERS = of_characters("A-Z0-9")
EVENT = {
    **VARIABLES,
    "plate": FieldType(Kind.STRING, domain=LETTERS),
    "confidence": FieldType(Kind.DOUBLE, domain=Domain(0, 1)),
    "score": FieldType(Kind.DOUBLE, nullable=True, domain=Domain(0, 1)),
    "lane": FieldType(Kind.STRING, domain=Domain(words=("LEFT", "RIGHT"))),
    "count": FieldType(Kind.INT, domain=Domain(minimum=0)),
}


def warnings_of(text: str) -> list[Problem]:
    found = compile_expression(text, EVENT).warnings
    assert all(each.severity is Severity.WARNING and each.remedy for each in found)
    return list(found)


@pytest.mark.parametrize(
    ("text", "code", "what", "remedy"),
    [
        (
            "plate == 'abc-123'",
            "never-equal",
            "'plate' has only the characters A-Z0-9, never 'abc-123'",
            "did you mean 'ABC123'?",
        ),
        (
            "'A 1' != plate",
            "always-true",
            "'plate' has only the characters A-Z0-9, never 'A 1': this is always true",
            "did you mean 'A1'?",
        ),
        (
            "plate in ['A', 'b', 'C-', 'd', 'e']",
            "never-equal",
            "'plate' has only the characters A-Z0-9, never 'b' or 'C-' or 'd' and 1 more",
            "did you mean 'B'?",
        ),
        (
            "plate.startsWith('gov')",
            "never-true",
            "'plate' has only the characters A-Z0-9: it never starts with 'gov'",
            "did you mean 'GOV'?",
        ),
        (
            "plate.contains('-')",
            "never-true",
            "'plate' has only the characters A-Z0-9: it never contains '-'",
            "compare it with something else",
        ),
        (
            "lower(plate) == 'ABC'",
            "never-equal",
            "'lower(plate)' has only the characters a-z0-9, never 'ABC'",
            "did you mean 'abc'?",
        ),
        (
            "lower(camera_id) == 'Gate'",
            "never-equal",
            "lower() leaves no capital letters, never 'Gate'",
            "did you mean 'gate'?",
        ),
        (
            "plate.substring(0, 2) == 'ab'",
            "never-equal",
            "'plate.substring(0, 2)' has only the characters A-Z0-9, never 'ab'",
            "did you mean 'AB'?",
        ),
        (
            "lane == 'RIHGT'",
            "never-equal",
            "'lane' is one of 'LEFT', 'RIGHT', never 'RIHGT'",
            "did you mean 'RIGHT'?",
        ),
        (
            "confidence > 1",
            "never-true",
            "'confidence' is from 0 to 1, so this is never true",
            "compare it with something else",
        ),
        (
            "confidence >= 80",
            "never-true",
            "'confidence' is from 0 to 1, so this is never true",
            "did you mean 0.8?",
        ),
        (
            "0.0 <= confidence",
            "always-true",
            "'confidence' is from 0 to 1, so this is always true",
            "compare it with something else",
        ),
        (
            "count < 0",
            "never-true",
            "'count' is at least 0, so this is never true",
            "compare it with something else",
        ),
        (
            "time.getMonth() == 12",
            "never-equal",
            "'time.getMonth()' is from 0 to 11 (January is 0), never 12",
            "compare it with something else",
        ),
        (
            "size(tags) < 0",
            "never-true",
            "'size(tags)' is at least 0, so this is never true",
            "compare it with something else",
        ),
    ],
)
def test_what_can_never_be_is_told_with_what_is(
    text: str, code: str, what: str, remedy: str
) -> None:
    (warning,) = warnings_of(text)
    assert (warning.code, warning.what, warning.remedy) == (code, what, remedy)


@pytest.mark.parametrize(
    "text",
    [
        "plate == 'ABC123'", "plate != ''", "plate in ['A', 'B']", "plate.endsWith('1')",
        "lower(plate) == 'abc'", "plate.upperAscii() == 'ABC'", "lane in ['LEFT']",
        "lane.startsWith('LE')", "confidence > 0.99", "confidence >= 1", "confidence < 1",
        "confidence <= 0", "confidence > 0", "score != null && score < 0.5", "count < 1",
        "time.getHours() >= 22", "(time - time).getHours() > 24", "plate + '-' == 'A-'",
        "camera_id == 'ä'", "plate == camera_id", "tags.exists(t, t == plate)",
        "confidence == double('nan')", "plate != null", "score == null",
    ],
)  # fmt: skip
def test_what_may_be_is_not_told(text: str) -> None:
    assert warnings_of(text) == []


@pytest.mark.parametrize(
    ("sign", "limits"),
    [
        ("<", {-1: False, 0: False, 1: None, 2: True}),
        ("<=", {-1: False, 0: None, 1: True, 2: True}),
        (">", {-1: True, 0: None, 1: False, 2: False}),
        (">=", {-1: True, 0: True, 1: None, 2: False}),
    ],
)
def test_an_ordering_is_decided_at_the_ends_of_the_range(
    sign: str, limits: dict[int, bool | None]
) -> None:
    codes = {True: ["always-true"], False: ["never-true"], None: []}
    mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}[sign]
    for limit, verdict in limits.items():
        for text in (f"confidence {sign} {limit}", f"{limit} {mirrored} confidence"):
            assert [each.code for each in warnings_of(text)] == codes[verdict]


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("^gov[0-9]+$", "the pattern's 'gov' is never found in it"),
        ("A b", "the pattern's 'A b' is never found in it"),
        ("^Ax?1$", ""),
        ("(?i)^gov", ""),
        ("gov|GOV", ""),
        ("[a-z]+", ""),
        ("^GOV", ""),
        ("", ""),
    ],
)
def test_a_pattern_that_begins_with_other_characters_is_told(pattern: str, told: str) -> None:
    found = warnings_of(f"plate.matches('{pattern}')")
    assert bool(found) is bool(told)
    assert all(told in each.what for each in found)


def condition_warnings(operator: str, value: object) -> list[str]:
    return [each.what for each in compile_condition("plate", operator, value, EVENT).warnings]


def test_the_operators_ignore_case_so_only_other_characters_are_told() -> None:
    for operator, value in (("equals", "abc"), ("in_list", ["abc", "X"]), ("contains", "b")):
        assert condition_warnings(operator, value) == []
    told = "'plate' has only the characters A-Z0-9, never 'a b'"
    assert condition_warnings("equals", "a b") == [told]
    assert condition_warnings("contains", "a b") == [told]
    assert condition_warnings("in_list", ["abc", None, "a b"]) == [told]


def test_a_value_of_a_list_is_told_by_its_number() -> None:
    (warning,) = compile_condition("plate", "in_list", ["A", None, "a b"], EVENT).warnings
    assert warning.offset == 3
    assert warning.remedy == "did you mean 'AB'?"


def test_a_text_in_lower_case_is_of_the_characters_in_lower_case() -> None:
    assert domain_in_case("lower", LETTERS).has("abc1")
    assert not domain_in_case("lower", LETTERS).has("Abc")
    assert not domain_in_case("lower", LETTERS).has("a-")
    assert domain_in_case("lower", None).has("a-ß")
    assert domain_in_case("lower", Domain(words=("LEFT",))).words == ("left",)
    assert domain_in_case("upperAscii", Domain(words=("left",))).words == ("LEFT",)
    assert not domain_in_case("upperAscii", None).has("a")
    assert domain_in_case("upperAscii", None).has("ä")
    assert not domain_in_case("lowerAscii", None).has("A")
    # The letters between Z and a are no capital letters.
    assert domain_in_case("lower", of_characters("A-z")).has("_")


def test_the_parts_of_one_of_few_words_are_not_those_words() -> None:
    assert domain_of_parts(Domain(words=("LEFT",))) is None
    assert domain_of_parts(LETTERS) == LETTERS


def test_odd_values_are_found_in_long_lists() -> None:
    plates = [f"P{number}" for number in range(1_000)]
    assert outside(LETTERS, plates) == []
    assert outside(LETTERS, [*plates, "x"]) == ["x"]
    assert outside(LETTERS, ["x", 1, None]) == ["x"]
    assert outside_in_any_case(LETTERS, ["x", "x-"], is_part=False) == ["x-"]
