"""Tests of the consumer: on the mock cluster, and where its faults don't matter on a real Kafka."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import structlog
from confluent_kafka import KafkaError

from engine.errors import SettingsError, StreamError
from engine.stream.consumer import Consumer
from engine.stream.record import Record
from engine.stream.state import BrokerState, StreamState
from tests.support.kafka import Broker
from tests.support.mock_cluster import (
    FIND_COORDINATOR,
    JOIN_GROUP,
    OFFSET_COMMIT,
    MockCluster,
)
from tests.support.stream import SESSION_MS, Publisher, join, read, stream_settings, unique, until

OpenConsumer = Callable[..., Consumer]


class Mock:
    """The mock cluster as the tests' own `Broker`."""

    is_real = False

    def __init__(self, cluster: MockCluster) -> None:
        self.cluster = cluster
        self.bootstrap_servers = cluster.bootstrap_servers

    def create_topic(self, name: str, partitions: int = 4) -> None:
        self.cluster.create_topic(name, partitions)


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as running:
        yield running


@pytest.fixture(params=["mock", pytest.param("real", marks=pytest.mark.slow)])
def kafka(request: pytest.FixtureRequest) -> Iterator[Broker]:
    if request.param == "mock":
        with MockCluster() as running:
            yield Mock(running)
        return
    broker: Broker = request.getfixturevalue("broker")
    if not broker.is_real:
        pytest.skip("no real Kafka here")
    yield broker


@pytest.fixture
def consumers() -> Iterator[list[Consumer]]:
    opened: list[Consumer] = []
    yield opened
    for consumer in opened:
        consumer.close()


@pytest.fixture
def open_consumer(consumers: list[Consumer]) -> OpenConsumer:
    def open_one(servers: str, *topics: str, group: str = "", **options: str) -> Consumer:
        named = {name.replace("_", "."): value for name, value in options.items()}
        consumer = Consumer(stream_settings(servers, topics, group, named))
        consumers.append(consumer)
        return consumer

    return open_one


@pytest.fixture
def topic(kafka: Broker) -> str:
    name = unique("plates")
    kafka.create_topic(name, 4)
    return name


def values(records: list[Record]) -> list[bytes | None]:
    return [record.value for record in records]


def test_key_value_headers_and_timestamp_pass_through_byte_for_byte(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    headers = [("trace", b"\x00\xff"), ("trace", None), ("", b""), ("ünï", b"x")]
    Publisher(kafka.bootstrap_servers).publish(
        topic,
        b"\x00\x01\xfe",
        key=b"\xff\x00",
        headers=headers,
        partition=2,
        timestamp_ms=1_766_678_400_123,
    )
    (record,) = read(open_consumer(kafka.bootstrap_servers, topic), 1)
    assert record.read_at > 0
    assert record == Record(
        topic=topic,
        partition=2,
        offset=0,
        timestamp_ms=1_766_678_400_123,
        key=b"\xff\x00",
        value=b"\x00\x01\xfe",
        headers=tuple(headers),
        read_at=record.read_at,
    )


def test_tombstone_empty_value_and_missing_key_stay_apart(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    publisher = Publisher(kafka.bootstrap_servers)
    publisher.publish(topic, None, b"", key=b"", partition=0)
    publisher.publish(topic, b"x", partition=0)
    records = read(open_consumer(kafka.bootstrap_servers, topic), 3)
    assert [(record.key, record.value) for record in records] == [
        (b"", None),
        (b"", b""),
        (None, b"x"),
    ]


def test_reading_goes_on_behind_the_committed_records(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    group = unique("group")
    Publisher(kafka.bootstrap_servers).publish(topic, b"0", b"1", b"2", b"3", partition=1)
    first = open_consumer(kafka.bootstrap_servers, topic, group=group)
    first.commit(read(first, 4)[:2])
    first.close()
    assert values(read(open_consumer(kafka.bootstrap_servers, topic, group=group), 2)) == [
        b"2",
        b"3",
    ]


def test_uncommitted_records_are_delivered_again(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    group = unique("group")
    Publisher(kafka.bootstrap_servers).publish(topic, b"0", partition=1)
    first = open_consumer(kafka.bootstrap_servers, topic, group=group)
    read(first, 1)
    first.close()
    assert values(read(open_consumer(kafka.bootstrap_servers, topic, group=group), 1)) == [b"0"]


def test_lone_record_is_returned_by_the_poll_that_it_arrives_in(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    consumer = open_consumer(kafka.bootstrap_servers, topic)
    join(consumer)
    Publisher(kafka.bootstrap_servers).publish(topic, b"alone")
    # One call, whose wait would hold a batch back for longer than this test may last.
    assert values(consumer.poll(500, 600.0)) == [b"alone"]


def test_what_is_there_comes_in_one_batch_of_the_asked_size(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    consumer = open_consumer(kafka.bootstrap_servers, topic)
    Publisher(kafka.bootstrap_servers).publish(topic, *[b"%d" % n for n in range(50)], partition=0)
    batches: list[int] = []
    until([consumer], lambda: sum(batches) == 50, lambda batch: batches.append(len(batch)))
    assert max(batches) > 1
    Publisher(kafka.bootstrap_servers).publish(topic, *[b"%d" % n for n in range(50)], partition=0)
    assert 1 <= len(consumer.poll(7, 10.0)) <= 7


def test_paused_consumer_returns_nothing_and_loses_nothing(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    publisher = Publisher(kafka.bootstrap_servers)
    publisher.publish(topic, *[b"%d" % n for n in range(100)], partition=0)
    consumer = open_consumer(kafka.bootstrap_servers, topic)
    got = consumer.poll(10, 10.0)
    got += read(consumer, 1) if not got else []
    consumer.pause()
    assert not consumer.state.is_consuming
    assert [consumer.poll(10, 0.05) for _ in range(5)] == [[]] * 5
    assert consumer.keep_alive(0.05) == frozenset()
    consumer.resume()
    got += read(consumer, 100 - len(got))
    assert values(got) == [b"%d" % n for n in range(100)]


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


def test_two_consumers_share_and_hand_over_without_loss_or_repeat(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    group, publisher = unique("group"), Publisher(kafka.bootstrap_servers)
    first = open_consumer(kafka.bootstrap_servers, topic, group=group)
    got: list[bytes | None] = []

    def settle(consumer: Consumer) -> None:
        records = consumer.poll(500, 0.05)
        got.extend(values(records))
        consumer.commit(records)

    join(first)
    expected = [b"%d" % n for n in range(40)]
    publisher.publish(topic, *expected[:10])
    settle(first)
    second = open_consumer(kafka.bootstrap_servers, topic, group=group)
    deadline = time.monotonic() + 30
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


def test_partitions_taken_while_a_batch_waits_are_told(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    group = unique("group")
    # Longer than a busy machine stalls: a member that is dropped out loses all, not its share.
    session = {"session_timeout_ms": str(2 * SESSION_MS)}
    first = open_consumer(kafka.bootstrap_servers, topic, group=group, **session)
    join(first)
    held = first.state.partitions
    first.pause()
    second = open_consumer(kafka.bootstrap_servers, topic, group=group, **session)
    taken: set[tuple[str, int]] = set()
    deadline = time.monotonic() + 30
    while not second.state.partitions and time.monotonic() < deadline:
        taken |= first.keep_alive(0.05)
        second.poll(1, 0.05)
    assert taken == second.state.partitions
    assert first.state.partitions == held - taken


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
    deadline = time.monotonic() + 30
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


def test_topic_that_appears_later_is_read(kafka: Broker, open_consumer: OpenConsumer) -> None:
    there, later = unique("there"), unique("later")
    kafka.create_topic(there, 1)
    consumer = open_consumer(kafka.bootstrap_servers, there, later)
    until([consumer], lambda: bool(consumer.state.partitions and consumer.state.missing_topics))
    assert consumer.state.missing_topics == {later}
    assert consumer.state.is_consuming
    kafka.create_topic(later, 1)
    Publisher(kafka.bootstrap_servers).publish(later, b"new")
    assert values(read(consumer, 1)) == [b"new"]
    assert consumer.state.missing_topics == frozenset()


def test_lag_counts_what_is_behind_the_committed_offset(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    publisher = Publisher(kafka.bootstrap_servers)
    publisher.publish(topic, b"0", b"1", b"2", partition=3)
    consumer = open_consumer(kafka.bootstrap_servers, topic)
    consumer.commit(read(consumer, 3)[:1])
    until([consumer], lambda: consumer.lag().get((topic, 3)) == 2)


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


def test_states_are_told_to_whom_they_concern(cluster: MockCluster) -> None:
    cluster.create_topic("plates")
    states: list[StreamState] = []
    settings = stream_settings(cluster.bootstrap_servers, ["plates"])
    with closing(Consumer(settings, states.append)) as consumer:
        join(consumer)
        consumer.pause()
        assert states[-1] == consumer.state
        assert states[-1].is_paused


def test_fenced_member_is_a_clear_error(cluster: MockCluster, open_consumer: OpenConsumer) -> None:
    cluster.create_topic("plates")
    cluster.answer(JOIN_GROUP, [KafkaError.FENCED_INSTANCE_ID])
    consumer = open_consumer(cluster.bootstrap_servers, "plates", group_instance_id="edge-1")
    with pytest.raises(StreamError, match=r"fenced by other consumer"):
        until([consumer], lambda: False)


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


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("session.timeout.ms", "soon", "session.timeout.ms"),
        ("sesion.timeout.ms", "6000", "sesion.timeout.ms"),
        ("partition.assignment.strategy", "range", "handed over cooperatively"),
    ],
)
def test_unusable_options_are_settings_errors(option: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        Consumer(stream_settings("localhost:1", ["plates"], options={option: value}))


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


def test_close_twice_and_before_the_first_poll_is_no_error(
    cluster: MockCluster, open_consumer: OpenConsumer
) -> None:
    consumer = open_consumer(cluster.bootstrap_servers, "plates")
    consumer.close()
    consumer.close()


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
