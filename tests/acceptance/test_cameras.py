"""Cameras that fall silent are reported, and nobody else is: under load, by night, over outages."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from engine.demo.street import EventPublisher
from engine.stream.record import framed
from tests.support.gate import Gate, open_gate
from tests.support.kafka import PARTITIONS, Broker, RealKafka
from tests.support.kafka_jars import missing_tool
from tests.support.patience import await_that
from tests.support.sightings import sighting
from tests.support.site import EVENT_SCHEMA

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CAMERAS = ("gate-0", "gate-1", "gate-2", "gate-3", "gate-4", "gate-5")
NIGHT = "night"
#: Events a second of a camera that writes the most.
LOAD = 300
STEP_SECONDS = 0.5
#: `silent_after` below, and the time that the watch takes beyond it.
SILENT_SECONDS = 10.0
REPORTED_SECONDS = 120.0
#: Longer than any camera would need to be reported, if it counted.
OUTAGE_SECONDS = 60.0
#: After an outage: long enough for who is accused to be reported, were the outage counted.
AFTER_SECONDS = 15.0

RULES = """\
channels:
  hook: {{url: "${{HOOK_URL}}", timeout: 20}}
time_intervals:
  - {{name: another day, weekdays: [{day}]}}
cameras:
  default: {{silent_after: 10s}}
  night: {{silent_after: 10s, active_time_intervals: [another day]}}
camera_silent:
  notify: [hook]
  message_template: "{{camera_id}} silent"
  back_template: "{{camera_id}} back"
rules:
  - {{id: wanted, when: 'plate.normalized_text == "NOBODY"', notify: [hook]}}
"""


def rules() -> str:
    """The rules, in which the camera `night` counts neither today nor tomorrow."""
    return RULES.format(day=(datetime.now(UTC) + timedelta(days=3)).strftime("%A").lower())


class Traffic:
    """Cameras that write, in a thread; `silent` are those that don't, and may be changed."""

    def __init__(self, gate: Gate) -> None:
        self.silent: set[str] = set()
        self.is_paused = False
        self._gate = gate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        site = self._gate.site
        text, servers = EVENT_SCHEMA.read_text(), site.broker.bootstrap_servers
        with EventPublisher(servers, self._gate.registry.url, text, site.topic) as publisher:
            while not self._stop.wait(STEP_SECONDS):
                if self.is_paused:
                    continue
                now = datetime.now(UTC)
                cameras = [each for each in (*CAMERAS, NIGHT) if each not in self.silent]
                for camera in (*cameras, *["busy"] * round(LOAD * STEP_SECONDS)):
                    publisher.publish(sighting("ABC123", now, camera=camera))
                publisher.flush()

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()


def told(gate: Gate) -> list[str]:
    """What the webhook was told, in order."""
    return [request.json()["alert"]["message"] for request in gate.hook.requests.all()]


def await_told(gate: Gate, *messages: str) -> None:
    """Return once the webhook was told these, and nothing else."""
    await_that(
        lambda: len(told(gate)) >= len(messages),
        lambda: told(gate),
        patience_seconds=REPORTED_SECONDS,
        step_seconds=0.2,
    )
    assert told(gate) == [*messages]


def await_seen(engine: Any) -> None:
    """Return once every camera was noted."""
    for camera in (*CAMERAS, NIGHT):
        engine.wait_for_metric(
            "alert_engine_camera_last_seen_timestamp_seconds", 1.0, camera=camera
        )


@contextmanager
def open_cameras(broker: Broker, folder: Path, **settings: str) -> Iterator[Gate]:
    if not broker.is_real:
        pytest.skip("the mock cluster is no broker for such a load")
    with open_gate(broker, folder, rules(), BATCH_SIZE="500", **settings) as gate:
        yield gate


def test_under_load_the_silent_camera_is_told_and_its_return_and_not_the_one_of_the_night(
    broker: Broker, tmp_path: Path
) -> None:
    with (
        open_cameras(broker, tmp_path) as gate,
        gate.site.start() as engine,
        Traffic(gate) as traffic,
    ):
        engine.wait_ready()
        await_seen(engine)
        traffic.silent |= {"gate-1", NIGHT}
        await_told(gate, "gate-1 silent")
        (event,) = [request.json()["event"] for request in gate.hook.requests.all()]
        assert event["camera_id"] == "gate-1"
        assert event["camera"]["state"] == "silent"
        assert event["camera"]["silent_seconds"] >= SILENT_SECONDS
        traffic.silent.clear()
        await_told(gate, "gate-1 silent", "gate-1 back")
        status, out, _ = gate.site.command("status")
        assert status == 0
        assert "gate-1" in out
        assert [each["rule_id"] for each in gate.site.alerts("--camera", "gate-1")] == [
            "camera_silent",
            "camera_silent",
        ]
        assert gate.site.alerts("--camera", NIGHT) == []
        assert engine.stop() == 0


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_an_outage_of_the_engine_accuses_nobody(broker: Broker, tmp_path: Path, how: str) -> None:
    with open_cameras(broker, tmp_path) as gate, Traffic(gate) as traffic:
        with gate.site.start() as engine:
            engine.wait_ready()
            await_seen(engine)
            getattr(engine, how)()
        time.sleep(OUTAGE_SECONDS / 2)
        # Gone since the middle of the outage, and seen in the backlog only.
        traffic.silent.add("gate-2")
        time.sleep(OUTAGE_SECONDS / 2)
        with gate.site.start() as engine:
            engine.wait_ready()
            gate.site.await_consumed()
            time.sleep(AFTER_SECONDS)
            assert told(gate) == []
            await_told(gate, "gate-2 silent")
            traffic.silent.clear()
            await_told(gate, "gate-2 silent", "gate-2 back")


@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_an_outage_of_the_broker_accuses_nobody(
    own_kafka: RealKafka, tmp_path: Path, how: str
) -> None:
    with (
        open_cameras(own_kafka, tmp_path) as gate,
        gate.site.start() as engine,
        Traffic(gate) as traffic,
    ):
        engine.wait_ready()
        await_seen(engine)
        traffic.is_paused = True
        getattr(own_kafka, how)()
        time.sleep(OUTAGE_SECONDS)
        assert told(gate) == []
        own_kafka.thaw() if how == "freeze" else own_kafka.start()
        engine.wait_ready()
        time.sleep(AFTER_SECONDS)
        assert told(gate) == []
        traffic.silent.add("gate-3")
        traffic.is_paused = False
        await_told(gate, "gate-3 silent")


def test_an_outage_of_some_partitions_accuses_nobody(tmp_path: Path) -> None:
    if reason := missing_tool():
        pytest.skip(f"needs a real Kafka: {reason}")
    disk, gone = tmp_path / "disk", tmp_path / "gone"
    with RealKafka(f"\nlog.dirs={tmp_path / 'first'},{disk}\n") as kafka:
        folder = tmp_path / "site"
        folder.mkdir()
        with (
            open_cameras(kafka, folder) as gate,
            gate.site.start() as engine,
            Traffic(gate) as traffic,
        ):
            engine.wait_ready()
            await_seen(engine)
            # A producer that can't write would end.
            traffic.is_paused = True
            gate.site.await_consumed()
            # The broker notices within seconds, and has no leader for what lies there.
            disk.rename(gone)
            await_that(lambda: offline(kafka, gate.site.topic) > 0, step_seconds=0.2)
            assert offline(kafka, gate.site.topic) < PARTITIONS
            time.sleep(OUTAGE_SECONDS)
            assert told(gate) == []
            traffic.silent.add("gate-3")
            kafka.kill()
            gone.rename(disk)
            kafka.start()
            engine.wait_ready()
            traffic.is_paused = False
            await_told(gate, "gate-3 silent")


def offline(kafka: RealKafka, topic: str) -> int:
    """How many partitions of the topic have no leader."""
    found = AdminClient({"bootstrap.servers": kafka.bootstrap_servers}).list_topics(topic)
    return sum(each.leader < 0 for each in found.topics[topic].partitions.values())


def test_a_partition_that_is_held_up_accuses_nobody(broker: Broker, tmp_path: Path) -> None:
    with (
        open_cameras(broker, tmp_path) as gate,
        gate.site.start() as engine,
        Traffic(gate) as traffic,
    ):
        engine.wait_ready()
        await_seen(engine)
        # It waits a minute for its schema, and all behind it with it.
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        producer.produce(gate.site.topic, framed(999_999, b"x"), key=b"gate-0")
        producer.flush()
        engine.wait_for_line("stream.waiting")
        traffic.silent.add("gate-4")
        engine.wait_for_metric(
            "alert_engine_dead_letters_total", 1.0, 120.0, error_type="SCHEMA_VALIDATION"
        )
        assert told(gate) == []
        await_told(gate, "gate-4 silent")


def test_two_replicas_tell_each_silence_and_each_return_once(
    broker: Broker, database: str, tmp_path: Path
) -> None:
    with open_cameras(broker, tmp_path, STATE_URL=database) as gate, ExitStack() as stack:
        engines = []
        for number in range(2):
            folder = tmp_path / str(number)
            folder.mkdir()
            engines.append(stack.enter_context(gate.site.start(LAST_GOOD_PATH=str(folder))))
        for engine in engines:
            engine.wait_ready()
        traffic = stack.enter_context(Traffic(gate))
        for engine in engines:
            await_seen(engine)
        traffic.silent.add("gate-1")
        await_told(gate, "gate-1 silent")
        # Whoever was the judge, or read the camera: the other one does it now.
        engines[0].kill()
        traffic.silent.clear()
        await_told(gate, "gate-1 silent", "gate-1 back")
        traffic.silent.add("gate-5")
        await_told(gate, "gate-1 silent", "gate-1 back", "gate-5 silent")
