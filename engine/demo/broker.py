"""librdkafka's embedded Kafka broker, for the demo and for tests: nothing to install, one process.

It speaks real Kafka over TCP on loopback and keeps nothing. Its makers mean it for tests.
"""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from confluent_kafka import KafkaException, Producer

from engine.errors import BrokerUnavailableError

PARTITIONS: Final = 4
"""Of every topic that appears by itself."""
_READY_SECONDS: Final = 10.0


class EmbeddedBroker:
    """A broker that lives as long as this context manager."""

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
        """Make a topic of `PARTITIONS` partitions before its first record; none is lost if it is.

        A consumer that is there first would find the topic only with its next look.
        """
        if self._client is None:
            raise BrokerUnavailableError("the embedded broker is not started")
        # Asking for a topic makes it.
        self._client.list_topics(topic, _READY_SECONDS)

    def close(self) -> None:
        """Stop listening and forget everything."""
        if self._client is not None:
            self._client.close()
            self._client = None
