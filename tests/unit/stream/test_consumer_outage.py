"""Tests of the consumer where brokers fail, refuse or are away."""

from __future__ import annotations

import json
import time

import pytest
import structlog
from confluent_kafka import KafkaError

from engine.stream.state import BrokerState
from tests.support.mock_cluster import (
    FIND_COORDINATOR,
    OFFSET_COMMIT,
    MockCluster,
)
from tests.support.stream import Publisher, join, read, unique, until
from tests.unit.stream.consumer_scene import OpenConsumer, values


@pytest.mark.slow
def test_broker_that_starts_later_is_found(open_consumer: OpenConsumer) -> None:
    with MockCluster(["plates"]) as cluster:
        cluster.go_down()
        consumer = open_consumer(cluster.bootstrap_servers, "plates")
        until([consumer], lambda: consumer.state.broker is BrokerState.AWAY)
        assert not consumer.state.is_consuming
        assert "Connection refused" in consumer.state.detail
        cluster.come_up()
        Publisher(cluster.bootstrap_servers).publish("plates", b"x")
        assert values(read(consumer, 1)) == [b"x"]
        assert consumer.state.is_consuming


def test_offsets_that_an_outage_kept_back_are_committed_after_it(
    cluster: MockCluster, open_consumer: OpenConsumer
) -> None:
    cluster.create_topic("plates")
    group = unique("group")
    Publisher(cluster.bootstrap_servers).publish("plates", b"0", b"1", partition=0)
    # The session outlives the outage, so that the partitions stay.
    consumer = open_consumer(
        cluster.bootstrap_servers, "plates", group=group, session_timeout_ms="30000"
    )
    batch = read(consumer, 2)
    cluster.go_down()
    until([consumer], lambda: consumer.state.broker is BrokerState.AWAY)
    consumer.commit(batch)
    cluster.come_up()
    until([consumer], lambda: consumer.lag().get(("plates", 0)) == 0)


@pytest.mark.slow
def test_partitions_lost_in_an_outage_are_told_and_read_again(
    cluster: MockCluster, open_consumer: OpenConsumer
) -> None:
    cluster.create_topic("plates", 1)
    Publisher(cluster.bootstrap_servers).publish("plates", b"0")
    consumer = open_consumer(cluster.bootstrap_servers, "plates")
    batch = read(consumer, 1)
    consumer.pause()
    cluster.go_down()
    taken: frozenset[tuple[str, int]] = frozenset()
    deadline = time.monotonic() + 30
    while not taken and time.monotonic() < deadline:
        taken = consumer.keep_alive(0.05)
    assert taken == {("plates", 0)}
    assert not consumer.state.has_joined
    consumer.commit(batch)
    cluster.come_up()
    consumer.resume()
    assert values(read(consumer, 1)) == [b"0"]


@pytest.mark.slow
def test_refused_commit_is_sent_again(cluster: MockCluster, open_consumer: OpenConsumer) -> None:
    cluster.create_topic("plates")
    Publisher(cluster.bootstrap_servers).publish("plates", b"0", partition=0)
    consumer = open_consumer(cluster.bootstrap_servers, "plates")
    batch = read(consumer, 1)
    cluster.answer(OFFSET_COMMIT, [KafkaError.REBALANCE_IN_PROGRESS])
    consumer.commit(batch)
    until([consumer], lambda: consumer.lag().get(("plates", 0)) == 0)


def test_broker_lost_and_back_is_one_line_each(
    cluster: MockCluster, open_consumer: OpenConsumer
) -> None:
    cluster.create_topic("plates")
    with structlog.testing.capture_logs() as lines:
        consumer = open_consumer(cluster.bootstrap_servers, "plates")
        join(consumer)
        cluster.go_down()
        until([consumer], lambda: consumer.state.broker is BrokerState.AWAY)
        for _ in range(20):
            consumer.poll(10, 0.02)
        cluster.come_up()
        until([consumer], lambda: consumer.state.broker is BrokerState.REACHABLE)
    told = [line["event"] for line in lines if line["event"].startswith("broker.")]
    assert told == ["broker.reached", "broker.away", "broker.back"]


def test_a_report_that_counts_a_lost_connection_is_no_end_of_an_outage(
    cluster: MockCluster, open_consumer: OpenConsumer
) -> None:
    cluster.create_topic("plates")
    # As librdkafka reported just after it had said that all brokers are down: the thread of the
    # coordinator's connection had not noticed yet.
    brokers = {
        "127.0.0.1:9/1": {"source": "learned", "state": "INIT"},
        "GroupCoordinator": {"source": "logical", "state": "UP"},
    }
    late = json.dumps({"brokers": brokers, "topics": {}})
    with structlog.testing.capture_logs() as lines:
        consumer = open_consumer(cluster.bootstrap_servers, "plates")
        join(consumer)
        cluster.go_down()
        until([consumer], lambda: consumer.state.broker is BrokerState.AWAY)
        for _ in range(20):
            consumer.poll(10, 0.02)
        consumer._on_statistics(late)
        for _ in range(20):
            consumer.poll(10, 0.02)
        assert consumer.state.broker is BrokerState.AWAY
        cluster.come_up()
        until([consumer], lambda: consumer.state.broker is BrokerState.REACHABLE)
    told = [line["event"] for line in lines if line["event"].startswith("broker.")]
    assert told == ["broker.reached", "broker.away", "broker.back"]


@pytest.mark.parametrize("is_of_topic", [True, False], ids=["topic", "group"])
def test_denied_access_is_told_once_and_waited_for(
    cluster: MockCluster, open_consumer: OpenConsumer, is_of_topic: bool
) -> None:
    cluster.create_topic("plates")
    if is_of_topic:
        cluster.fail_topic("plates", KafkaError.TOPIC_AUTHORIZATION_FAILED)
    else:
        cluster.answer(FIND_COORDINATOR, [KafkaError.GROUP_AUTHORIZATION_FAILED] * 2)
    with structlog.testing.capture_logs() as lines:
        consumer = open_consumer(cluster.bootstrap_servers, "plates")
        until([consumer], lambda: "authorization failed" in consumer.state.detail)
        assert not consumer.state.is_consuming
        cluster.fail_topic("plates", KafkaError.NO_ERROR)
        join(consumer)
    assert consumer.state.problem == ""
    assert [line["event"] for line in lines].count("stream.refused") == 1


def test_close_is_short_when_the_broker_hangs(
    cluster: MockCluster, open_consumer: OpenConsumer
) -> None:
    cluster.create_topic("plates")
    Publisher(cluster.bootstrap_servers).publish("plates", b"0")
    consumer = open_consumer(cluster.bootstrap_servers, "plates")
    batch = read(consumer, 1)
    cluster.delay(600_000)
    consumer.commit(batch)
    # librdkafka alone would wait for minutes: this test would run into its time limit.
    consumer.close(0.5)
