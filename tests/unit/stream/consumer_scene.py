"""What the tests of the consumer share."""

from __future__ import annotations

from collections.abc import Callable

from engine.stream.consumer import Consumer
from engine.stream.record import Record
from tests.support.mock_cluster import MockCluster

OpenConsumer = Callable[..., Consumer]


class Mock:
    """The mock cluster as the tests' own `Broker`."""

    is_real = False

    def __init__(self, cluster: MockCluster) -> None:
        self.cluster = cluster
        self.bootstrap_servers = cluster.bootstrap_servers

    def create_topic(self, name: str, partitions: int = 4) -> None:
        self.cluster.create_topic(name, partitions)


def values(records: list[Record]) -> list[bytes | None]:
    """What the records hold."""
    return [record.value for record in records]
