"""Where the topics end, and how far the group has read, as a broker tells."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from engine.errors import StreamError
from engine.settings import Settings
from engine.stream import ends as ends_module
from engine.stream.ends import StreamEnds
from tests.support.mock_cluster import LIST_OFFSETS, MockCluster

TOPICS = "plates,more"
GROUP = "engines"
QUICK_SECONDS = 0.5

pytestmark = pytest.mark.waits


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster(["plates", "more"], 2) as running:
        yield running


@pytest.fixture
def ends(cluster: MockCluster) -> Iterator[StreamEnds]:
    opened = StreamEnds(
        Settings.from_environment(
            {
                "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
                "KAFKA_TOPIC": TOPICS,
                "KAFKA_GROUP_ID": GROUP,
            }
        )
    )
    yield opened
    opened.close()


def publish(cluster: MockCluster, topic: str, partition: int, count: int) -> None:
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers, "log_level": 2})
    for _ in range(count):
        producer.produce(topic, b"x", partition=partition)
    producer.flush()


def test_every_partition_of_every_topic_has_its_end(cluster: MockCluster, ends: StreamEnds) -> None:
    assert set(ends.ends().values()) == {0}
    publish(cluster, "more", 1, 3)
    assert ends.ends() == {("plates", 0): 0, ("plates", 1): 0, ("more", 0): 0, ("more", 1): 3}


@pytest.mark.slow
def test_what_any_member_of_the_group_has_committed_is_told(
    cluster: MockCluster, ends: StreamEnds
) -> None:
    publish(cluster, "plates", 0, 5)
    member = Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": GROUP})
    member.commit(offsets=[TopicPartition("plates", 0, 4)], asynchronous=False)
    member.close()
    assert ends.committed([("plates", 0), ("more", 1)]) == {("plates", 0): 4, ("more", 1): 0}


@pytest.mark.slow
def test_while_one_partition_gives_no_answer_none_is_known(
    cluster: MockCluster, ends: StreamEnds, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends.ends()
    monkeypatch.setattr(ends_module, "ANSWER_SECONDS", QUICK_SECONDS)
    cluster.answer(LIST_OFFSETS, [KafkaError.TOPIC_AUTHORIZATION_FAILED])
    with pytest.raises(StreamError):
        ends.ends()
    assert len(ends.ends()) == 4


@pytest.mark.slow
def test_while_the_broker_is_away_nothing_is_known(
    cluster: MockCluster, ends: StreamEnds, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ends.ends()
    monkeypatch.setattr(ends_module, "ANSWER_SECONDS", QUICK_SECONDS)
    cluster.go_down()
    with pytest.raises(StreamError):
        ends.ends()
    with pytest.raises(StreamError):
        ends.committed([*known])


@pytest.mark.slow
def test_where_no_topic_is_there_nothing_is_known(cluster: MockCluster, ends: StreamEnds) -> None:
    unknown = int(KafkaError.UNKNOWN_TOPIC_OR_PART)
    cluster.fail_topic("more", unknown)
    assert ends.ends() == {("plates", 0): 0, ("plates", 1): 0}
    cluster.fail_topic("plates", unknown)
    with pytest.raises(StreamError, match="none of the topics is there"):
        ends.ends()
