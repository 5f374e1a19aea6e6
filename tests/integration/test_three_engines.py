"""Three engines on one PostgreSQL send through one target: one at a time, and in order."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.store import OpenMode, open_store
from tests.support.answers import Answer, Request
from tests.support.engine_process import EngineProcess
from tests.support.gate import Gate, open_gate, plate_of
from tests.support.kafka import Broker
from tests.support.patience import await_that
from tests.support.sightings import sighting

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ENGINES, ALERTS = 3, 300
PRIORITIES = ("low", "high", "medium")
RULE = """\
  - id: {priority}
    name: Every Plate
    priority: {priority}
    when: camera_id == "{priority}"
    notify: [hook]
    rate_limit: {{enabled: false}}
    message_template: "{{plate.normalized_text}}"
"""
RULES = """\
channels:
  hook: {url: "${HOOK_URL}", timeout: 20, concurrency: 1}
rules:
""" + "".join(RULE.format(priority=each) for each in PRIORITIES)


class OneAtATime:
    """A receiver that counts how many requests it has at once."""

    def __init__(self) -> None:
        self.most_at_once = 0
        self.is_well = False
        self._at_once = 0
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Answer:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        # Long enough for another engine to come in between.
        time.sleep(0.01)
        with self._lock:
            self._at_once -= 1
        return Answer() if self.is_well else Answer(503)


@pytest.fixture
def gate(broker: Broker, database: str, tmp_path: Path) -> Iterator[Gate]:
    settings = {"STATE_URL": database, "CLAIM_SECONDS": "5s", "MAX_RETRIES": "0"}
    with open_gate(broker, tmp_path, RULES, **settings) as opened:
        yield opened


def start(gate: Gate, number: int) -> EngineProcess:
    folder = gate.site.folder / str(number)
    folder.mkdir()
    return gate.site.start(LAST_GOOD_PATH=str(folder))


def order_in_store(gate: Gate) -> list[str]:
    """The plates in the order in which they are to be sent."""
    with open_store(gate.site.environment["STATE_URL"], OpenMode.TOOL) as store:
        found = [
            (PRIORITIES_IN_ORDER.index(str(stored.alert.priority)), each.delivery_id, stored)
            for stored in store.archive.alerts(ALERTS)
            for each in stored.deliveries
        ]
    return [stored.alert.message for _, _, stored in sorted(found, key=lambda each: each[:2])]


PRIORITIES_IN_ORDER = ("high", "medium", "low")


def waiting(gate: Gate) -> int:
    with open_store(gate.site.environment["STATE_URL"], OpenMode.TOOL) as store:
        return sum(each.count for each in store.deliveries.backlogs())


def test_one_send_at_a_time_in_order_also_when_an_engine_is_killed(gate: Gate) -> None:
    receiver, hook = OneAtATime(), gate.hook
    hook.script.clear(receiver.answer)
    now = datetime.now(UTC)
    events = [
        sighting(f"P{number:05}", now, camera=PRIORITIES[number % 3]) for number in range(ALERTS)
    ]
    with ExitStack() as stack:
        engines = [stack.enter_context(start(gate, number)) for number in range(ENGINES)]
        for engine in engines:
            engine.wait_ready()
        gate.site.publish(events)
        gate.site.await_consumed()
        await_that(lambda: waiting(gate) == ALERTS, step_seconds=0.1)
        gate.site.await_holds("hook", 1)
        order = order_in_store(gate)
        hook.requests.clear()
        receiver.is_well = True
        engines[0].signal(signal.SIGHUP)
        hook.wait_for(ALERTS // 3)
        engines[1].kill()
        await_that(lambda: waiting(gate) == 0, lambda: engines[0].output, step_seconds=0.1)
        got = [plate_of(request) for request in hook.requests.all()]
        counts = Counter(got)
        assert set(counts) == set(order)
        # What the killed one had just sent is sent again.
        assert sum(counts.values()) <= ALERTS + 1
        assert receiver.most_at_once == 1
        # The probe may be any; what is sent again comes twice in a row.
        probe, *rest = dict.fromkeys(got)
        assert rest == [plate for plate in order if plate != probe]
