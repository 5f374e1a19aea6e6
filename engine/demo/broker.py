"""librdkafka's embedded Kafka broker, for the demo and for tests: nothing to install, one process.

It speaks Kafka's protocol over TCP on loopback, and keeps its records in memory.
"""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from confluent_kafka import KafkaException, Producer

from engine.errors import BrokerUnavailableError

#: The number of partitions of each topic; librdkafka creates a topic at its first use.
PARTITIONS: Final = 4
_READY_SECONDS: Final = 10.0


class EmbeddedBroker:
    """A broker that runs while its context is open."""

    def __init__(self) -> None:
        self._client: Producer | None = None
        self._bootstrap_servers = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def bootstrap_servers(self) -> str:
        """`host:port`, "" before the start."""
        return self._bootstrap_servers

    def start(self) -> None:
        """Listen on a free port of the loopback interface; BrokerUnavailableError if it can't."""
        # The client's own server list is required, and ignored with a mock cluster.
        options = {"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 2}
        try:
            client = Producer(options)
            brokers = client.list_topics(timeout=_READY_SECONDS).brokers.values()
        except KafkaException as error:
            raise BrokerUnavailableError(f"the embedded broker did not start: {error}") from error
        self._client = client
        self._bootstrap_servers = ",".join(f"{each.host}:{each.port}" for each in brokers)

    def create_topic(self, topic: str) -> None:
        """Create a topic of `PARTITIONS` partitions; BrokerUnavailableError before the start.

        A consumer that subscribes to a missing topic finds it only with its next metadata refresh.
        """
        if self._client is None:
            raise BrokerUnavailableError("the embedded broker is not started")
        # The broker creates a topic whose metadata is asked for.
        self._client.list_topics(topic, _READY_SECONDS)

    def close(self) -> None:
        """Stop listening and forget everything."""
        if self._client is not None:
            self._client.close()
            self._client = None
