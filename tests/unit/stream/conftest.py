"""A Kafka, and consumers that are closed again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.stream.consumer import Consumer
from tests.support.kafka import Broker
from tests.support.mock_cluster import (
    MockCluster,
)
from tests.support.stream import stream_settings, unique
from tests.unit.stream.consumer_scene import Mock, OpenConsumer


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as running:
        yield running


@pytest.fixture(params=["mock", pytest.param("real", marks=pytest.mark.slow)])
def kafka(request: pytest.FixtureRequest) -> Iterator[Broker]:
    if request.param == "mock":
        with MockCluster() as running:
            yield Mock(running)
        return
    broker: Broker = request.getfixturevalue("broker")
    if not broker.is_real:
        pytest.skip("no real Kafka here")
    yield broker


@pytest.fixture
def consumers() -> Iterator[list[Consumer]]:
    opened: list[Consumer] = []
    yield opened
    for consumer in opened:
        consumer.close()


@pytest.fixture
def open_consumer(consumers: list[Consumer]) -> OpenConsumer:
    def open_one(servers: str, *topics: str, group: str = "", **options: str) -> Consumer:
        named = {name.replace("_", "."): value for name, value in options.items()}
        consumer = Consumer(stream_settings(servers, topics, group, named))
        consumers.append(consumer)
        return consumer

    return open_one


@pytest.fixture
def topic(kafka: Broker) -> str:
    name = unique("plates")
    kafka.create_topic(name, 4)
    return name
