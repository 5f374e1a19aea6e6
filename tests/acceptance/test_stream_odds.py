"""The installed command on a real Kafka: transactions, `latest`, odd timestamps."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from engine.demo.street import EventPublisher
from tests.support.engine_process import EngineProcess
from tests.support.gate import is_about, open_gate
from tests.support.kafka import Broker
from tests.support.patience import PATIENCE_SECONDS
from tests.support.sightings import sighting
from tests.support.site import EVENT_SCHEMA
from tests.support.stream import Publisher, unique

pytestmark = pytest.mark.slow


@pytest.fixture
def real(broker: Broker) -> Broker:
    if not broker.is_real:
        pytest.skip("no real Kafka here")
    return broker


def test_the_lag_is_0_behind_aborted_and_committed_transactions(
    real: Broker, tmp_path: Path
) -> None:
    with open_gate(real, tmp_path) as gate, gate.site.start() as engine:
        gate.await_plates(gate.see(4))
        topic, servers = gate.site.topic, real.bootstrap_servers
        producer = Producer({"bootstrap.servers": servers, "transactional.id": unique("t")})
        producer.init_transactions(30.0)
        for end in (producer.abort_transaction, producer.commit_transaction):
            producer.begin_transaction()
            for number in range(4):
                # A tombstone: read, counted and passed over.
                producer.produce(topic, None, b"k", partition=number)
            producer.flush(30.0)
            end(30.0)
        engine.wait_for_metric("alert_engine_tombstones_total", 4)
        gate.site.await_consumed()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while lags(engine, topic) != [0.0] * 4:
            assert time.monotonic() < deadline, lags(engine, topic)
            time.sleep(0.2)
        assert engine.stop() == 0
        producer.close()


def lags(engine: EngineProcess, topic: str) -> list[float | None]:
    """What `/metrics` says of the four partitions."""
    name = "alert_engine_consumer_lag_records"
    return [engine.metric(name, topic=topic, partition=str(number)) for number in range(4)]


def test_with_latest_what_comes_while_the_engine_is_restarted_is_alerted(
    real: Broker, tmp_path: Path
) -> None:
    with open_gate(real, tmp_path, AUTO_OFFSET_RESET="latest") as gate:
        before = gate.see(4)
        with gate.site.start() as engine:
            engine.wait_ready()
            await_offsets(real.bootstrap_servers, gate.site.group, gate.site.topic)
            engine.kill()
        plates = gate.see(8)
        with gate.site.start() as engine:
            gate.await_plates(plates)
            assert engine.stop() == 0
        assert not gate.counts().keys() & set(before)


def await_offsets(servers: str, group: str, topic: str) -> None:
    """Return when the group has an offset of each of the four partitions."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group, "log_level": 0})
    places = [TopicPartition(topic, number) for number in range(4)]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(each.offset < 0 for each in consumer.committed(places, PATIENCE_SECONDS)):
        assert time.monotonic() < deadline
    consumer.close()


@pytest.mark.parametrize(
    ("timestamp_ms", "remedy"),
    [
        (lambda now: now - 3 * 86_400_000, "set the clock of the producer"),
        (lambda now: now // 1_000, "in milliseconds"),
    ],
    ids=["days behind", "seconds"],
)
def test_wrong_timestamps_of_a_producer_expire_no_right_alert(
    real: Broker, tmp_path: Path, timestamp_ms: object, remedy: str
) -> None:
    assert callable(timestamp_ms)
    with (
        open_gate(real, tmp_path) as gate,
        gate.site.start() as engine,
        EventPublisher(
            real.bootstrap_servers, gate.registry.url, EVENT_SCHEMA.read_text(), gate.site.topic
        ) as camera,
    ):
        now = datetime.now(UTC) - timedelta(seconds=5)
        stamp = timestamp_ms(int(now.timestamp() * 1_000))
        value = camera.encode(sighting("P1", now, camera="cam-1"))
        Publisher(real.bootstrap_servers).publish(gate.site.topic, value, timestamp_ms=stamp)
        gate.hook.requests.wait_for(1, where=partial(is_about, "P1"))
        engine.wait_for_line(remedy)
        assert engine.stop() == 0
