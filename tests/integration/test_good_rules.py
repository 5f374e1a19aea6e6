"""The corpus of good rules: each loads without an error or a warning, and means what it says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from engine.pipeline.active_rules import template_bindings
from engine.rules import Expect, Rule, RuleSet, examples_of, load_rules
from engine.schema.event import make_event
from engine.simulate.rule_tests import run_tests
from tests.support.avro import plate_schema

FOLDER = Path(__file__).parents[1] / "data" / "good_rules"
#: The real file of the plan's form has its warnings told by a test of its own.
REAL = "alert_rules_real.yaml"
#: A folder is one set of rules.
SETS = sorted(
    path for path in FOLDER.iterdir() if path.suffix in {"", ".yaml"} and path.name != REAL
)
FEWEST = 200
SIGHTING = {
    "captured_at": "2025-12-25T16:05:09Z",
    "camera_id": "gate",
    "track_id": "t-7",
    "latency_ms": 1234,
    "plate": {"text": "abc-123", "normalized_text": "ABC123", "confidence": 0.95},
    "vehicle": {"make": "Ford", "color": "black"},
}
VARIABLES = {
    "SMTP_PASSWORD": "p@ss/w#rd%",
    "WEBHOOK_TOKEN": "token",
    "TWILIO_ACCOUNT_SID": "AC00000000000000000000000000000000",
    "TWILIO_AUTH_TOKEN": "00000000000000000000000000000000",
    "SLACK_WEBHOOK_URL": (
        "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
    ),
}


@cache
def loaded(path: Path) -> RuleSet:
    """The rules of a file or folder."""
    return load_rules([path], plate_schema(), VARIABLES)


def message(rule: Rule, event: Mapping[str, Any]) -> tuple[str, int]:
    """The rule's message on an event, and how many placeholders failed."""
    made = make_event(plate_schema().complete(event), zone=UTC)
    return rule.template.render(template_bindings(rule, made, 2))


def matched(rule: Rule) -> Mapping[str, Any]:
    """The first event that the rule's tests say it matches."""
    return examples_of([rule])[0]


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_good_rules_are_not_warned_of(path: Path) -> None:
    assert [str(warning) for warning in loaded(path).warnings] == []


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_good_rules_pass_their_own_tests(path: Path) -> None:
    results = run_tests(loaded(path).rules, plate_schema())
    assert [f"{each.test.place}: {each.problem}" for each in results if not each.is_passed] == []


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_good_rules_have_tests_of_both_kinds(path: Path) -> None:
    constant = {"every_reading", "types_are_equal", "no_reading", "not_a_number"}
    for rule in loaded(path).rules:
        kinds = {expected for test in rule.tests for expected in test.expectations}
        assert kinds == {Expect.MATCH, Expect.NO_MATCH} or (kinds and rule.rule_id in constant), (
            rule.rule_id
        )


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_good_rules_have_messages_without_a_failed_placeholder(path: Path) -> None:
    rules = [rule for rule in loaded(path).rules if rule.rule_id != "no_reading"]
    assert [rule.rule_id for rule in rules if message(rule, matched(rule))[1]] == []


@pytest.mark.parametrize(
    ("rule_id", "text"),
    [
        ("fields", "abc-123 () black Ford 1234"),
        ("percent_and_decimals", "95% 0.95    0.950 9.500000e-01"),
        ("whole_numbers", "1234 01234 1,234 +1234 4d2 1234.0"),
        ("text_in_a_column", "abc-123   |   abc-123| abc-123  |abc|**abc-123***"),
        ("format_of_what_may_be_absent", "     black  "),
        ("moment", "2025-12-25T16:05:09Z 25.12.2025 16:05:09 2025-12-25T16:05 Thursday"),
        ("moment_in_a_zone", "17:05"),
        ("braces", '{"plate": "abc-123"}'),
        ("braces_around_a_placeholder", "{abc-123}"),
        ("of_the_rule", "[medium] Gate: north (of_the_rule), 2 more,    2"),
        ("choice", "black,\nsure\n"),
        ("functions", "abc-123 abc 123 7 gate\nabc\n"),
        ("text_with_a_brace_inside", "abc-123 and a:b"),
        ("arithmetic", "1.2 s, 1 s, 95 %"),
        ("span", "79509s since Christmas Eve"),
        ("truth", "sure: true, known: true"),
    ],
)
def test_messages_read_as_they_should(rule_id: str, text: str) -> None:
    rules = {rule.rule_id: rule for rule in loaded(FOLDER / "templates.yaml").rules}
    assert message(rules[rule_id], SIGHTING) == (text, 0)


def test_there_are_rules_enough() -> None:
    assert sum(len(loaded(path).rules) for path in SETS) >= FEWEST


def test_merge_keys_give_what_a_rule_does_not_say_itself() -> None:
    rules = {rule.rule_id: rule for rule in loaded(FOLDER / "yaml_forms.yaml").rules}
    first, merged, other = (
        rules[name] for name in ("first_of_a_kind", "merged", "merged_of_a_list")
    )
    assert (merged.name, merged.priority, merged.condition.cel) == (
        "Merged",
        first.priority,
        first.condition.cel,
    )
    assert (other.name, str(other.priority)) == (first.name, "low")


def test_a_folder_is_one_set_of_rules() -> None:
    assert [rule.rule_id for rule in loaded(FOLDER / "sites").rules] == [
        "everywhere",
        "north_gate",
        "south_gate",
    ]
