"""Tests of the consumer: on the mock cluster, and where its faults don't matter on a real Kafka."""

from __future__ import annotations

import pytest

from engine.errors import SettingsError
from engine.stream.consumer import Consumer
from engine.stream.record import Record
from tests.support.kafka import Broker
from tests.support.mock_cluster import (
    MockCluster,
)
from tests.support.patience import PATIENCE_SECONDS
from tests.support.stream import Publisher, join, read, stream_settings, unique, until
from tests.unit.stream.consumer_scene import OpenConsumer, values


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
    assert 1 <= len(consumer.poll(7, PATIENCE_SECONDS)) <= 7


def test_paused_consumer_returns_nothing_and_loses_nothing(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    publisher = Publisher(kafka.bootstrap_servers)
    publisher.publish(topic, *[b"%d" % n for n in range(100)], partition=0)
    consumer = open_consumer(kafka.bootstrap_servers, topic)
    got = consumer.poll(10, PATIENCE_SECONDS)
    got += read(consumer, 1) if not got else []
    consumer.pause()
    assert not consumer.state.is_consuming
    assert [consumer.poll(10, 0.05) for _ in range(5)] == [[]] * 5
    assert consumer.keep_alive(0.05) == frozenset()
    consumer.resume()
    got += read(consumer, 100 - len(got))
    assert values(got) == [b"%d" % n for n in range(100)]


def test_held_partition_returns_nothing_and_loses_nothing_while_others_go_on(
    kafka: Broker, topic: str, open_consumer: OpenConsumer
) -> None:
    publisher = Publisher(kafka.bootstrap_servers)
    publisher.publish(topic, *[b"%d" % n for n in range(20)], partition=0)
    consumer = open_consumer(kafka.bootstrap_servers, topic)
    got = read(consumer, 1)
    # Held in name first: it is read on.
    consumer.hold({(topic, 0), ("other", 0)}, reads_on=True)
    publisher.publish(topic, b"20", partition=0)
    got += read(consumer, 21 - len(got))
    assert consumer.held == {(topic, 0)}
    publisher.publish(topic, *[b"%d" % n for n in range(21, 40)], partition=0)
    consumer.hold({(topic, 0)})
    assert consumer.held == {(topic, 0)}
    # What was on its way already may still come.
    got += consumer.poll(100, 0.05)
    publisher.publish(topic, b"x", partition=1)
    assert values(read(consumer, 1)) == [b"x"]
    # A halt of everything meanwhile does not let it go.
    consumer.pause()
    consumer.resume()
    publisher.publish(topic, b"y", partition=1)
    assert values(read(consumer, 1)) == [b"y"]
    consumer.hold(frozenset())
    got += read(consumer, 40 - len(got))
    assert values(got) == [b"%d" % n for n in range(40)]


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


def test_close_twice_and_before_the_first_poll_is_no_error(
    cluster: MockCluster, open_consumer: OpenConsumer
) -> None:
    consumer = open_consumer(cluster.bootstrap_servers, "plates")
    consumer.close()
    consumer.close()
