from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from engine.demo.servers import RegistryServer
from engine.demo.street import EventPublisher
from engine.errors import (
    BrokerUnavailableError,
    EventError,
    RegistryUnavailableError,
    SchemaError,
)
from engine.stream.decoder import Decoder
from engine.stream.record import Record
from engine.stream.registry import SchemaRegistry
from tests.support.avro import plate_schema
from tests.support.mock_cluster import MockCluster
from tests.support.patience import PATIENCE_SECONDS
from tests.support.sightings import sighting

TOPIC = "plates"
NOON = datetime(2025, 12, 25, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
EVENT = sighting("ABC123", NOON, camera="cam-9")
QUICK = {"max.retries": 0}


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster([TOPIC], partitions=1) as running:
        yield running


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


def _publisher(cluster: MockCluster, server: RegistryServer) -> EventPublisher:
    return EventPublisher(
        cluster.bootstrap_servers,
        server.url,
        plate_schema().text,
        TOPIC,
        kafka_options={"log_level": 0},
        registry_options=QUICK,
    )


def _messages(cluster: MockCluster, count: int) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": "test"})
    try:
        consumer.assign([TopicPartition(TOPIC, 0, 0)])
        found: list[Message] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(found) < count and time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                found.append(message)
        return found
    finally:
        consumer.close()


def test_a_published_event_is_read_back(cluster: MockCluster, server: RegistryServer) -> None:
    with _publisher(cluster, server) as publisher:
        publisher.publish(EVENT)
    [message] = _messages(cluster, 1)
    assert message.key() == b"cam-9"
    registry = SchemaRegistry(server.url)
    decoder = Decoder(plate_schema(), registry, ZoneInfo("UTC"))
    record = Record(TOPIC, 0, 0, NOON_MS, message.key(), message.value())
    assert decoder.decode(record).values == EVENT
    registry.close()


def test_its_timestamp_is_now(cluster: MockCluster, server: RegistryServer) -> None:
    before = int(time.time() * 1000)
    with _publisher(cluster, server) as publisher:
        publisher.publish(EVENT)
    [message] = _messages(cluster, 1)
    assert before <= message.timestamp()[1] <= int(time.time() * 1000) + 1


def test_the_schema_is_registered_under_the_topics_subject(
    cluster: MockCluster, server: RegistryServer
) -> None:
    with _publisher(cluster, server) as publisher:
        publisher.encode(EVENT)
        publisher.encode(EVENT)
    assert server.requests.count(f"POST /subjects/{TOPIC}-value/versions") == 1


def test_an_event_that_does_not_fit_is_an_error(
    cluster: MockCluster, server: RegistryServer
) -> None:
    with _publisher(cluster, server) as publisher, pytest.raises(EventError):
        publisher.publish({**EVENT, "latency_ms": "soon"})


def test_a_registry_that_is_away_is_an_error_and_comes_back(
    cluster: MockCluster, server: RegistryServer
) -> None:
    with _publisher(cluster, server) as publisher:
        server.available = False
        with pytest.raises(RegistryUnavailableError, match="answered HTTP 503"):
            publisher.publish(EVENT)
        server.available = True
        publisher.publish(EVENT)
    assert len(_messages(cluster, 1)) == 1


def test_a_registry_that_is_down_is_an_error(cluster: MockCluster) -> None:
    with RegistryServer() as server:
        publisher = _publisher(cluster, server)
    with pytest.raises(RegistryUnavailableError, match="can't be reached"):
        publisher.encode(EVENT)
    publisher.close()


def test_a_broker_that_is_away_is_an_error(cluster: MockCluster, server: RegistryServer) -> None:
    publisher = _publisher(cluster, server)
    cluster.go_down()
    publisher.publish(EVENT)
    with pytest.raises(BrokerUnavailableError, match="1 records are not acknowledged"):
        publisher.flush(0.1)
    cluster.come_up()
    publisher.flush()
    publisher.close()


def test_a_record_that_is_refused_is_an_error(cluster: MockCluster, server: RegistryServer) -> None:
    publisher = EventPublisher(
        cluster.bootstrap_servers,
        server.url,
        plate_schema().text,
        TOPIC,
        kafka_options={"message.max.bytes": 1000, "log_level": 0},
    )
    with pytest.raises(BrokerUnavailableError, match="the record can't be sent"):
        publisher.publish({**EVENT, "camera_id": 2000 * "x"})
    publisher.close()


def test_an_unusable_schema_is_an_error(cluster: MockCluster, server: RegistryServer) -> None:
    with pytest.raises(SchemaError):
        EventPublisher(cluster.bootstrap_servers, server.url, '{"type": "strin"}', TOPIC)
