"""What a topic's retention does to its records, at once: and a topic that is made anew."""

from __future__ import annotations

import time

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.support.kafka import create_topic

CALL_SECONDS = 60.0


def delete_before(bootstrap_servers: str, topic: str, offset: int, partition: int = 0) -> None:
    """Return when the partition has no record before `offset` any more."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    for answer in admin.delete_records([TopicPartition(topic, partition, offset)]).values():
        answer.result(CALL_SECONDS)


def make_anew(bootstrap_servers: str, topic: str, partitions: int) -> None:
    """Delete a topic, and make it again under its name, empty."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.delete_topics([topic])[topic].result(CALL_SECONDS)
    deadline = time.monotonic() + CALL_SECONDS
    while True:
        try:
            create_topic(bootstrap_servers, topic, partitions)
            return
        except (KafkaException, KeyError):
            # It is being deleted still.
            assert time.monotonic() < deadline, f"{topic} can't be made"
            time.sleep(0.05)
