from __future__ import annotations

import re
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.pipeline.active_rules import longest_cooldown, prepare, render, row_counts, targets_of
from engine.rules import RuleSet, load_rules
from engine.rules.watchlist_reader import KnownLists
from engine.schema.event import make_event
from engine.watchlist import likeness_index
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


LISTS = """
watchlists: {stolen: stolen.txt, guests: guests.txt, told: told.txt}
rules:
  - {id: like, when: 'similar(plate.normalized_text, watchlist("stolen"))', notify: []}
  - {id: on, when: 'plate.normalized_text in watchlist("guests")', notify: []}
  - id: asks
    when: 'true'
    notify: []
    message_template: '{closest(watchlist("told"), plate.normalized_text).plate}'
"""


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Any]]:
    """The indices of plates by likeness that are built, in their order."""
    found = []

    class Noted(likeness_index.LikenessIndex):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            found.append(weakref.ref(self))

    monkeypatch.setattr(likeness_index, "LikenessIndex", Noted)
    return found


def load_lists(folder: Path, known: KnownLists | None = None) -> RuleSet:
    path = folder / "rules.yaml"
    path.write_text(LISTS)
    return load_rules([path], plate_schema(), {}, known=known)


def write_lists(folder: Path, **rows: int) -> None:
    for name, count in rows.items():
        plates = (f"{name.upper()}{number:04}" for number in range(count))
        (folder / f"{name}.txt").write_text("\n".join(plates))


def test_lists_that_are_asked_by_likeness_are_indexed_before_the_first_event(
    tmp_path: Path, built: list[object]
) -> None:
    write_lists(tmp_path, stolen=1, guests=1, told=1)
    rule_set = load_lists(tmp_path)
    assert rule_set.asked_by_likeness == {"stolen", "told"}
    in_force = prepare(rule_set)
    assert len(built) == 2
    values = plate_event()
    values["plate"]["normalized_text"] = "ST0LEN0000"
    event = make_event(values, zone=UTC)
    like, asks = in_force.match(event).matches
    assert like.rule_id == "like"
    render(asks.rule, event, 0, datetime.now(UTC))
    assert len(built) == 2


def test_a_list_that_stays_keeps_its_index_and_one_that_goes_drops_it(
    tmp_path: Path, built: list[weakref.ref[Any]]
) -> None:
    write_lists(tmp_path, stolen=200, guests=1, told=1)
    first = load_lists(tmp_path)
    prepare(first)
    old = {name: first.watchlists[name].near_plates.prepare() for name in ("stolen", "told")}
    # Too few rows: the list of the load before stays in its place.
    write_lists(tmp_path, stolen=1, told=2)
    second = load_lists(tmp_path, first.watchlists)
    assert [refusal.name for refusal in second.refusals] == ["stolen"]
    prepare(second)
    assert second.watchlists["stolen"].near_plates.prepare() is old["stolen"]
    assert second.watchlists["told"].near_plates.prepare() is not old["told"]
    assert len(built) == 3
    del first, old
    assert sum(index() is not None for index in built) == 2


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
