"""One rule's own keys, and its tests, which are checked as strictly."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from channels.alert import Priority
from engine.rules import load_rules
from engine.rules.rule import DEFAULT_TEMPLATE, LOCAL_TEMPLATE
from tests.unit.rules.rule_text import faults, load, one, rule_faults, schema


def test_a_rule_has_what_its_file_says(tmp_path: Path) -> None:
    rule = one(tmp_path, "name: ' The Gate ', description: 'd ', priority: high, when: true")
    assert (rule.rule_id, rule.name, rule.description) == ("a", "The Gate", "d")
    assert rule.priority is Priority.HIGH
    assert (rule.place.line, rule.place.column) == (2, 5)


def test_a_rule_needs_little(tmp_path: Path) -> None:
    rule = one(tmp_path, "when: true")
    assert (rule.name, rule.description, rule.priority) == ("a", "", Priority.MEDIUM)
    assert rule.template.text == DEFAULT_TEMPLATE
    assert rule.tests == ()


def test_the_default_message_has_the_event_in_the_zone_of_the_site(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("rules:\n  - {id: a, when: true, notify: []}\n")
    texts = [
        load_rules([path], schema(), None, zone=ZoneInfo(zone)).rules[0].template.text
        for zone in ("UTC", "Europe/Berlin")
    ]
    assert texts == [DEFAULT_TEMPLATE, LOCAL_TEMPLATE]


def test_an_id_is_its_own_text(tmp_path: Path) -> None:
    found = load(tmp_path, "rules:\n  - {id: 007, when: true, notify: []}\n")
    assert found.rules[0].rule_id == "007"


@pytest.mark.parametrize("rule_id", ["Gate", "a b", "a.b", "ü", "'a\n'", "x" * 101, "''", "[a]"])
def test_a_bad_id_is_an_error(tmp_path: Path, rule_id: str) -> None:
    assert faults(tmp_path, f"rules:\n  - {{id: {rule_id}, when: true, notify: []}}\n")


def test_a_missing_id_is_an_error(tmp_path: Path) -> None:
    assert faults(tmp_path, "rules:\n  - {when: true, notify: []}\n") == [
        "2:5: the rule has no `id`, add `id: some_name`"
    ]


@pytest.mark.parametrize("name", ["''", "' '", "", '"a\\nb"', '"\\x1b[0m"', "x" * 201, "{}"])
def test_a_bad_name_is_an_error(tmp_path: Path, name: str) -> None:
    (told,) = rule_faults(tmp_path, f"when: true, name: {name}")
    assert told.startswith("`name`")


def test_a_bad_priority_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    assert rule_faults(tmp_path, "when: true, priority: High") == [
        "unknown priority `High`, did you mean `high`?"
    ]
    assert rule_faults(tmp_path, "when: true, priority: urgent") == [
        "unknown priority `urgent`, write high"
    ]


def test_a_disabled_rule_is_checked_and_left_out(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "rules:\n  - {id: a, when: true, notify: [], enabled: no}\n"
        "  - {id: b, when: true, notify: []}\n",
    )
    assert found.disabled == ("a",)
    assert [rule.rule_id for rule in found.rules] == ["b"]
    assert len(rule_faults(tmp_path, "when: plat, enabled: false")) == 1


def test_all_faults_of_a_rule_are_told(tmp_path: Path) -> None:
    told = rule_faults(
        tmp_path,
        "nmae: x, enabled: 7, priority: x, when: plat, rate_limit: 5, message_template: '{x}',"
        " tests: {}, description: []",
    )
    assert len(told) == 8


def test_an_empty_template_is_an_error(tmp_path: Path) -> None:
    assert rule_faults(tmp_path, "when: true, message_template: ' '") == [
        "`message_template` is empty, give it a value, or remove it"
    ]


def test_braces_without_quotes_are_told_apart(tmp_path: Path) -> None:
    assert rule_faults(tmp_path, "when: true, message_template: {plate.text}") == [
        "`message_template` must be a text, but it is a mapping, put quotes around it"
    ]


def test_a_placeholder_in_a_name_is_warned_of(tmp_path: Path) -> None:
    found = load(tmp_path, 'rules: [{id: r, name: "{plate.text} seen", when: true, notify: []}]')
    (warning,) = found.warnings
    assert warning.what == "`name` is shown as it stands, with its braces"


def test_a_key_in_the_wrong_place_is_led_to_the_right_one(tmp_path: Path) -> None:
    told = rule_faults(tmp_path, "when: true, cooldown_seconds: 5, field: camera_id")
    assert any("it belongs under `rate_limit:`" in each for each in told)
    assert any("it belongs to an item of a list under `conditions:`" in each for each in told)


def test_an_unknown_field_has_its_place(tmp_path: Path) -> None:
    text = (
        "rules:\n  - id: a\n    when: true\n    notify: []\n    tests:\n"
        "      - expect: match\n        event:\n          plate:\n            txt: A\n"
    )
    assert faults(tmp_path, text) == [
        "9:13: unknown key `txt` in the record `plate`, did you mean `text`?"
    ]
