from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

from engine.match import LinearMatcher
from engine.schema.event import Event, make_event
from tests.support.rule_files import load_text
from tests.unit.plate import plate_event

RULES = """
rules:
  - {id: first, name: A, when: plate.confidence > 0.9, notify: []}
  - {id: broken, name: B, when: 'vehicle.make.startsWith("T")', notify: []}
  - {id: off, name: C, enabled: false, when: true, notify: []}
  - {id: last, name: D, when: true, notify: []}
"""


def an_event(**fields: Any) -> Event:
    return make_event(plate_event(**fields), zone=UTC)


def test_the_rules_that_hold_are_given_in_rule_order(tmp_path: Path) -> None:
    matcher = LinearMatcher(load_text(RULES, tmp_path).rules)
    assert [m.rule_id for m in matcher.match(an_event(vehicle={"make": "Toyota"})).matches] == [
        "first",
        "broken",
        "last",
    ]
    assert [m.rule_id for m in matcher.match(an_event(plate={"confidence": 0.5})).matches] == [
        "last"
    ]


def test_all_rules_are_the_enabled_ones_in_order(tmp_path: Path) -> None:
    matcher = LinearMatcher(load_text(RULES, tmp_path).rules)
    assert [rule.rule_id for rule in matcher.all_rules()] == ["first", "broken", "last"]


def test_an_evaluation_error_is_given_and_stops_no_other_rule(tmp_path: Path) -> None:
    matches, errors = LinearMatcher(load_text(RULES, tmp_path).rules).match(an_event())
    assert [match.rule_id for match in matches] == ["first", "last"]
    assert [(failed.rule.rule_id, failed.error.error_type) for failed in errors] == [
        ("broken", "null_operand")
    ]
