"""`alert-engine erase`: what it removes, refuses and tells, beside an engine that goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from channels.alert import Alert, Priority
from engine.demo.street import EventPublisher
from engine.store import DeliveryState, NewAlert, OpenMode, Silence, Store, open_store
from tests.support.command import Finished
from tests.support.gate import Gate, open_gate
from tests.support.kafka import Broker
from tests.support.many_alerts import sqlite_holds
from tests.support.patience import await_that
from tests.support.sightings import sighting
from tests.support.site import EVENT_SCHEMA
from tests.support.stored import finish, save
from tests.support.walkthrough import run_here
from tests.unit.plate import plate_event
from tests.unit.store.samples import state_url

RULES = """\
channels:
  hook: {url: "${HOOK_URL}", timeout: 20}
rules:
  - id: every
    when: "true"
    notify: [hook]
    rate_limit: {enabled: false}
    message_template: "{plate.normalized_text}"
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return state_url(tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request: pytest.FixtureRequest, url: str) -> str:
    """The URL of a store of its own, on either engine."""
    found: str = url if request.param == "sqlite" else request.getfixturevalue("database")
    return found


def erase(url: str, *arguments: str, **settings: str) -> Finished:
    return run_here({"STATE_URL": url, **settings}, "erase", *arguments)


def store_alerts(store: Store) -> None:
    """An alert of ABC123 with a delivery, one that names it, one of another car; a silence."""
    store.deliveries.register({"mail/ann": ("mail", 1)})
    messages = (("ABC123", "seen"), ("XYZ9", "behind ABC-123"), ("XYZ9", "seen"))
    for number, (plate, message) in enumerate(messages):
        event = plate_event(plate={"normalized_text": plate, "text": plate})
        alert = Alert(f"a-{number}", "r", "R", Priority.LOW, message, "then", "then", event=event)
        targets = () if number else (("mail", "mail/ann"),)
        save(store, [NewAlert(alert, number.to_bytes(16, "big"), None, number, targets)])
    store.silences.add(Silence(plate="ABC123", starts_us=0, ends_us=1))


def test_a_plate_is_removed_and_what_is_out_of_reach_is_told(any_url: str) -> None:
    with open_store(any_url) as store:
        store_alerts(store)
        finish(store, "mail/ann", DeliveryState.SENT)
        dry = erase(any_url, "abc 123", "--dry-run", "--format", "json")
        assert len(store.archive.alerts(9)) == 3
        done = erase(any_url, "abc 123", KAFKA_TOPIC="plates.here")
        again = erase(any_url, "abc 123", "--format", "json")
        (left,) = store.archive.alerts(9)
    planned = json.loads(dry.stdout)
    assert (dry.status, done.status, again.status) == (0, 0, 0)
    assert planned["rows"] == {"alerts": 2, "deliveries": 1, "silences": 1, "dead_letters": 0}
    assert (planned["plate"], planned["is_erased"]) == ("ABC123", False)
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "removed: 2 alerts, 1 deliveries, 2 events, 0 suppressed, 1 silences, 0 dead letters"
    )
    assert lines[1] == "of these 1 alerts are of another plate, and name this one"
    assert "still to be done" not in done.stdout
    for beyond in ("plates.here", "a reading that comes later", "receivers", "backups", "logs"):
        assert beyond in done.stdout[done.stdout.index("out of reach:") :]
    assert ("PostgreSQL's files until" in done.stdout) == any_url.startswith("postgresql")
    assert left.alert.alert_id == "a-2"
    assert not any(json.loads(again.stdout)["rows"].values())


def test_an_open_delivery_is_refused_unless_it_is_forced(url: str) -> None:
    with open_store(url) as store:
        store_alerts(store)
        refused = erase(url, "ABC123")
        looked = erase(url, "ABC123", "--dry-run")
        kept = len(store.archive.alerts(9))
        as_json: dict[str, Any] = json.loads(erase(url, "ABC123", "--format", "json").stdout)
        forced = erase(url, "ABC123", "--force")
        left = [each.alert.alert_id for each in store.archive.alerts(9)]
    assert (refused.status, looked.status, forced.status) == (1, 1, 0)
    assert "of alert a-0 to mail/ann is open" in refused.stdout
    assert "or give --force" in refused.output
    assert as_json["is_erased"] is False
    assert [each["target_id"] for each in as_json["open"]] == ["mail/ann"]
    assert "of alert a-0 to mail/ann is not sent any more" in forced.stdout
    assert (kept, left) == (3, ["a-2"])


def test_what_is_no_plate_and_a_store_that_is_not_there_are_refused(url: str) -> None:
    empty = erase(url, " ")
    missing = erase(url, "ABC123")
    assert (empty.status, missing.status) == (2, 2)
    assert "is no plate" in empty.output
    assert "there is no store" in missing.output


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    with open_gate(broker, tmp_path, RULES) as opened:
        yield opened


@pytest.mark.slow
def test_an_engine_goes_on_and_loses_no_alert_of_another_car(gate: Gate) -> None:
    url = gate.site.environment["STATE_URL"]
    with gate.site.start() as engine:
        engine.wait_ready()
        first = gate.see(20)
        gate.await_plates(first)
        car, others = first[7], [each for each in first if each != first[7]]
        with open_store(url, OpenMode.TOOL) as store:
            await_that(lambda: not store.deliveries.backlogs())
        later: list[str] = []
        street = threading.Thread(target=lambda: later.extend(gate.see(200)))
        street.start()
        done = erase(url, car)
        street.join()
        gate.await_plates(later)
        assert done.status == 0, done.output
        assert "still to be done" not in done.stdout
        assert sqlite_holds(url, car) == []
        with open_store(url, OpenMode.TOOL) as store:
            kept = sorted(each.alert.message for each in store.archive.alerts(1_000))
        assert kept == sorted([*others, *later])
        # A reading that comes later is a new alert, as ever.
        text, servers = EVENT_SCHEMA.read_text(), gate.site.broker.bootstrap_servers
        with EventPublisher(servers, gate.registry.url, text, gate.site.topic) as publisher:
            publisher.publish(sighting(car, datetime.now(UTC), camera="later"))
            publisher.flush()
        await_that(lambda: gate.counts()[car] == 2, lambda: engine.output)
    assert all(gate.counts()[each] == 1 for each in [*others, *later])
