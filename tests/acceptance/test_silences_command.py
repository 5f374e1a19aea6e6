"""`alert-engine silences` on a store: what it adds, shows, refuses and ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from channels.alert import Alert, Priority
from engine.store import NewAlert, Store, open_store
from tests.support.command import Finished
from tests.support.stored import save
from tests.support.walkthrough import run_here
from tests.unit.plate import plate_event
from tests.unit.store.samples import state_url

HOUR_US = 3_600 * 1_000_000


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store of its own, on either engine."""
    if request.param == "sqlite":
        return state_url(tmp_path)
    found: str = request.getfixturevalue("database")
    return found


def silences(url: str, *arguments: str, **settings: str) -> Finished:
    return run_here(
        {"STATE_URL": url, "RULES_PATH": "no-rules", **settings}, "silences", *arguments
    )


def told(url: str, *arguments: str, **settings: str) -> Any:
    """What it tells as JSON."""
    done = silences(url, *arguments, "--format", "json", **settings)
    assert done.status == 0, done.output
    return json.loads(done.stdout)


def store_alerts(store: Store) -> None:
    """Three alerts of today: two of ABC123 by two rules, one of another car."""
    readings = (("seen", "ABC123", 0.95), ("each", "ABC123", 0.8), ("seen", "XYZ9", 0.8))
    for number, (rule_id, plate, confidence) in enumerate(readings):
        event = plate_event(plate={"normalized_text": plate, "confidence": confidence})
        alert = Alert(f"a-{number}", rule_id, "R", Priority.LOW, "m", "then", "then", event=event)
        save(store, [NewAlert(alert, number.to_bytes(16, "big"), None, number)])


def test_a_silence_is_added_listed_and_expired_beside_an_engine(url: str) -> None:
    with open_store(url) as store:
        store_alerts(store)
        added = told(
            *(url, "add", "--plate", "abc-123", "--for", "2h"),
            *("--by", "ann", "--comment", "the mayor's car"),
        )
        now_us = store.deliveries.now_us()
        (stored,) = store.silences.all()
        (listed,) = told(url, "list")
        (expired,) = told(url, "expire", added["silence_id"])
        assert told(url, "list") == []
        (over,) = told(url, "list", "--all")
    assert (stored.plate, stored.created_by, stored.comment) == ("ABC123", "ann", "the mayor's car")
    assert stored.ends_us - stored.starts_us == 2 * HOUR_US
    assert abs(stored.starts_us - now_us) < 60_000_000
    assert (added["alerts_of_a_day"], added["alerts_looked_at"]) == ({"seen": 1, "each": 1}, 3)
    assert (listed["state"], listed["plate"], listed["rule_id"]) == ("active", "ABC123", None)
    assert expired["state"] == over["state"] == "expired"


def test_it_says_what_it_would_have_silenced(url: str) -> None:
    with open_store(url) as store:
        nothing = silences(url, "add", "--camera", "gate", "--for", "1h")
        store_alerts(store)
        done = silences(url, "add", "--when", "plate.confidence < 0.9", "--for", "1h")
        none = silences(url, "add", "--rule", "each", "--camera", "gate", "--for", "1h")
    assert nothing.stdout.splitlines()[-1] == "no alert of the last day to compare with"
    heading, row, sentence = done.stdout.splitlines()
    assert heading.split() == ["silence", "state", "silences", "from", "until", "by", "comment"]
    assert "active" in row
    assert "when plate.confidence < 0.9" in row
    assert sentence == (
        "of the 3 alerts of the last day it would have silenced 2: 1 of each, 1 of seen"
    )
    assert none.stdout.splitlines()[-1] == (
        "of the 1 alerts of the last day it would have silenced none"
    )


def test_a_rule_that_the_files_do_not_have_is_warned_of(tmp_path: Path) -> None:
    url, rules = state_url(tmp_path), tmp_path / "rules.yaml"
    rules.write_text("rules:\n  - {id: stolen, when: 'true', notify: []}\n")
    with open_store(url):
        arguments = ("add", "--for", "1h", "--rule")
        wrong = silences(url, *arguments, "stolne", RULES_PATH=str(rules))
        right = silences(url, *arguments, "stolen", RULES_PATH=str(rules))
    assert "has no enabled rule 'stolne', did you mean `stolen`?" in wrong.output
    assert "warning" not in right.output
    assert (wrong.status, right.status) == (0, 0)


def test_times_without_a_zone_are_the_sites(tmp_path: Path) -> None:
    url = state_url(tmp_path)
    with open_store(url):
        added = told(
            *(url, "add", "--rule", "seen"),
            *("--from", "2098-07-01T22:00", "--until", "2098-07-02T06:00:00Z"),
            EVENT_TIMEZONE="America/New_York",
        )
    assert (added["starts_at"], added["ends_at"], added["state"]) == (
        "2098-07-02T02:00:00+00:00",
        "2098-07-02T06:00:00+00:00",
        "pending",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--for", "1h"], "it would silence everything, give a rule, a plate, a camera or"),
        (["--rule", "seen"], "one of the arguments --for --until is required"),
        (["--rule", "seen", "--for", "soon"], "--for: 'soon' is not a duration"),
        (["--rule", "seen", "--for", "0s"], "the silence ends before it begins"),
        (["--rule", "seen", "--until", "tonight"], "--until: 'tonight' is no time, write 2025-07"),
        (["--rule", "seen", "--from", "22:00", "--for", "1h"], "--from: '22:00' is no time"),
        (
            ["--rule", "seen", "--from", "2025-01-01T00:00Z", "--for", "1h"],
            "the silence would be over already",
        ),
        (
            ["--rule", "seen", "--from", "9999-12-31T23:00Z", "--for", "2h"],
            "the silence ends after the year 9999",
        ),
        (["--when", "plate.confidnce > 1", "--for", "1h"], "did you mean"),
        (["--when", "camera_id", "--for", "1h"], "`when` must be true or false"),
        (["--plate", "?", "--for", "1h"], "holds no letter A to Z and no digit"),
    ],
)
def test_a_silence_that_makes_no_sense_is_not_stored(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    with open_store(state_url(tmp_path)) as store:
        done = silences(state_url(tmp_path), "add", *arguments)
        assert store.silences.all() == []
    assert done.status == 2
    assert message in done.output


def test_an_unknown_silence_can_not_be_expired_and_the_others_stay(tmp_path: Path) -> None:
    url = state_url(tmp_path)
    with open_store(url):
        known = told(url, "add", "--rule", "seen", "--for", "1h")["silence_id"]
        done = silences(url, "expire", known, "0")
        assert told(url, "list")[0]["state"] == "active"
    assert done.status == 2
    assert "there is no silence 0, see `alert-engine silences list --all`" in done.output


def test_alerts_and_status_tell_of_silences(tmp_path: Path) -> None:
    url = state_url(tmp_path)
    with open_store(url) as store:
        told(url, "add", "--rule", "seen", "--for", "1h")
        told(url, "expire", told(url, "add", "--rule", "each", "--for", "1h")["silence_id"])
        alert = Alert("a-1", "seen", "R", Priority.LOW, "m", "then", "then")
        save(store, [NewAlert(alert, bytes(16), None, 1, silenced_by="0a1b2c3d")])
        shown = [
            run_here({"STATE_URL": url}, *command).stdout
            for command in (
                ("alerts", "list"),
                ("alerts", "show", "a-1"),
                ("alerts", "show", "a-1", "--format", "json"),
                ("status",),
                ("status", "--format", "json"),
            )
        ]
    listed, whole, document, status, status_document = shown
    assert "silenced by 0a1b2c3d" in listed
    assert any(line.split() == ["silenced", "by", "0a1b2c3d"] for line in whole.splitlines())
    assert json.loads(document)["silenced_by"] == "0a1b2c3d"
    assert any(line.split() == ["silences", "1", "active"] for line in status.splitlines())
    assert json.loads(status_document)["active_silences"] == 1
