"""A silence is added while 500 events a second flow: it is in force within a second, and ends."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.demo.street import EventPublisher
from engine.store import OpenMode, Silence, Store, open_store
from tests.support.gate import Gate, open_gate, plate_of
from tests.support.kafka import Broker
from tests.support.patience import await_that
from tests.support.sightings import sighting, stamp
from tests.support.site import EVENT_SCHEMA

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EVENTS_A_SECOND = 500
# One in ten matches, and half of these inside, where it is silenced.
WANTED = 10
# Of a site's many cameras, so that each replica reads some of either kind.
CAMERAS = 16
CAR = "MAYOR1"
BEFORE_SECONDS, SILENCE_SECONDS, AFTER_SECONDS = 3, 5, 3
IN_FORCE_SECONDS = 1.0

RULES = """\
channels:
  hook: {url: "${HOOK_URL}", timeout: 20}
rules:
  - id: wanted
    when: plate.normalized_text.startsWith("WANTED")
    notify: [hook]
    rate_limit: {enabled: false}
    message_template: "{plate.normalized_text}"
  - id: car
    when: plate.normalized_text == "MAYOR1"
    notify: [hook]
    rate_limit: {cooldown_seconds: 300}
    message_template: "{plate.normalized_text} {captured_at}"
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """A reading: its plate, its camera, and its instant in microseconds."""

    plate: str
    camera: str
    time_us: int


class Street:
    """Publishes readings at a steady pace, and remembers those that a rule wants."""

    def __init__(self, publisher: EventPublisher) -> None:
        self._publisher = publisher
        self.number = 0
        self.wanted: list[Reading] = []

    def run(self, seconds: float) -> None:
        """Publish for so long."""
        start = time.monotonic()
        for step in range(round(seconds * EVENTS_A_SECOND)):
            is_wanted = self.number % WANTED == 0
            if is_wanted:
                # It sets the pace of the stream; nothing is waited for.
                time.sleep(max(0.0, start + step / EVENTS_A_SECOND - time.monotonic()))
            plate = f"{'WANTED' if is_wanted else 'OTHER'}{self.number:06}"
            place, camera = self.number // WANTED % 2, self.number // WANTED // 2 % CAMERAS
            reading = self.see(plate, f"{('inside', 'outside')[place]}-{camera}")
            if is_wanted:
                self.wanted.append(reading)
            self.number += 1

    def see(self, plate: str, camera: str) -> Reading:
        """Publish one reading."""
        now = datetime.now(UTC)
        self._publisher.publish(sighting(plate, now, camera=camera))
        moment = datetime.fromisoformat(stamp(now))
        return Reading(plate, camera, round(moment.timestamp() * 1e6))


def add(store: Store, **matchers: str) -> Silence:
    """Silence from now on, for a few seconds."""
    now_us = store.deliveries.now_us()
    ends_us = now_us + SILENCE_SECONDS * 1_000_000
    return store.silences.add(Silence(starts_us=now_us, ends_us=ends_us, **matchers))


def run(gate: Gate, engines: int) -> None:
    with ExitStack() as stack:
        started = []
        for number in range(engines):
            folder = gate.site.folder / str(number)
            folder.mkdir()
            started.append(stack.enter_context(gate.site.start(LAST_GOOD_PATH=str(folder))))
        for engine in started:
            engine.wait_ready()
        text, servers = EVENT_SCHEMA.read_text(), gate.site.broker.bootstrap_servers
        store = stack.enter_context(open_store(gate.site.environment["STATE_URL"], OpenMode.TOOL))
        with EventPublisher(servers, gate.registry.url, text, gate.site.topic) as publisher:
            street = Street(publisher)
            street.run(BEFORE_SECONDS)
            silence = add(store, condition='camera_id.startsWith("inside")')
            add(store, plate=CAR)
            added_at = time.monotonic()
            street.run(IN_FORCE_SECONDS)
            street.see(CAR, "outside-0")
            street.run(SILENCE_SECONDS - IN_FORCE_SECONDS + 0.5)
            first_after = street.see(CAR, "outside-0")
            street.run(AFTER_SECONDS)
            publisher.flush()
        gate.site.await_consumed()
        await_that(lambda: not store.deliveries.backlogs(), lambda: started[0].output)
        judge(gate, street.wanted, silence, added_at)
        car = [request for request in gate.hook.requests.all() if plate_of(request)[:6] == CAR]
        assert [moment_us(request.json()["alert"]) for request in car] == [first_after.time_us]
        for engine in started:
            silenced = engine.metric("alert_engine_alerts_silenced_total", rule_id="wanted")
            assert silenced is not None
            assert silenced > 0
            assert "alert.silenced" in engine.output
        stored = [each for each in store.archive.alerts(10_000) if each.silenced_by]
        silenced_plates = {each.alert.message for each in stored if each.alert.rule_id == "wanted"}
        assert not silenced_plates & gate.counts().keys()


def judge(gate: Gate, wanted: list[Reading], silence: Silence, added_at: float) -> None:
    """Each reading came once, but for those that the silence covers; none of them came late."""
    counts = gate.counts()
    covered = {
        each.plate
        for each in wanted
        if each.camera.startswith("inside") and silence.starts_us <= each.time_us < silence.ends_us
    }
    others = Counter(each.plate for each in wanted if each.plate not in covered)
    assert {plate: counts[plate] for plate in others} == others
    late = [
        round(request.at - added_at, 3)
        for request in gate.hook.requests.all()
        if plate_of(request) in covered and request.at > added_at + IN_FORCE_SECONDS
    ]
    assert late == []
    assert sum(counts[plate] for plate in covered) < IN_FORCE_SECONDS * EVENTS_A_SECOND / WANTED / 2


def moment_us(alert: dict[str, Any]) -> int:
    return round(datetime.fromisoformat(alert["timestamp"]).timestamp() * 1e6)


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    if not broker.is_real:
        pytest.skip("the mock cluster is no broker for such a load")
    with open_gate(broker, tmp_path, RULES, BATCH_SIZE="500") as opened:
        yield opened


@pytest.fixture
def shared_gate(broker: Broker, database: str, tmp_path: Path) -> Iterator[Gate]:
    if not broker.is_real:
        pytest.skip("the mock cluster is no broker for such a load")
    with open_gate(broker, tmp_path, RULES, BATCH_SIZE="500", STATE_URL=database) as opened:
        yield opened


def test_one_engine_is_silent_within_a_second_and_alerts_when_the_silence_is_over(
    gate: Gate,
) -> None:
    run(gate, 1)


def test_two_replicas_are_silent_within_a_second_and_alert_when_the_silence_is_over(
    shared_gate: Gate,
) -> None:
    run(shared_gate, 2)
