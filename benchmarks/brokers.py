"""The benchmarks' brokers: librdkafka's embedded one, and a real Kafka where one is at hand."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Final

from confluent_kafka import Producer

from tests.support.kafka import Broker, GivenKafka, RealKafka, given_servers
from tests.support.kafka_jars import libraries
from tests.support.mock_cluster import MockCluster

FLUSH_SECONDS: Final = 60.0
#: How many events a filled topic has.
EVENTS: Final = 40_000
#: A topic with so many of them, of which this share has watched plates.
Filled = Callable[[float], str]


class BrokerKind(StrEnum):
    """Which broker a measurement uses."""

    EMBEDDED = "embedded broker"
    REAL = "Apache Kafka"


class Topics:
    """One broker, and topics on it that are made and filled on demand."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker

    @property
    def bootstrap_servers(self) -> str:
        """Where the broker listens."""
        return self.broker.bootstrap_servers

    def make(self, name: str) -> str:
        """An empty topic of four partitions."""
        self.broker.create_topic(name)
        return name

    def fill(self, topic: str, values: Sequence[tuple[bytes, bytes]]) -> None:
        """Publish (key, value) pairs; they are acknowledged when this returns."""
        producer = Producer({"bootstrap.servers": self.bootstrap_servers, "linger.ms": 20})
        for key, value in values:
            producer.produce(topic, value, key)
            producer.poll(0)
        assert producer.flush(FLUSH_SECONDS) == 0


def is_at_hand(kind: BrokerKind) -> bool:
    """Whether this kind can be had without fetching anything."""
    if kind is BrokerKind.EMBEDDED or given_servers():
        return True
    return shutil.which("java") is not None and libraries().is_dir()


@contextlib.contextmanager
def open_topics(kind: BrokerKind) -> Iterator[Topics]:
    """A broker of the kind, which must be at hand."""
    if kind is BrokerKind.EMBEDDED:
        with MockCluster() as mock:
            yield Topics(mock)
    elif servers := given_servers():
        yield Topics(GivenKafka(servers))
    else:
        with RealKafka() as kafka:
            yield Topics(kafka)
