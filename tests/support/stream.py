"""Consumers and records for tests, on whatever broker a test has."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import Producer

from engine.settings import Secret, Settings
from engine.stream.consumer import Consumer
from engine.stream.record import Record
from tests.support.patience import PATIENCE_SECONDS

POLL_SECONDS = 0.05
# The mock cluster lets a rebalance wait for most of a session; a real one takes no shorter session.
SESSION_MS = 1_500
# How often a client looks for new topics. An answer waits behind a fetch (500 ms), and a question
# that is asked before it has come puts it off.
REFRESH_MS = "1000"

Headers = list[tuple[str, bytes | None]]


def unique(word: str) -> str:
    """A name that no other test uses."""
    return f"{word}-{uuid.uuid4().hex[:12]}"


def stream_settings(
    servers: str, topics: Sequence[str], group: str = "", options: dict[str, str] | None = None
) -> Settings:
    """Settings of a consumer, in a group of its own unless one is named."""
    return Settings(
        kafka_bootstrap_servers=servers,
        kafka_topics=tuple(topics),
        kafka_group_id=group or unique("group"),
        kafka_options=Secret(
            {
                "session.timeout.ms": str(SESSION_MS),
                "statistics.interval.ms": "100",
                "topic.metadata.refresh.interval.ms": REFRESH_MS,
                **(options or {}),
            }
        ),
    )


class Publisher:
    """Publishes any records, acknowledged when a call returns."""

    def __init__(self, servers: str) -> None:
        self._producer = Producer({"bootstrap.servers": servers, "log_level": 2})

    def publish(
        self,
        topic: str,
        *values: bytes | None,
        key: bytes | None = None,
        headers: Headers | None = None,
        partition: int = -1,
        timestamp_ms: int = 0,
    ) -> None:
        """Publish one record for each value."""
        for value in values:
            extra: dict[str, Any] = {"headers": headers} if headers is not None else {}
            self._producer.produce(
                topic, value, key, partition=partition, timestamp=timestamp_ms, **extra
            )
        assert self._producer.flush(PATIENCE_SECONDS) == 0


def read(consumer: Consumer, count: int, max_records: int = 500) -> list[Record]:
    """Poll until so many records have come."""
    records: list[Record] = []
    until([consumer], lambda: len(records) >= count, lambda batch: records.extend(batch))
    return records


def until(
    consumers: Sequence[Consumer],
    is_so: Callable[[], bool],
    take: Callable[[list[Record]], None] = lambda batch: None,
) -> None:
    """Poll the consumers in turn until it is so; AssertionError after a minute."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, [consumer.state for consumer in consumers]
        for consumer in consumers:
            take(consumer.poll(500, POLL_SECONDS))


def join(*consumers: Consumer) -> None:
    """Poll until every consumer is in its group and has partitions."""
    until(consumers, lambda: all(consumer.state.partitions for consumer in consumers))
