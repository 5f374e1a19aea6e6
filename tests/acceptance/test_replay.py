"""`alert-engine replay` shows what rules would have done on recorded events."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from confluent_kafka.admin import AdminClient

from engine.demo.servers import RegistryServer
from engine.simulate import replay as replay_module
from engine.store import Silence, open_store
from tests.support.command import Finished, alert_engine
from tests.support.engine_process import COMMAND
from tests.support.kafka import Broker
from tests.support.patience import await_that
from tests.support.processes import ORPHAN
from tests.support.sightings import sighting
from tests.support.site import Site

NIGHT = datetime(2026, 3, 1, 22, tzinfo=UTC)
RULES = """\
channels:
  guards: json://localhost/${A_TOKEN_THAT_IS_NOT_SET}
rules:
  - id: stolen
    when: plate.normalized_text in ["ABC123", "XYZ789"]
    notify: [guards]
    rate_limit: {cooldown_seconds: 300, dedup_key: plate.normalized_text}
    message_template: "{plate.normalized_text} at {camera_id}"
  - {id: unsure, when: 1 / latency_ms > 5, notify: [], rate_limit: {enabled: false}}
  - {id: never, when: latency_ms > 500, notify: []}
  - {id: draft, enabled: false, when: latency_ms > 500, notify: []}
"""
EVENTS = [
    sighting(plate, NIGHT + timedelta(minutes=minutes), latency_ms=latency_ms)
    for plate, minutes, latency_ms in (
        ("ABC123", 0, 42),
        ("DEF456", 1, 42),
        ("ABC123", 2, 0),
        ("XYZ789", 3, 42),
        ("ABC123", 6, 42),
    )
]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/rules.yaml").write_text(RULES)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/rules.yaml").write_text(
        RULES.replace("300", "30").replace("stolen\n", "stolen\n    name: S\n")
    )
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(each) + "\n" for each in EVENTS))
    return tmp_path


def replay(folder: Path, *arguments: str, source: str = "events.jsonl") -> Finished:
    return alert_engine(folder, "replay", source, *arguments)


def as_json(folder: Path, *arguments: str) -> Any:
    done = replay(folder, "--format", "json", *arguments)
    assert (done.status, done.stderr) == (0, "")
    return json.loads(done.stdout)


def counts(matches: int, alerts: int, suppressed: int, errors: int = 0) -> dict[str, int]:
    return {
        "matches": matches,
        "alerts": alerts,
        "suppressed": suppressed,
        "silenced": 0,
        "errors": errors,
    }


def test_json_has_the_counts_of_each_rule(site: Path) -> None:
    assert as_json(site) == {
        "events": 5,
        "rules": {
            "stolen": counts(4, 3, 1),
            "unsure": counts(0, 0, 0, 1),
            "never": counts(0, 0, 0),
        },
        "unreadable": 0,
    }


def test_json_lists_the_alerts_where_asked_for(site: Path) -> None:
    found = as_json(site, "--alerts")["alerts"]
    assert [(each["plate"], each["suppressed_count"]) for each in found] == [
        *(("ABC123", 0), ("XYZ789", 0), ("ABC123", 1))
    ]
    assert found[2] == {
        "rule_id": "stolen",
        "event_id": EVENTS[4]["event_id"],
        "captured_at": "2026-03-01T22:06:00.000Z",
        "plate": "ABC123",
        "message": "ABC123 at cam-1",
        "suppressed_count": 1,
        "matched_plate": None,
        "likeness": 1.0,
    }


def test_the_text_shows_what_matters_first(site: Path) -> None:
    path = site / "events.jsonl"
    path.write_text(path.read_text() + "nonsense\n")
    done = replay(site, "--alerts")
    assert done.status == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[:6] == [
        "2026-03-01T22:00:00.000Z stolen: ABC123 at cam-1",
        "2026-03-01T22:03:00.000Z stolen: XYZ789 at cam-1",
        "2026-03-01T22:06:00.000Z stolen: ABC123 at cam-1 (and 1 before)",
        "5 events from 2026-03-01 22:00:00 UTC to 2026-03-01 22:06:00 UTC: 3 alerts",
        "1 event can't be read and left out, such as:",
        "events.jsonl:6: it is no JSON: invalid literal, expected 'null' in column 1, write one"
        " event a line",
    ]
    assert lines[6] == "rule matches alerts suppressed silenced errors alerts over time"
    assert lines[7].startswith("stolen 4 3 1 0 0 █")
    assert lines[8] == "unsure 0 0 0 0 1"
    assert lines[9:] == ["never matched: never", "disabled, not replayed: draft"]


def test_only_the_events_of_a_time_count(site: Path) -> None:
    found = as_json(site, "--since", "2026-03-01T22:01", "--until", "2026-03-01T22:03:00Z")
    assert found["events"] == 2
    assert found["rules"]["stolen"] == counts(1, 0, 1)
    assert as_json(site, "--since", "24h")["events"] == 0


def test_only_the_events_of_a_plate_count(site: Path) -> None:
    found = as_json(site, "--plate", "abc-123")
    assert found["events"] == 3
    assert found["rules"]["stolen"] == counts(3, 2, 1)


def test_only_one_rule_is_replayed(site: Path) -> None:
    assert list(as_json(site, "--rule", "stolen")["rules"]) == ["stolen"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--rule", "stolne"], "there is no rule 'stolne', did you mean"),
        (["--rule", "draft"], "the rule draft is disabled, set `enabled: true` to try it"),
        (["--since", "soon"], "--since: 'soon' is neither an age such as 24h or 7d nor a time"),
        (["--since", "1d", "--until", "7d"], "--since: must be before --until"),
        (["--rules", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_an_error_with_a_remedy(site: Path, arguments: list[str], reason: str) -> None:
    done = replay(site, *arguments)
    assert (done.status, done.stdout) == (2, "")
    assert reason in done.stderr


def test_a_file_that_is_not_there_is_an_error(site: Path) -> None:
    done = replay(site, source="gone.jsonl")
    assert done.status == 2
    assert "gone.jsonl: can't be read: No such file" in done.stderr


def test_events_come_from_standard_input(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (site / "events.jsonl").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    done = replay(site, "--format", "json", source="-")
    assert json.loads(done.stdout)["events"] == 5


def test_another_rule_set_shows_what_it_does_differently(site: Path) -> None:
    found = as_json(site, "--against", "other")["against"]
    assert found["rules"]["stolen"] == counts(4, 4, 0)
    (difference,) = found["differences"].values()
    assert (difference["only_here"], difference["only_against"]) == (0, 1)
    assert [each["captured_at"] for each in difference["examples_against"]] == [
        "2026-03-01T22:02:00.000Z"
    ]
    lines = replay(site, "--against", "other").stdout.splitlines()
    assert lines[-3:] == [
        "against the other rules, which make 4 alerts and not 3:",
        "stolen: 0 only here, 1 only there",
        "  there  2026-03-01T22:02:00.000Z  stolen: ABC123 at cam-1",
    ]


def test_silences_of_the_store_are_those_of_the_engine(site: Path) -> None:
    (site / "state").mkdir()
    start_us = round(NIGHT.timestamp() * 1e6)
    silence = Silence(plate="ABC123", starts_us=start_us, ends_us=start_us + 300_000_000)
    with open_store(f"sqlite:///{site}/state/alerts.db") as store:
        store.silences.add(silence)
        bad = replace(silence, condition="plat.x == 1")
        store.silences.add(bad)
    done = replay(site, "--format", "json")
    assert "silence.unusable" in done.stderr
    found = json.loads(done.stdout)["rules"]["stolen"]
    assert found == {**counts(4, 2, 0), "silenced": 2}
    assert as_json(site, "--no-silences")["rules"]["stolen"] == counts(4, 3, 1)


def test_a_store_that_cannot_be_read_is_an_error_with_a_remedy(site: Path) -> None:
    (site / "state").mkdir()
    (site / "state/alerts.db").write_bytes(b"no database" * 1_000)
    done = replay(site)
    assert (done.status, done.stdout) == (2, "")
    assert "to do without its silences, add --no-silences" in done.stderr


def test_ctrl_c_shows_what_is_known_so_far(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = replay_module.Replay.process

    def interrupt(self: replay_module.Replay, *given: Any) -> None:
        process(self, *given)
        raise KeyboardInterrupt

    monkeypatch.setattr(replay_module.Replay, "process", interrupt)
    done = replay(site)
    assert done.status == 130
    assert "5 events from" in done.stdout
    assert "interrupted: this is what is known so far, of 100% of the source" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alerts.svg", "alerts.png"])
def test_the_alerts_are_drawn(site: Path, name: str) -> None:
    assert replay(site, "--plot", name).status == 0
    data = (site / name).read_bytes()
    if name.endswith("svg"):
        assert "stolen" in "".join(ElementTree.fromstring(data).itertext())
    else:
        assert data.startswith(b"\x89PNG")


@pytest.fixture
def live(tmp_path: Path, broker: Broker) -> Iterator[Site]:
    """A topic with a registry; no engine reads it."""
    if not broker.is_real:
        pytest.skip("needs a real Kafka")
    with RegistryServer() as registry:
        yield Site(tmp_path, broker, registry.url, RULES, {})


def past(site: Site, *arguments: str) -> Any:
    status, out, err = site.command("replay", "kafka", "--format", "json", *arguments)
    assert (status, err) == (0, "")
    return json.loads(out)


@pytest.mark.slow
def test_a_topics_past_is_replayed_by_time_and_without_a_trace(live: Site) -> None:
    live.see("ABC123", datetime.now(UTC))
    await_that(lambda: past(live)["events"] == 1)
    between = datetime.now(UTC)
    live.see("ABC123", datetime.now(UTC))
    live.see("XYZ789", datetime.now(UTC))
    assert past(live)["rules"]["stolen"] == counts(3, 2, 1)
    # What was before does not count, but suppresses.
    since = past(live, "--since", between.isoformat())
    assert since["events"] == 2
    assert since["rules"]["stolen"] == counts(2, 1, 1)
    until = past(live, "--until", between.isoformat())
    assert until["rules"]["stolen"] == counts(1, 1, 0)
    assert past(live, "--since", "1h")["events"] == 3
    assert past(live, "--until", "1h")["events"] == 0
    admin = AdminClient({"bootstrap.servers": live.broker.bootstrap_servers})
    groups = {each.group_id for each in admin.list_consumer_groups().result(10).valid}
    assert live.group not in groups


@pytest.mark.slow
def test_a_topic_that_is_not_there_and_a_broker_that_is_away_are_errors(live: Site) -> None:
    for variable, value, reason in (
        ("KAFKA_TOPIC", "nowhere", "there is no topic nowhere, see KAFKA_TOPIC"),
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1", "Kafka at 127.0.0.1:1 does not answer"),
    ):
        live.environment[variable] = value
        status, out, err = live.command("replay", "kafka")
        assert (status, out) == (2, "")
        assert reason in err


@pytest.mark.slow
def test_ctrl_c_ends_a_replay_with_what_is_known_so_far(live: Site) -> None:
    """In a process of its own, which reads from a pipe that stays open."""
    words = ("replay", "-", "--format", "json")
    command: list[str | Path] = [sys.executable, "-S", ORPHAN, COMMAND, *words]
    environment = {**live.environment, "PATH": os.environ["PATH"]}
    with subprocess.Popen(
        command,
        cwd=live.folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        # More than a batch, so that there is something known.
        for number in range(12_000):
            at = NIGHT + timedelta(seconds=number)
            process.stdin.write(json.dumps(sighting("ABC123", at)).encode() + b"\n")
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert 0 < json.loads(out)["events"] <= 12_000
