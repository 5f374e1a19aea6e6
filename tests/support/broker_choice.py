"""Which broker a run gets: a given one, a real one of its own, else librdkafka's mock."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from confluent_kafka.admin import AdminClient

from engine.demo.servers import EmbeddedBroker
from tests.support.kafka import (
    PARTITIONS,
    Broker,
    GivenKafka,
    RealKafka,
    await_answer,
    await_topic,
    given_servers,
    is_required,
)
from tests.support.kafka_jars import KafkaUnavailableError


class MockKafka:
    """librdkafka's mock cluster; its topics appear when they are asked for."""

    is_real = False

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers

    def create_topic(self, name: str, partitions: int = PARTITIONS) -> None:
        """As `Broker` says; the mock has four partitions in every topic."""
        assert partitions <= PARTITIONS, "the mock cluster has four partitions in every topic"
        await_topic(AdminClient({"bootstrap.servers": self.bootstrap_servers}), name, 1)


@contextlib.contextmanager
def choose_broker(shared: str | None = None) -> Iterator[Broker]:
    """The run's broker; KafkaUnavailableError when a real one is required and can't be had.

    `shared` is the address of a Kafka that is coming up for all processes of the run.
    """
    if servers := given_servers():
        yield GivenKafka(servers)
        return
    if shared is not None:
        await_answer(shared)
        yield GivenKafka(shared)
        return
    try:
        kafka = RealKafka()
    except KafkaUnavailableError:
        if is_required():
            raise
        with EmbeddedBroker() as mock:
            yield MockKafka(mock.bootstrap_servers)
        return
    with kafka:
        yield kafka
