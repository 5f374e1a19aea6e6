"""The corpus of good rules: each loads without an error or a warning, and means what it says."""

from __future__ import annotations

from datetime import UTC
from functools import cache
from pathlib import Path

import pytest

from engine.event import make_event
from engine.match.selftest import run_tests
from engine.render import template_bindings
from engine.rules import Expect, Rule, RuleSet, load_rules
from tests.support.avro import plate_schema

FOLDER = Path(__file__).parents[1] / "data" / "good_rules"
#: The real file of the plan's form has its warnings told by a test of its own.
REAL = "alert_rules_real.yaml"
#: A folder is one set of rules.
SETS = sorted(
    path for path in FOLDER.iterdir() if path.suffix in {"", ".yaml"} and path.name != REAL
)
FEWEST = 200
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


def message_of(rule: Rule) -> tuple[str, int]:
    """The rule's message on the first event that its tests say it matches, and what failed."""
    event = next(test.event for test in rule.tests if test.expect is Expect.MATCH)
    made = make_event(plate_schema().complete(event), zone=UTC)
    return rule.template.render(template_bindings(rule, made, 2))


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
        kinds = {test.expect for test in rule.tests}
        assert kinds == set(Expect) or (kinds and rule.rule_id in constant), rule.rule_id


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_good_rules_have_messages_without_a_failed_placeholder(path: Path) -> None:
    rules = [rule for rule in loaded(path).rules if rule.rule_id != "no_reading"]
    assert [rule.rule_id for rule in rules if message_of(rule)[1]] == []


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
