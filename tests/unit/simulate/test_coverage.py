"""Coverage says which parts of a condition no test has made true, or false."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from engine.rules import load_set_tests
from engine.rules.faults import Faults
from engine.simulate.coverage import cover
from tests.unit.rules.rule_text import load, schema


def gaps(folder: Path, condition: str, *events: str) -> list[tuple[str, str]]:
    """The parts of a condition that tests on these events leave open, and how."""
    tests = ", ".join(f"{{event: {each}, expect: match}}" for each in events)
    rules = load(
        folder, f"rules:\n  - {{id: a, notify: [], {condition}, tests: [{tests}]}}\n"
    ).rules
    (found,) = cover(rules, (), schema())
    return [(part.text, part.gap) for part in found.gaps]


BOTH = "when: latency_ms > 5 && camera_id == 'gate'"


def test_a_part_is_covered_by_a_test_in_which_it_holds_and_one_in_which_it_does_not(
    tmp_path: Path,
) -> None:
    assert gaps(tmp_path, BOTH, "{latency_ms: 9, camera_id: gate}", "{latency_ms: 9}", "{}") == []


def test_a_part_that_always_holds_or_never_does_is_a_gap(tmp_path: Path) -> None:
    assert gaps(tmp_path, BOTH, "{latency_ms: 9}") == [
        ("latency_ms > 5", "never false"),
        ('camera_id == "gate"', "never true"),
    ]


def test_a_part_that_was_always_skipped_is_a_gap_as_a_whole(tmp_path: Path) -> None:
    when = "when: latency_ms > 5 && (camera_id == 'a' || camera_id == 'b')"
    assert gaps(tmp_path, when, "{}") == [
        ("latency_ms > 5", "never true"),
        ('camera_id == "a" || camera_id == "b"', "never evaluated"),
    ]
    assert gaps(tmp_path, when, "{}", "{latency_ms: 6, camera_id: a}") == [
        ('camera_id == "a"', "never false"),
        ('camera_id == "b"', "never evaluated"),
    ]


def test_a_part_that_failed_was_neither_true_nor_false(tmp_path: Path) -> None:
    assert gaps(tmp_path, "when: 1 / latency_ms > 0", "{}") == [
        ("1 / latency_ms > 0", "never evaluated")
    ]


@pytest.mark.parametrize(
    ("condition", "gap"),
    [
        (
            "conditions: [{field: plate.confidence, operator: greater_than, value: 0.8}]",
            ("plate.confidence greater_than 0.8", "never true"),
        ),
        ("when: '!(latency_ms > 5)'", ("latency_ms > 5", "never true")),
        (
            "when: 'camera_id == \"\" ? latency_ms > 5 : latency_ms > 7'",
            ("latency_ms > 7", "never evaluated"),
        ),
        (
            'when: \'["A", "B"].exists(p, plate.text.startsWith(p))\'',
            ("plate.text.startsWith(p)", "never true"),
        ),
    ],
)
def test_every_part_is_named_as_its_author_knows_it(
    tmp_path: Path, condition: str, gap: tuple[str, str]
) -> None:
    assert gap in gaps(tmp_path, condition, "{}")


def test_what_is_constant_needs_no_test(tmp_path: Path) -> None:
    assert gaps(tmp_path, "when: 'true'", "{}") == []


def test_tests_over_several_rules_cover_those_that_they_name(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        "rules: [{id: a, notify: [], when: latency_ms > 5},"
        " {id: b, notify: [], when: latency_ms > 6}]",
    ).rules
    (tmp_path / "x.test.yaml").write_text(
        "tests: [{events: [{}, {latency_ms: 9}], expect: [{a: false}, {a: alert, b: alert}]}]"
    )
    tests = load_set_tests([tmp_path], schema(), UTC, {"a", "b"}, Faults())
    assert [each.gaps for each in cover(rules, tests, schema())] == [[], []]
    assert cover(rules, (), schema()) == []
