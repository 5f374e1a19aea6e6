"""Tests of the embedded broker: it is librdkafka's test tool, so this is our smoke test of it."""

from __future__ import annotations

import socket

import pytest
from confluent_kafka.admin import AdminClient

from engine.demo.servers import PARTITIONS, EmbeddedBroker
from engine.errors import BrokerUnavailableError
from engine.stream.consumer import Consumer
from tests.support.patience import PATIENCE_SECONDS
from tests.support.stream import Publisher, read, stream_settings


@pytest.mark.slow
def test_what_is_published_is_read_by_a_group_and_its_offsets_are_kept() -> None:
    with EmbeddedBroker() as broker:
        broker.create_topic("plates")
        # A first join waits for 3 s; a member whose session is shorter never gets in.
        options = {"session.timeout.ms": "6000"}
        settings = stream_settings(broker.bootstrap_servers, ["plates"], options=options)
        Publisher(broker.bootstrap_servers).publish("plates", b"0", b"1", partition=0)
        first = Consumer(settings)
        first.commit(read(first, 2)[:1])
        first.close()
        second = Consumer(settings)
        assert [record.value for record in read(second, 1)] == [b"1"]
        second.close()


def test_topic_that_is_made_is_there_with_its_partitions() -> None:
    with EmbeddedBroker() as broker:
        broker.create_topic("plates")
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        assert (
            len(admin.list_topics(timeout=PATIENCE_SECONDS).topics["plates"].partitions)
            == PARTITIONS
        )


def test_it_listens_on_loopback_only_and_no_longer_after_its_end() -> None:
    with EmbeddedBroker() as broker:
        host, port = broker.bootstrap_servers.split(":")
        assert host == "127.0.0.1"
        socket.create_connection((host, int(port))).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


def test_two_brokers_know_nothing_of_each_other() -> None:
    with EmbeddedBroker() as one, EmbeddedBroker() as other:
        one.create_topic("plates")
        admin = AdminClient({"bootstrap.servers": other.bootstrap_servers})
        assert "plates" not in admin.list_topics(timeout=PATIENCE_SECONDS).topics


def test_topic_without_a_started_broker_is_an_error() -> None:
    with pytest.raises(BrokerUnavailableError, match="not started"):
        EmbeddedBroker().create_topic("plates")
