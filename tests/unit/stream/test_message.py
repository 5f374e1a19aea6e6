"""Tests of reading confluent_kafka's messages."""

from __future__ import annotations

import structlog
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE, Message

from engine.stream.consumer import Consumer, read_message
from engine.stream.record import Record
from tests.support.mock_cluster import MockCluster
from tests.support.stream import read, stream_settings


def test_every_part_of_a_message_is_kept() -> None:
    message = Message(
        topic="plates",
        partition=3,
        offset=7,
        key=b"k",
        value=b"v",
        headers=[("h", b"\xff"), ("h", None)],
        timestamp=(TIMESTAMP_CREATE_TIME, 1_000),
    )
    headers = (("h", b"\xff"), ("h", None))
    assert read_message(message, 2.5) == Record("plates", 3, 7, 1_000, b"k", b"v", headers, 2.5)


def test_nothing_and_empty_stay_apart() -> None:
    nothing = read_message(Message(topic="t", partition=0, offset=0), 0.0)
    empty = read_message(Message(topic="t", partition=0, offset=0, key=b"", value=b""), 0.0)
    assert (nothing.key, nothing.value) == (None, None)
    assert (empty.key, empty.value) == (b"", b"")


def test_missing_timestamp_is_zero() -> None:
    message = Message(topic="t", partition=0, offset=0, timestamp=(TIMESTAMP_NOT_AVAILABLE, -1))
    assert read_message(message, 0.0).timestamp_ms == 0


def test_header_name_that_is_not_utf8_costs_the_headers_only() -> None:
    with MockCluster(["plates"], partitions=1) as cluster, structlog.testing.capture_logs() as logs:
        # Only a warmed-up interpreter shows all of it.
        for _ in range(100):
            read_message(Message(topic="t", partition=0, offset=0, headers=[("h", b"x")]), 0.0)
        cluster.publish_raw("plates", b"value", header_name=b"\xff\xfe")
        consumer = Consumer(stream_settings(cluster.bootstrap_servers, ["plates"]))
        try:
            (record,) = read(consumer, 1)
        finally:
            consumer.close()
    assert (record.value, record.headers) == (b"value", ())
    assert "record.headers_unreadable" in [line["event"] for line in logs]
