"""Rules' own tests are run strictly."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.errors import Place
from engine.pipeline.active_rules import prepare
from engine.pipeline.outcome import RuleOutcome
from engine.rules import (
    Expect,
    Expectation,
    ExpectedAlert,
    RuleTest,
    load_rules,
    load_set_tests,
)
from engine.rules.faults import Faults
from engine.rules.rule_test import GivenEvent
from engine.simulate import GivenEvents, Simulation
from engine.simulate.rule_tests import RuleTestResult, run_set_tests, run_tests
from tests.support.plate_costs import changed_costs
from tests.unit.plate import NOON
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
    assert [(result.rule_id, result.test.name, result.is_passed) for result in found] == [
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
        "expected no_match, got alert",
        "expected match, got false",
    ]


@pytest.mark.parametrize("expect", ["match", "no_match", "false", "alert"])
def test_an_evaluation_error_fails_the_test_unless_it_is_expected(
    tmp_path: Path, expect: str
) -> None:
    tests = [f"{{event: {{}}, expect: {each}}}" for each in (expect, "error")]
    assert _problems(tmp_path, "1 / latency_ms > 0", *tests) == [
        f"expected {expect}, got error (division by zero)",
        "",
    ]


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


def test_an_alert_is_expected_to_be_near_or_not(tmp_path: Path) -> None:
    pairs = [("A8C123", "ABC123"), ("ABC123", "''"), ("A8C123", "''"), ("ABC123", "ABC123")]
    tests = ", ".join(
        f"{{event: {{plate: {{normalized_text: {read}}}}},"
        f" expect: {{alert: {{matched_plate: {listed}}}}}}}"
        for read, listed in pairs
    )
    when = "'similar(plate.normalized_text, \"ABC123\")'"
    found = _run(tmp_path, f"when: {when}, tests: [{tests}]")
    assert [result.problem for result in found] == [
        "",
        "",
        'matched_plate: expected "an exact match", got "ABC123"',
        'matched_plate: expected "ABC123", got "an exact match"',
    ]


SEQUENCE = """\
rules:
  - id: stolen
    name: Stolen
    when: plate.normalized_text == "ABC123"
    notify: []
    message_template: "{plate.normalized_text} ({plate.confidence:.0%}) at {camera_id}"
    tests:
      - name: one alert in five minutes, then a second that counts
        events:
          - {at: "2025-07-01T22:00:00-04:00", plate: {normalized_text: ABC123, confidence: 0.95},
             camera_id: gate}
          - {at: +2m}
          - {at: +6m}
          - {}
          - {at: +1h, received_at: +2d}
          - {at: +1h, plate: {normalized_text: XYZ789}}
        expect: [EXPECT]
"""
RIGHT = (
    "alert",
    "suppressed",
    '{alert: {message: "ABC123 (95%) at gate", subject: "[MEDIUM] Stolen: ABC123 (95%) at gate",'
    ' sms: "ABC123 (95%) at gate", suppressed_count: 1}}',
    "duplicate",
    "expired",
    "false",
)


def _sequence(folder: Path, *expect: str) -> tuple[str, ...]:
    text = SEQUENCE.replace("EXPECT", ", ".join(expect))
    (result,) = run_tests(load(folder, text).rules, schema())
    return result.problems


def test_a_sequence_goes_through_cooldown_and_lateness(tmp_path: Path) -> None:
    assert _sequence(tmp_path, *RIGHT) == ()


def test_every_verdict_that_differs_is_reported_with_its_evidence(tmp_path: Path) -> None:
    wrong = ("suppressed", "alert", "no_match", "match", "alert", "match")
    assert _sequence(tmp_path, *wrong) == (
        "event 1: expected suppressed, got alert",
        "event 2: expected alert, got suppressed (by the alert of 2025-07-02 02:00:00 UTC)",
        "event 3: expected no_match, got alert",
        "event 5: expected alert, got expired",
        "event 6: expected match, got false",
    )


def test_texts_are_compared_as_channels_show_them(tmp_path: Path) -> None:
    texts = "{alert: {message: A, subject: B, sms: C, suppressed_count: 2}}"
    assert _sequence(tmp_path, *RIGHT[:2], texts, *RIGHT[3:]) == (
        'event 3: suppressed_count: expected "2", got "1"',
        'event 3: message: expected "A", got "ABC123 (95%) at gate"',
        'event 3: subject: expected "B", got "[MEDIUM] Stolen: ABC123 (95%) at gate"',
        'event 3: sms: expected "C", got "ABC123 (95%) at gate"',
    )


def test_tests_know_nothing_of_each_other(tmp_path: Path) -> None:
    test = "{event: {latency_ms: 6}, expect: alert}"
    assert _problems(tmp_path, "latency_ms > 5", test, test) == ["", ""]


@pytest.mark.parametrize(("age_seconds", "problem"), [(60, ""), (7_200, "got alert")])
def test_alerts_expire_at_the_age_of_the_settings(
    tmp_path: Path, age_seconds: float, problem: str
) -> None:
    text = (
        "rules: [{id: a, when: 'true', notify: [], tests:"
        " [{event: {received_at: +1h}, expect: expired}]}]"
    )
    rules = load(tmp_path, text).rules
    (result,) = run_tests(rules, schema(), max_alert_age_seconds=age_seconds)
    assert result.problem.endswith(problem)
    assert result.is_passed == (not problem)


GATES = """\
rules:
  - {id: listed, when: plate.normalized_text == "ABC123", notify: []}
  - {id: unsure, when: plate.confidence < 0.5, notify: []}
  - {id: broken, when: 1 / latency_ms > 1, notify: []}
  - {id: idle, enabled: false, when: "true", notify: []}
"""


def _of_set(folder: Path, events: str, expect: str) -> RuleTestResult:
    """The result of the only test over the rules of `GATES`."""
    rule_set = load(folder, GATES)
    (folder / "all.test.yaml").write_text(f"tests: [{{events: {events}, expect: {expect}}}]")
    faults = Faults()
    tests = load_set_tests([folder], schema(), UTC, None, faults)
    assert [*faults] == []
    (result,) = run_set_tests(rule_set, tests, schema())
    return result


LISTED = "{latency_ms: 5, plate: {normalized_text: ABC123, confidence: 0.9}}"


def test_a_test_over_several_rules_says_which_of_them_alert(tmp_path: Path) -> None:
    events = f"[{LISTED}, {{at: +1m}}, {{at: +9m, plate: {{confidence: 0.1}}}}]"
    expect = "[[listed], {listed: suppressed}, [listed, unsure]]"
    assert _of_set(tmp_path, events, expect).problems == ()
    assert _of_set(tmp_path, events, "[[], [listed], {unsure: alert}]").problems == (
        "event 1: listed: expected no alert, got alert",
        "event 2: listed: expected alert, got suppressed (by the alert of 2025-01-01 00:00:00 UTC)",
        "event 3: listed: expected no alert, got alert",
    )


def test_a_rule_that_fails_is_no_silent_one(tmp_path: Path) -> None:
    events = f"[{LISTED}, {{latency_ms: 0}}]"
    assert _of_set(tmp_path, events, "[[listed], {broken: error}]").problem == ""
    assert _of_set(tmp_path, events, "[[listed], {listed: suppressed}]").problems == (
        "event 2: broken: expected no alert, got error (division by zero)",
    )


def test_a_test_of_a_disabled_rule_is_left_out(tmp_path: Path) -> None:
    result = _of_set(tmp_path, f"[{LISTED}]", "[[listed, idle]]")
    assert (result.disabled, result.is_passed) == (("idle",), False)


SILENCED = """\
rules:
  - id: a
    when: "true"
    notify: []
    tests:
      - events: [{plate: {normalized_text: ABC123}}, {at: +1m}, {at: +4m}, {at: +3m}]
        silences: [{SILENCE}]
        expect: [silenced, silenced, alert, suppressed]
"""


@pytest.mark.parametrize(
    "silence",
    [
        "plate: abc-123, until: +2m",
        "rule: a, until: +2m",
        "when: plate.normalized_text.startsWith('AB'), until: '2025-01-01T00:02:00Z'",
        "when: 'time < timestamp(\"2025-01-01T00:02:00Z\")'",
    ],
)
def test_a_silence_of_a_test_is_in_force_while_it_lasts(tmp_path: Path, silence: str) -> None:
    (result,) = run_tests(load(tmp_path, SILENCED.replace("SILENCE", silence)).rules, schema())
    assert result.problems == ()


def test_a_silence_of_a_test_goes_by_the_costs_of_the_site(tmp_path: Path) -> None:
    silence = 'when: \'similar("AYC123", "AXC123", 0.95)\', until: +2m'
    rules = load(tmp_path, SILENCED.replace("SILENCE", silence)).rules
    assert not run_tests(rules, schema())[0].is_passed
    (result,) = run_tests(rules, schema(), costs=changed_costs(tmp_path))
    assert result.problems == ()


def test_a_silence_of_something_else_changes_nothing(tmp_path: Path) -> None:
    text = SILENCED.replace("SILENCE", "plate: XYZ789").replace("{at: +3m}", "{}")
    (result,) = run_tests(load(tmp_path, text).rules, schema())
    assert result.problems == (
        "event 1: expected silenced, got alert",
        "event 2: expected silenced, got suppressed (by the alert of 2025-01-01 00:00:00 UTC)",
        "event 4: expected suppressed, got duplicate",
    )


def test_a_match_outside_of_its_hours_is_none(tmp_path: Path) -> None:
    text = (
        "time_intervals: [{name: night, times: [{start_time: '22:00', end_time: '05:00'}]}]\n"
        "rules: [{id: a, when: 'true', notify: [], active_time_intervals: [night], tests: ["
        "{event: {at: '2025-01-01T23:00:00Z'}, expect: match},"
        "{event: {at: '2025-01-01T12:00:00Z'}, expect: no_match},"
        "{event: {at: '2025-01-01T12:00:00Z'}, expect: inactive},"
        "{event: {at: '2025-01-01T12:00:00Z'}, expect: alert}]}]\n"
    )
    results = run_tests(load(tmp_path, text).rules, schema())
    problems = [each.problem for each in results]
    assert problems == ["", "", "", "expected alert, got inactive (night)"]


REAL = """\
rules:
  - id: a
    when: plate.confidence > 0.5
    notify: []
    rate_limit: {cooldown_seconds: 60}
    message_template: "{plate.normalized_text} {suppressed_count}"
"""


def _as_expected(outcomes: Sequence[RuleOutcome]) -> Expectation:
    """What a test has to expect of the only rule, to pass on these outcomes."""
    if not outcomes:
        return Expect.FALSE
    (found,) = outcomes
    if found.alert is None:
        return Expect(found.verdict)
    alert = found.alert.alert
    return ExpectedAlert(alert.message, suppressed_count=alert.suppressed_count)


@pytest.mark.parametrize("seed", range(4))
def test_a_sequence_gives_what_its_events_give_one_by_one(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    rule_set = load(tmp_path, REAL)
    events, now = [], NOON
    for _ in range(40):
        now += timedelta(seconds=chance.choice([0, 0, 1, 20, 59, 60, 61, -30]))
        plate = {
            "normalized_text": chance.choice(["A", "B"]),
            "confidence": chance.choice([0.1, 1]),
        }
        events.append({"captured_at": now.isoformat(), "plate": plate})
    given = GivenEvents(schema())
    with Simulation(prepare(rule_set), given) as simulation:
        found = [simulation.process([given.record(each)]).outcomes for each in events]
    expected = tuple(map(_as_expected, found))
    assert {type(each) for each in expected} == {Expect, ExpectedAlert}
    test = RuleTest("real", tuple(map(GivenEvent, events)), expected, Place("x"))
    (result,) = run_tests([replace(rule_set.rules[0], tests=(test,))], schema())
    assert result.problems == ()
