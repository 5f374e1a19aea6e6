"""Rules' own tests are run strictly."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.match.selftest import RuleTestResult, run_tests
from engine.rules import load_rules
from tests.unit.rules.rule_text import ROOT, load, schema


def _run(folder: Path, rule: str) -> list[RuleTestResult]:
    text = f"rules:\n  - {{id: a, notify: [], {rule}}}\n"
    return run_tests(load(folder, text).rules, schema())


def _problems(folder: Path, when: str, *tests: str) -> list[str]:
    found = _run(folder, f"when: '{when}', tests: [{', '.join(tests)}]")
    return [result.problem for result in found]


def test_tests_pass_where_the_rule_does_what_they_expect(tmp_path: Path) -> None:
    found = _run(
        tmp_path,
        "when: latency_ms > 5, tests: [{name: x, event: {latency_ms: 6}, expect: match},"
        " {event: {}, expect: no_match}]",
    )
    assert [(result.rule.rule_id, result.test.name, result.is_passed) for result in found] == [
        ("a", "x", True),
        ("a", "test 2", True),
    ]


def test_a_test_fails_where_the_rule_does_otherwise(tmp_path: Path) -> None:
    assert _problems(
        tmp_path,
        "latency_ms > 5",
        "{event: {latency_ms: 6}, expect: no_match}",
        "{event: {}, expect: match}",
    ) == [
        "expected no match, but the rule matches",
        "expected a match, but the rule does not match",
    ]


@pytest.mark.parametrize("expect", ["match", "no_match"])
def test_an_evaluation_error_fails_the_test_whatever_it_expects(
    tmp_path: Path, expect: str
) -> None:
    (problem,) = _problems(tmp_path, "1 / latency_ms > 0", f"{{event: {{}}, expect: {expect}}}")
    assert problem.startswith("the evaluation failed: ")


def test_a_naive_time_is_read_in_the_zone(tmp_path: Path) -> None:
    text = (
        "rules:\n  - {id: a, notify: [], when: 'time.getHours() == 16', tests:"
        " [{event: {captured_at: '2025-12-25T11:00:00'}, expect: match}]}\n"
    )
    rules = load(tmp_path, text).rules
    assert not run_tests(rules, schema())[0].is_passed
    assert run_tests(rules, schema(), ZoneInfo("America/New_York"))[0].is_passed


def test_the_shipped_rules_pass_their_tests() -> None:
    found = run_tests(load_rules([ROOT / "rules"], schema(), None).rules, schema())
    assert len(found) >= 20
    assert [(each.test.name, each.problem) for each in found if not each.is_passed] == []


def test_a_message_or_a_key_that_fails_fails_the_test_of_a_match(tmp_path: Path) -> None:
    rule = (
        "when: latency_ms > 5, message_template: '{1 / (latency_ms - 7)} {camera_id}',"
        " rate_limit: {dedup_key: [camera_id, 1 % (latency_ms - 7)]}, tests: ["
        "{event: {latency_ms: 6}, expect: match}, {event: {latency_ms: 7}, expect: match},"
        " {event: {latency_ms: 1}, expect: no_match}]"
    )
    assert [result.problem for result in _run(tmp_path, rule)] == [
        "",
        "{1 / (latency_ms - 7)} of the message failed: division by zero;"
        " the dedup_key 1 % (latency_ms - 7) failed: modulus by zero",
        "",
    ]


def test_a_message_may_name_its_rule_and_what_was_held_back(tmp_path: Path) -> None:
    rule = (
        "when: 'true', message_template: '{rule.name} {rule.priority} {suppressed_count}',"
        " rate_limit: {enabled: false}, tests: [{event: {}, expect: match}]"
    )
    assert [result.problem for result in _run(tmp_path, rule)] == [""]
