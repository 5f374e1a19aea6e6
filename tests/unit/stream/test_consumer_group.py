"""Tests of the consumer among others of its group."""

from __future__ import annotations

import time

import pytest
from confluent_kafka import KafkaError

from engine.errors import StreamError
from engine.stream.consumer import Consumer
from engine.stream.record import Record
from tests.support.kafka import Broker
from tests.support.mock_cluster import (
    JOIN_GROUP,
    MockCluster,
)
from tests.support.offsets import unread
from tests.support.patience import PATIENCE_SECONDS
from tests.support.stream import SESSION_MS, Publisher, join, read, unique, until
from tests.unit.stream.consumer_scene import OpenConsumer, values

# Longer than a busy machine stalls: a member that is dropped out loses all, not its share.
LONG_SESSION = {"session_timeout_ms": str(2 * SESSION_MS)}


def test_assignment_while_paused_is_paused_too(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    Publisher(kafka.bootstrap_servers).publish(topic, b"x")
    consumer = open_consumer(kafka.bootstrap_servers, topic)
    consumer.pause()
    seen: list[Record] = []
    until([consumer], lambda: bool(consumer.state.partitions), seen.extend)
    seen += consumer.poll(10, 0.3)
    assert seen == []
    consumer.resume()
    assert values(read(consumer, 1)) == [b"x"]


@pytest.mark.slow
def test_two_consumers_share_and_hand_over_without_loss_or_repeat(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    group, publisher = unique("group"), Publisher(kafka.bootstrap_servers)
    first = open_consumer(kafka.bootstrap_servers, topic, group=group, **LONG_SESSION)
    got: list[bytes | None] = []

    def settle(consumer: Consumer) -> None:
        records = consumer.poll(500, 0.05)
        got.extend(values(records))
        consumer.commit(records)

    join(first)
    expected = [b"%d" % n for n in range(40)]
    publisher.publish(topic, *expected[:10])
    # What is not confirmed when a partition is taken may be read again.
    while len(got) < 10 or unread(kafka.bootstrap_servers, group, topic):
        settle(first)
    second = open_consumer(kafka.bootstrap_servers, topic, group=group, **LONG_SESSION)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (first.state.partitions and second.state.partitions) and time.monotonic() < deadline:
        settle(first)
        settle(second)
    publisher.publish(topic, *expected[10:20])
    settle(first)
    settle(second)
    first.close()
    publisher.publish(topic, *expected[20:])
    while len(got) < 40 and time.monotonic() < deadline:
        settle(second)
    assert sorted(got, key=str) == sorted(expected, key=str)


@pytest.mark.slow
def test_partitions_taken_while_a_batch_waits_are_told(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    group = unique("group")
    first = open_consumer(kafka.bootstrap_servers, topic, group=group, **LONG_SESSION)
    join(first)
    held = first.state.partitions
    first.pause()
    second = open_consumer(kafka.bootstrap_servers, topic, group=group, **LONG_SESSION)
    taken: set[tuple[str, int]] = set()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not second.state.partitions and time.monotonic() < deadline:
        taken |= first.keep_alive(0.05)
        second.poll(1, 0.05)
    assert taken == second.state.partitions
    assert first.state.partitions == held - taken


def test_partition_that_was_taken_is_held_no_more(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    group = unique("group")
    first = open_consumer(kafka.bootstrap_servers, topic, group=group)
    join(first)
    held = first.state.partitions
    first.hold(held)
    second = open_consumer(kafka.bootstrap_servers, topic, group=group)
    kept = held

    def is_shared() -> bool:
        nonlocal kept
        # A group may take all of them, and give some back.
        kept &= first.state.partitions
        return bool(second.state.partitions)

    until([first, second], is_shared)
    assert first.held == kept
    assert kept.isdisjoint(second.state.partitions)


@pytest.mark.slow
def test_records_of_taken_partitions_are_not_committed(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    group = unique("group")
    publisher = Publisher(kafka.bootstrap_servers)
    for partition in range(4):
        publisher.publish(topic, b"%d" % partition, partition=partition)
    first = open_consumer(kafka.bootstrap_servers, topic, group=group)
    batch = read(first, 4)
    first.pause()
    second = open_consumer(kafka.bootstrap_servers, topic, group=group)
    deadline = time.monotonic() + PATIENCE_SECONDS
    again: list[Record] = []
    while not second.state.partitions and time.monotonic() < deadline:
        first.keep_alive(0.05)
        again += second.poll(10, 0.05)
    first.commit(batch)
    again += read(second, len(second.state.partitions) - len(again))
    assert {record.partition for record in again} == {
        number for _, number in second.state.partitions
    }


@pytest.mark.slow
def test_membership_outlives_the_session_while_a_batch_waits(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    Publisher(kafka.bootstrap_servers).publish(topic, b"x")
    consumer = open_consumer(kafka.bootstrap_servers, topic)
    batch = read(consumer, 1)
    consumer.pause()
    end = time.monotonic() + 2.5 * SESSION_MS / 1_000
    while time.monotonic() < end:
        assert consumer.keep_alive(0.2) == frozenset()
    consumer.commit(batch)
    consumer.resume()
    until([consumer], lambda: sum(consumer.lag().values()) == 0)


def test_fenced_member_is_a_clear_error(cluster: MockCluster, open_consumer: OpenConsumer) -> None:
    cluster.create_topic("plates")
    cluster.answer(JOIN_GROUP, [KafkaError.FENCED_INSTANCE_ID])
    consumer = open_consumer(cluster.bootstrap_servers, "plates", group_instance_id="edge-1")
    with pytest.raises(StreamError, match=r"fenced by other consumer"):
        until([consumer], lambda: False)


@pytest.mark.slow
def test_closed_member_hands_its_partitions_over_at_once(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    if not kafka.is_real:
        pytest.skip("the mock cluster lets a rebalance wait for a session")
    group = unique("group")
    # So long a session would outlast the test's patience if the member did not leave.
    first = open_consumer(kafka.bootstrap_servers, topic, group=group, session_timeout_ms="45000")
    join(first)
    first.close()
    join(open_consumer(kafka.bootstrap_servers, topic, group=group, session_timeout_ms="45000"))
