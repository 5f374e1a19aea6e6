from __future__ import annotations

import re
from datetime import UTC
from pathlib import Path

import pytest

from engine.pipeline.active_rules import longest_cooldown, prepare, row_counts, targets_of
from engine.rules import RuleSet, load_rules
from engine.schema.event import make_event
from tests.support.avro import plate_schema
from tests.support.rule_files import load_text
from tests.unit.plate import plate_event

RULES = """
channels: {ops: 'json://localhost', spare: 'json://localhost'}
rules:
  - {id: brief, name: B, when: true, notify: [ops, spare], rate_limit: {cooldown_seconds: 5}}
  - {id: long, name: L, when: true, notify: [ops], rate_limit: {cooldown_seconds: 500}}
  - {id: every, name: E, when: false, notify: [], rate_limit: {enabled: false}}
"""


@pytest.fixture
def rule_set(tmp_path: Path) -> RuleSet:
    return load_text(RULES, tmp_path)


def test_a_ready_set_matches_and_knows_the_ways_of_its_alerts(rule_set: RuleSet) -> None:
    in_force = prepare(rule_set)
    event = make_event(plate_event(), zone=UTC)
    assert [match.rule_id for match in in_force.match(event).matches] == ["brief", "long"]
    assert in_force.targets == {
        "brief": (("ops", "ops:mailbox"), ("spare", "spare:mailbox")),
        "long": (("ops", "ops:mailbox"),),
        "every": (),
    }


def test_every_target_of_a_set_is_known_by_its_id(rule_set: RuleSet) -> None:
    targets = targets_of(rule_set)
    assert {name: target.channel for name, target in targets.items()} == {
        "ops:mailbox": "ops",
        "spare:mailbox": "spare",
    }


def test_alerts_are_stored_for_the_ids_of_the_targets_by_the_same_key(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SHARED)
    rule_set = load_rules([tmp_path], plate_schema(), {})
    named = {key: {ref for _, ref in prepare(rule_set, key).targets["all"]} for key in (b"a", b"b")}
    assert named[b"a"] < targets_of(rule_set, b"a").keys()
    assert named[b"b"] < targets_of(rule_set, b"b").keys()
    assert len(named[b"a"] & named[b"b"]) == 3


def test_the_longest_cooldown_in_force_is_known(rule_set: RuleSet) -> None:
    assert longest_cooldown(rule_set) == 500.0


def test_the_rows_of_each_watchlist_are_counted(tmp_path: Path) -> None:
    (tmp_path / "stolen.csv").write_text("plate\nA1\nB2\n")
    text = """
watchlists: {stolen: stolen.csv}
rules: [{id: a, when: 'plate.normalized_text in watchlist("stolen")', notify: []}]
"""
    assert row_counts(load_text(text, tmp_path)) == {"stolen": 2}


SHARED = """
notifications:
  email:
    enabled: true
    smtp_host: mail.example.org
    username: alerts@example.org
    password: hush
    recipients: [Alice@example.org, bob@example.org]
channels:
  night: mailtos://u:p@MAIL.example.org/?from=n@example.org&to=alice@example.org,eve@example.org
  other: mailtos://u:p@other.example.org:587/?from=night@example.org&to=alice@example.org
  hook:
    - https://h.example.org/x
    - https://H.example.org/x
    - {url: https://h.example.org/x, method: PUT}
rules:
  - {id: all, name: A, when: true, notify: [night, email, other, hook]}
  - {id: one, name: O, when: true, notify: [email]}
"""


def test_one_recipient_in_two_channels_of_a_rule_gets_one_message(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SHARED)
    in_force = prepare(load_rules([tmp_path], plate_schema(), {}))
    ids = [target_id for _, target_id in in_force.targets["all"]]
    assert ids[:3] == ["night:alice@example.org", "night:eve@example.org", "email:bob@example.org"]
    assert [re.sub("[0-9a-f]{10}$", "HASH", name) for name in ids[3:]] == [
        "hook:h.example.org:HASH",
        "hook:h.example.org:HASH",
    ]
    assert len(set(ids)) == 5
    assert [target_id for _, target_id in in_force.targets["one"]] == [
        "email:alice@example.org",
        "email:bob@example.org",
    ]
