"""How far a consumer group has come, asked of the broker and not of the group's member."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tests.support.patience import PATIENCE_SECONDS

# What a broker answers while it sets up the group's own partition.
COORDINATOR_STARTS = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
)


def unread(bootstrap_servers: str, group: str, topic: str) -> int:
    """How many records of the topic the group has not committed."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap_servers, "group.id": group, "enable.auto.commit": False}
    )
    try:
        known = consumer.list_topics(topic, PATIENCE_SECONDS).topics[topic].partitions
        partitions = [TopicPartition(topic, number) for number in known]
        left = 0
        for partition in _ask_committed(consumer, partitions):
            low, high = consumer.get_watermark_offsets(partition, PATIENCE_SECONDS)
            left += high - max(low, partition.offset)
        return left
    finally:
        consumer.close()


def committed(bootstrap_servers: str, group: str, topic: str) -> dict[int, int]:
    """The offset that the group has committed, by partition; negative where it has none."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap_servers, "group.id": group, "enable.auto.commit": False}
    )
    try:
        known = consumer.list_topics(topic, PATIENCE_SECONDS).topics[topic].partitions
        partitions = [TopicPartition(topic, number) for number in known]
        return {each.partition: each.offset for each in _ask_committed(consumer, partitions)}
    finally:
        consumer.close()


def commit(bootstrap_servers: str, group: str, topic: str, offset: int, partition: int = 0) -> None:
    """Set the offset of a group that has no member, whether or not there is such a record."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap_servers, "group.id": group, "enable.auto.commit": False}
    )
    try:
        # Asking first, it waits until the group's broker is up.
        _ask_committed(consumer, [TopicPartition(topic, partition)])
        consumer.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)
    finally:
        consumer.close()


def _ask_committed(consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return list(consumer.committed(partitions, PATIENCE_SECONDS))
        except KafkaException as error:
            if error.args[0].code() not in COORDINATOR_STARTS or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def await_consumed(
    bootstrap_servers: str, group: str, topic: str, timeout_seconds: float = PATIENCE_SECONDS
) -> None:
    """Return when the group has committed the whole topic; AssertionError after the time."""
    deadline = time.monotonic() + timeout_seconds
    while (left := unread(bootstrap_servers, group, topic)) > 0:
        assert time.monotonic() < deadline, f"{left} records of {topic} were not committed"
        time.sleep(0.1)
