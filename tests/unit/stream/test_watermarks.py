"""The bounds of a partition are right, also while it moves to another broker."""

from __future__ import annotations

from contextlib import closing, suppress

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException

from engine.stream.watermarks import ask_watermarks
from tests.support.mock_cluster import LIST_OFFSETS, MockCluster
from tests.support.stream import Publisher

PLACE = ("plates", 0)


def client(cluster: MockCluster) -> Consumer:
    return Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": "a-test"})


@pytest.mark.parametrize("errors", range(6))
def test_no_answer_counts_that_gives_one_end_for_both(cluster: MockCluster, errors: int) -> None:
    cluster.create_topic("plates", 1)
    publisher = Publisher(cluster.bootstrap_servers)
    for value in (b"1", b"2", b"3"):
        publisher.publish("plates", value)
    cluster.answer(LIST_OFFSETS, [KafkaError.NOT_LEADER_FOR_PARTITION] * errors)
    with closing(client(cluster)) as consumer:
        found = None
        while found is None:
            with suppress(KafkaException):
                found = ask_watermarks(consumer, PLACE, 5.0)
        assert found == (0, 3)


def test_a_cluster_that_does_not_answer_is_an_error_in_time(cluster: MockCluster) -> None:
    cluster.create_topic("plates", 1)
    with closing(client(cluster)) as consumer:
        assert ask_watermarks(consumer, PLACE, 5.0) == (0, 0)
        cluster.go_down()
        with pytest.raises(KafkaException):
            ask_watermarks(consumer, PLACE, 0.3)
