"""Constant parts that always fail."""

from __future__ import annotations

import pytest

from engine.errors import Severity
from tests.unit.cel.plate_variables import compiled, problem_of, problems_of


@pytest.mark.parametrize(
    ("text", "offset", "what"),
    [
        ("1 / 0 == 1", 2, "'1 / 0' always fails: division by zero"),
        ("latency_ms / 0 > 1", 11, "'latency_ms / 0' always fails: division by zero"),
        ("latency_ms + latency_ms % 0 > 1", 24, "'latency_ms % 0' always fails: division by zero"),
        ("uint(latency_ms) / 0u > 1", 17, "'uint(latency_ms) / 0u' always fails: division by zero"),
        ("[1, 2][5] == latency_ms", 6, "'[1, 2][5]' always fails: index out of range: 5"),
        ("{'a': 1}.b == 1", 9, "'{\"a\": 1}.b' always fails: no such key: 'b'"),
        ("{'a': 1, 'a': 2}.a == 1", 0, "stands twice in a map"),
        ("!(9223372036854775807 + 1 > latency_ms)", 22, "64"),
        ("'a'.substring(5) == camera_id", 4, "always fails"),
        ("(1 / 0 == 1 ? true : false) || 1 / 0 == 1", 3, "division by zero"),
        ("is_test ? 1 / 0 : 2 / 0", 12, "division by zero"),
        ("[1 / 0].all(x, x > 1)", 3, "division by zero"),
    ],
)
def test_a_part_with_which_the_whole_fails_is_an_error(text: str, offset: int, what: str) -> None:
    problem = problems_of(text)[0]
    assert (problem.code, problem.offset) == ("always-fails", offset)
    assert what in problem.what


@pytest.mark.parametrize(
    "text",
    [
        "is_test && 1 / 0 == 1",
        "is_test || latency_ms / 0 == 1",
        "(is_test ? 1 / 0 : 2) == 1",
        "tags.all(t, [1][2] == 1)",
        "[1, 2].exists(x, {'a': 1}.b == x)",
    ],
)
def test_a_part_that_may_not_matter_is_a_warning(text: str) -> None:
    (warning,) = compiled(text).warnings
    assert (warning.code, warning.severity) == ("always-fails", Severity.WARNING)


@pytest.mark.parametrize(
    "text",
    [
        "1.0 / 0.0 > 1.0", "[1, 2][1] == 2", "{'a': 1}.a == 1", "has({'a': 1}.b)",
        "timestamp('2025-01-01T00:00:00Z') < time", "'a' + 'b' == camera_id",
        "int('5') == latency_ms", "type(1) == int", "latency_ms / (latency_ms - latency_ms) == 1",
        "[1, 2].map(x, x * 2)[1] == 4", "plate.confidence / 0.0 > 1.0",
    ],
)  # fmt: skip
def test_constant_parts_with_a_value_are_fine(text: str) -> None:
    assert compiled(text).warnings == ()


def test_a_long_sum_is_told_as_a_whole() -> None:
    text = " + ".join(["9223372036854775807"] * 500)
    assert problem_of(f"{text} > 1").code == "always-fails"
