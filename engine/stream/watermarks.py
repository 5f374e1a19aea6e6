"""Which records a partition has, asked so that a wrong answer of librdkafka does not count."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from engine.stream.record import Partition


def ask_watermarks(
    client: Consumer, partition: Partition, timeout_seconds: float
) -> tuple[int, int]:
    """The offset of the partition's first record, and the one behind its last.

    KafkaException where the broker does not answer in time, or refuses.
    """
    # While a partition moves to another broker, librdkafka may give one of the two in place of
    # both, without an error. So an answer counts once the next one has the same beginning.
    deadline = time.monotonic() + timeout_seconds
    low, high = _ask(client, partition, deadline)
    while True:
        before = low
        low, latest = _ask(client, partition, deadline)
        high = max(high, latest)
        if low == before:
            return low, high


def _ask(client: Consumer, partition: Partition, deadline: float) -> tuple[int, int]:
    left = max(0.1, deadline - time.monotonic())
    found: tuple[int, int] | None = client.get_watermark_offsets(
        TopicPartition(*partition), timeout=left, cached=False
    )
    if found is None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
    return found
