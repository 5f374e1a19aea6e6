"""A thousand events a second while the rules change every second: nothing is lost or doubled."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.demo.street import EventPublisher
from engine.store import OpenMode, open_store
from tests.support.gate import Gate, open_gate
from tests.support.kafka import Broker
from tests.support.reload_scene import replace, rules
from tests.support.sightings import sighting
from tests.support.site import EVENT_SCHEMA

SECONDS = 60
EVENTS_A_SECOND = 1_000
# One in fifty matches: by whichever version of the rules, by one rule of it.
WANTED = 50
# One every two seconds, for a machine that is busy.
LEAST_RELOADS = 30
DRAIN_SECONDS = 60.0

RULES = """\
channels:
  hook: {url: "${HOOK_URL}", timeout: 20}
rules:
  - id: VERSION
    when: plate.normalized_text.startsWith("WANTED")
    notify: [hook]
    rate_limit: {enabled: false}
    message_template: "{plate.normalized_text}"
  - {id: VERSION-never, when: 'camera_id == "VERSION"', notify: []}
"""


def see(gate: Gate, second: int, publisher: EventPublisher) -> list[str]:
    """One second's events, spread over it; the plates that must become alerts."""
    start, wanted = time.monotonic(), []
    for number in range(EVENTS_A_SECOND):
        name = f"{second:02}{number:04}"
        plate = f"WANTED{name}" if number % WANTED == 0 else f"OTHER{name}"
        if number % WANTED == 0:
            wanted.append(plate)
            # It sets the pace of the stream; nothing is waited for.
            time.sleep(max(0.0, start + number / EVENTS_A_SECOND - time.monotonic()))
        publisher.publish(sighting(plate, datetime.now(UTC), camera=f"cam-{number % 16}"))
    return wanted


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_reload_every_second_loses_and_doubles_nothing(broker: Broker, tmp_path: Path) -> None:
    if not broker.is_real:
        pytest.skip("the mock cluster is no broker for such a load")
    is_over = threading.Event()
    with open_gate(broker, tmp_path, rules("v0", RULES), BATCH_SIZE="500") as gate:
        site = gate.site

        def change() -> None:
            version = 0
            while not is_over.wait(1.0):
                version += 1
                replace(site.rules, rules(f"v{version}", RULES))

        text, servers = EVENT_SCHEMA.read_text(), broker.bootstrap_servers
        changer = threading.Thread(target=change)
        wanted: list[str] = []
        with (
            site.start() as engine,
            EventPublisher(servers, gate.registry.url, text, site.topic) as publisher,
        ):
            engine.wait_ready()
            changer.start()
            for second in range(SECONDS):
                wanted += see(gate, second, publisher)
            publisher.flush()
            is_over.set()
            changer.join()
            site.await_consumed(DRAIN_SECONDS)
            gate.hook.requests.wait_for(len(wanted), DRAIN_SECONDS)
            reloads = engine.metric("alert_engine_rule_reloads_total", outcome="loaded")
            assert reloads is not None
            assert reloads >= LEAST_RELOADS
            for name in ("refused", "failed"):
                assert engine.metric("alert_engine_rule_reloads_total", outcome=name) == 0
            assert engine.metric("alert_engine_events_consumed_total") == SECONDS * EVENTS_A_SECOND
            assert engine.stop() == 0
        assert gate.counts() == dict.fromkeys(wanted, 1)
        with open_store(site.environment["STATE_URL"], OpenMode.TOOL) as store:
            alerts = store.archive.alerts(2 * len(wanted))
        assert Counter(each.alert.message for each in alerts) == dict.fromkeys(wanted, 1)
        versions = {each.alert.rule_id for each in alerts}
        assert len(versions) >= LEAST_RELOADS
        assert engine.output.count("Traceback") == 0
        lines = [json.loads(line.text) for line in engine.lines.all()]
        assert {line["event"] for line in lines if line["level"] != "info"} <= {"broker.away"}
