"""`alert-engine run`: it starts whatever is there already, and ends when it is told to."""

from __future__ import annotations

import itertools
import signal
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.demo.street import EventPublisher
from tests.support.answers import HANG, Answer, Request
from tests.support.command import alert_engine_process
from tests.support.gate import Gate, open_gate
from tests.support.kafka import Broker, RealKafka
from tests.support.sightings import sighting
from tests.support.site import EVENT_SCHEMA
from tests.support.stream import REFRESH_MS

LOOK_OFTEN = {"KAFKA_CONFIG_TOPIC_METADATA_REFRESH_INTERVAL_MS": REFRESH_MS}
EVENTS = 400
SOME = 60


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    """One webhook that is told of every plate."""
    with open_gate(broker, tmp_path) as opened:
        yield opened


class HangsAfterSome:
    """The answers of a receiver that takes `SOME` requests, and holds all others."""

    def __init__(self) -> None:
        self._taken = itertools.count()

    def __call__(self, request: Request) -> Answer:
        return Answer() if next(self._taken) < SOME else HANG


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_in_mid_stream_loses_and_repeats_nothing(
    gate: Gate, number: signal.Signals
) -> None:
    gate.hook.script.clear(HangsAfterSome())
    plates = gate.see(EVENTS)
    with gate.site.start() as engine:
        gate.hook.wait_for(SOME + 1)
        engine.signal(number)
        engine.wait_for_line("engine.stopping")
        gate.hook.release()
        assert engine.wait() == 0, engine.output
        assert "Traceback" not in engine.output
        engine.wait_for_line("engine.stopped")
    assert len(gate.hook.requests.all()) < EVENTS, "it was not in mid-stream"
    with gate.site.start() as engine:
        gate.await_plates(plates)
        gate.site.await_consumed()
        # The batch was finished and committed, so that no record was read twice.
        assert engine.metric("alert_engine_events_duplicate_total") == 0
        assert engine.stop() == 0
    assert gate.counts() == dict.fromkeys(plates, 1)


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(gate: Gate) -> None:
    gate.hook.answer_when(lambda request: True, HANG)
    gate.see()
    with gate.site.start() as engine:
        gate.hook.wait_for(1)
        engine.signal(signal.SIGTERM)
        engine.wait_for_line("engine.stopping")
        engine.signal(signal.SIGINT)
        assert engine.wait() == 128 + signal.SIGINT
        assert "engine.stopped" not in engine.output


@pytest.mark.slow
def test_a_hanging_channel_does_not_hold_up_the_stop(gate: Gate) -> None:
    gate.hook.answer_when(lambda request: True, HANG)
    (plate,) = gate.see()
    with gate.site.start() as engine:
        gate.hook.wait_for(1)
        assert engine.stop() == 0
    gate.hook.release()
    gate.hook.requests.clear()
    with gate.site.start():
        gate.await_plates([plate])


@pytest.mark.slow
def test_a_running_engine_tells_of_itself_and_lets_no_second_one_in(gate: Gate) -> None:
    with gate.site.start() as engine:
        body = engine.wait_ready()
        assert body["status"] == "ready"
        assert {name: check["ok"] for name, check in body["checks"].items()} == {
            "consuming": True,
            "store": True,
            "rules": True,
            "channels": True,
            "threads": True,
        }
        assert engine.get("/healthz") == (200, '{"status": "alive"}\n')
        assert engine.get("/nowhere")[0] == 404
        for thread in ("loop", "delivery", "rules", "housekeeper"):
            age = engine.metric("alert_engine_heartbeat_age_seconds", thread=thread)
            assert age is not None, thread
            assert age < 30, thread
        # Every label pair is there before anything has happened.
        sent = "alert_engine_notifications_sent_total"
        assert engine.metric(sent, channel="hook", rule_id="every") == 0
        gate.await_plates(gate.see(3))
        assert engine.wait_for_metric("alert_engine_events_consumed_total", 3) == 3
        assert engine.wait_for_metric(sent, 3, channel="hook", rule_id="every") == 3
        matched = "alert_engine_rules_matched_total"
        assert engine.wait_for_metric(matched, 3, rule_id="every", priority="high") == 3

        second = alert_engine_process(gate.site.folder, "run", variables=gate.site.environment)
        assert second.status == 2
        assert f"another alert engine (process {engine.pid}) uses the store" in second.stderr
        assert "Traceback" not in second.stderr
        gate.await_plates(gate.see())


@pytest.mark.slow
def test_topics_are_read_as_soon_as_they_are_there(broker: Broker, tmp_path: Path) -> None:
    later = f"later-{uuid.uuid4().hex[:12]}"
    with open_gate(broker, tmp_path) as gate:
        topics = f"{gate.site.topic},{later}"
        with gate.site.start(KAFKA_TOPIC=topics, **LOOK_OFTEN) as engine:
            gate.await_plates(gate.see())
            body = engine.wait_for_check("consuming", f"no such topic yet: {later}")
            assert body["status"] == "degraded"
            broker.create_topic(later, 2)
            servers, url = broker.bootstrap_servers, gate.registry.url
            with EventPublisher(servers, url, EVENT_SCHEMA.read_text(), later) as publisher:
                publisher.publish(sighting("LATER1", datetime.now(UTC)))
            gate.await_plates(["LATER1"])
            gate.await_plates(gate.see())
            engine.wait_ready()
            assert engine.stop() == 0


@pytest.mark.slow
def test_an_engine_without_any_topic_is_not_ready_until_there_is_one(
    broker: Broker, gate: Gate
) -> None:
    later = f"later-{uuid.uuid4().hex[:12]}"
    with gate.site.start(KAFKA_TOPIC=later, **LOOK_OFTEN) as engine:
        body = engine.wait_for_check("consuming", f"no such topic yet: {later}")
        assert body["status"] == "not ready"
        broker.create_topic(later, 2)
        assert engine.wait_ready()["status"] == "ready"
        assert engine.stop() == 0


@pytest.mark.slow
def test_a_registry_that_is_away_is_waited_for(gate: Gate) -> None:
    first = gate.see(2)
    gate.registry.available = False
    with gate.site.start() as engine:
        assert "registry-unavailable" in engine.wait_for_line("stream.waiting").text
        engine.wait_for_check("consuming", "HTTP 503")
        gate.registry.available = True
        gate.await_plates(first)
        engine.wait_ready()
        with gate.publisher() as publish:
            second = publish(1)
            gate.await_plates(second)
            # A schema that was met already needs no registry.
            gate.registry.available = False
            gate.await_plates(publish(1))
        assert engine.stop() == 0
        waits = [line for line in engine.lines.all() if "stream.waiting" in line.text]
        assert len(waits) == 1, "said more than once"
    assert gate.counts().total() == 4


@pytest.mark.slow
def test_a_broker_that_is_not_there_yet_is_waited_for(own_kafka: RealKafka, tmp_path: Path) -> None:
    with open_gate(own_kafka, tmp_path) as gate:
        plates = gate.see(3)
        own_kafka.stop()
        with gate.site.start() as engine:
            engine.wait_for_line("broker.away")
            body = engine.wait_for_check("consuming", "broker away")
            assert body["status"] == "not ready"
            own_kafka.start()
            gate.await_plates(plates)
            engine.wait_ready()
            assert engine.stop() == 0
            assert "%3|" not in engine.output, "librdkafka speaks past the log"
