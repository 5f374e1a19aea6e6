"""`alert-engine explain` shows why the rules did what they did on one event."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.store import Silence, open_store
from tests.support.command import Finished, alert_engine
from tests.support.sightings import sighting
from tests.support.stored import save
from tests.unit.store.samples import Samples

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = """\
channels:
  guards: "mailto://user:word@127.0.0.1:9?from=engine@example.org&to=gate@example.org"
  hook: {url: "http://127.0.0.1:9/secret-path"}
rules:
  - id: stolen
    conditions:
      - {field: plate.normalized_text, operator: in_list, value: [ABC123, XYZ789]}
    when: plate.confidence > 0.8 && (camera_id == "gate" || camera_id.startsWith("cam"))
    notify: [guards, hook]
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "event.json").write_text(json.dumps(sighting("ABC123", NOON)))
    return tmp_path


def explain(folder: Path, *arguments: str) -> Finished:
    return alert_engine(
        folder, "explain", *arguments, "--rules", "rules.yaml", variables=store_of(folder)
    )


def store_of(folder: Path) -> dict[str, str]:
    return {"STATE_URL": f"sqlite:///{folder / 'alerts.db'}"}


def as_json(folder: Path, *arguments: str) -> Any:
    done = explain(folder, *arguments, "--format", "json")
    assert (done.status, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_text_shows_the_parts_and_the_message_of_each_target(site: Path) -> None:
    done = explain(site, "event.json")
    assert done.status == 0, done.stderr
    for line in (
        "stolen: alert   (rules.yaml:5:5)",
        "    true   plate.confidence > 0.8   (plate.confidence is 0.95)",
        '    false    camera_id == "gate"   (camera_id is "cam-1")',
        '    true     camera_id.startsWith("cam")   (camera_id is "cam-1")',
        "  guards:gate@example.org",
        "    [MEDIUM] stolen: ABC123 at cam-1, 2026-03-01T12:00:00.000Z",
        "  hook:127.0.0.1:9",
    ):
        assert line in done.stdout.splitlines(), done.stdout
    assert "<div" not in done.stdout
    assert "secret-path" not in done.stdout


def test_json_has_the_tree_and_the_messages(site: Path) -> None:
    (rule,) = as_json(site, "event.json")["rules"]
    assert (rule["rule_id"], rule["verdict"]) == ("stolen", "alert")
    words = [part.get("words", part["text"]) for part in rule["condition"]["parts"]]
    assert words[:2] == [
        "plate.normalized_text in_list ['ABC123', 'XYZ789']",
        "plate.confidence > 0.8",
    ]
    assert rule["index"]["is_candidate"] is True
    assert [each["target"] for each in rule["alert"]["channels"]] == [
        "guards:gate@example.org",
        "hook:127.0.0.1:9",
    ]


@pytest.mark.slow
def test_a_near_match_is_shown_with_both_plates(site: Path) -> None:
    rules = RULES.replace("when: plate.", 'when: similar(plate.text, "ABC123") && plate.')
    (site / "rules.yaml").write_text(rules.replace("[ABC123,", "[A8C123,"))
    (site / "event.json").write_text(json.dumps(sighting("A8C123", NOON)))
    lines = explain(site, "event.json").stdout.splitlines()
    words = "read A8C123, listed ABC123 (97 %)"
    assert f"  possible: {words}" in lines
    title = f"    [MEDIUM] possible: stolen: {words} at cam-1, 2026-03-01T12:00:00.000Z"
    assert title in lines
    (rule,) = as_json(site, "event.json")["rules"]
    assert (rule["alert"]["matched_plate"], rule["alert"]["likeness"]) == ("ABC123", 1 - 20 / 600)


def test_an_alert_is_named_by_the_beginning_of_its_id(site: Path) -> None:
    with open_store(store_of(site)["STATE_URL"]) as store:
        samples = Samples(event=sighting("ABC123", NOON))
        save(store, [samples.new("guards/gate", rule_id="stolen")])
    found = as_json(site, "alert-0")
    assert found["record"] == {"topic": "plates", "partition": 2, "offset": 1}
    assert found["note"] == "the rules are today's: those of then are not kept"
    assert [each["rule_id"] for each in found["rules"]] == ["stolen"]
    done = explain(site, "0000")
    assert done.status == 2
    assert "no single alert's id begins with '0000'" in done.stderr


def test_a_silence_that_can_not_be_used_leaves_the_json_whole(site: Path) -> None:
    with open_store(store_of(site)["STATE_URL"]) as store:
        store.silences.add(Silence(condition="no_field == 1", starts_us=0, ends_us=1 << 60))
    done = explain(site, "event.json", "--format", "json")
    assert json.loads(done.stdout)["rules"][0]["verdict"] == "alert"
    assert "silence.unusable" in done.stderr


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "event.json: has 0 events"),
        ("{}\n{}\n", "alert-engine: event.json:1: "),
        ("[1]\n", "event.json:1: it is a list"),
    ],
)
def test_a_file_without_exactly_one_event_is_refused(site: Path, text: str, fault: str) -> None:
    (site / "event.json").write_text(text)
    done = explain(site, "event.json")
    assert done.status == 2
    assert fault in done.stderr


def test_an_unknown_rule_has_a_suggestion(site: Path) -> None:
    done = explain(site, "event.json", "--rule", "stollen")
    assert (done.status, done.stderr) == (
        2,
        "alert-engine: there is no rule 'stollen', did you mean `stolen`?\n",
    )
