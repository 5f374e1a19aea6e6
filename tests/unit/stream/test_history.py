"""The topics' past is read whole, in order, and without a trace."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AdminClient

from engine.errors import BrokerUnavailableError, HistoryError
from engine.settings import Settings
from engine.stream import history as history_module
from engine.stream.history import History, RecordPlace
from engine.stream.record import Record
from tests.support.kafka import Broker
from tests.support.mock_cluster import LIST_OFFSETS, MockCluster
from tests.support.offsets import commit
from tests.support.retention import delete_before, make_anew
from tests.support.stream import Publisher, stream_settings, unique
from tests.unit.stream.consumer_scene import values

NOON_MS = 1_772_366_400_000


@dataclass(frozen=True, slots=True)
class Scene:
    """A topic of four partitions, and a history that reads it."""

    broker: Broker
    topic: str
    settings: Settings
    publisher: Publisher

    def publish(self, partition: int, *seconds: float) -> None:
        """Records at noon and so many seconds, which they hold as text."""
        for each in seconds:
            self.publisher.publish(
                self.topic,
                str(each).encode(),
                partition=partition,
                timestamp_ms=NOON_MS + round(each * 1_000),
            )

    def history(self) -> History:
        return History(self.settings)

    def read(self, since: float | None = None, until: float | None = None) -> list[Record]:
        with closing(self.history()) as history:
            stretch = history.stretch(
                None if since is None else at(since), None if until is None else at(until)
            )
            records = [record for batch in stretch.batches() for record in batch]
            assert stretch.done == stretch.total
            return records


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOON_MS / 1_000 + seconds, UTC)


@pytest.fixture
def scene(kafka: Broker, topic: str) -> Scene:
    settings = stream_settings(kafka.bootstrap_servers, [topic])
    return Scene(kafka, topic, settings, Publisher(kafka.bootstrap_servers))


@pytest.fixture
def real(broker: Broker) -> Scene:
    """One on a real Kafka."""
    if not broker.is_real:
        pytest.skip("no real Kafka here")
    topic = unique("plates")
    broker.create_topic(topic, 4)
    settings = stream_settings(broker.bootstrap_servers, [topic])
    return Scene(broker, topic, settings, Publisher(broker.bootstrap_servers))


def groups(broker: Broker) -> set[str]:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    return {each.group_id for each in admin.list_consumer_groups().result(10).valid}


def test_records_of_all_partitions_come_by_their_times(scene: Scene) -> None:
    scene.publish(0, 1, 4, 9)
    scene.publish(1, 2, 3, 10, 11)
    scene.publish(3, 5, 6, 7, 8)
    assert [int(each) for each in map(_text, scene.read())] == list(range(1, 12))


def test_a_partition_stays_in_its_order_whatever_its_times(scene: Scene) -> None:
    ahead = int(time.time() - NOON_MS / 1_000) + 1_800
    scene.publish(0, 5, 1, ahead, 6)
    scene.publish(1, 2, 7)
    records = scene.read()
    assert [_text(each) for each in records if each.partition == 0] == [
        *("5", "1", str(ahead), "6")
    ]
    assert [_text(each) for each in records][-1] == "7"


def test_what_comes_later_is_not_read(scene: Scene) -> None:
    scene.publish(0, 1, 2)
    scene.publish(1, 1)
    with closing(scene.history()) as history:
        stretch = history.stretch()
        scene.publish(0, 3)
        scene.publish(2, 3)
        assert stretch.total == 3
        assert sum(map(len, stretch.batches())) == 3


def test_an_empty_topic_has_an_empty_past(scene: Scene) -> None:
    assert scene.read() == []


def test_batches_are_as_large_as_asked_for_but_the_last(scene: Scene) -> None:
    scene.publish(0, *range(7))
    with closing(scene.history()) as history:
        stretch = history.stretch()
        sizes, done = [], []
        for batch in stretch.batches(3):
            sizes.append(len(batch))
            done.append(stretch.done)
        assert sizes == [3, 3, 1]
        assert done[-1] == stretch.total == 7


def test_a_partition_that_is_far_ahead_waits_for_the_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "_LEAST_BUFFERED_BYTES", 5_000)
    monkeypatch.setattr(history_module, "_BUFFERED_BYTES", 5_000)
    count = 2_000
    payload = b"x" * 10
    for number in range(count):
        scene.publisher._producer.produce(
            scene.topic, payload, partition=0, timestamp=NOON_MS + number
        )
        scene.publisher._producer.produce(
            scene.topic, payload, partition=1, timestamp=NOON_MS + 10 * count + number
        )
    assert scene.publisher._producer.flush(10) == 0
    scene.publish(2, 10 * count)
    with closing(scene.history()) as history:
        stretch = history.stretch()
        records, most = [], 0
        for batch in stretch.batches(50):
            records += batch
            most = max(most, *(len(each.items) for each in stretch._parts))
    times = [each.timestamp_ms for each in records]
    assert len(records) == 2 * count + 1
    assert times == sorted(times)
    assert most < count / 4


def test_a_record_is_found_by_its_place(scene: Scene) -> None:
    scene.publish(1, 1, 2, 3)
    with closing(scene.history()) as history:
        found = history.record(RecordPlace.parse(f"{scene.topic}:1:1"))
        assert (found.topic, found.partition, found.offset) == (scene.topic, 1, 1)
        assert found.value == b"2"


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("1:3", "no such record, the partition has the offsets 0 to 2"),
        ("0:0", "no such record, the partition is empty"),
        ("9:0", "the topic has no partition 9"),
    ],
)
def test_a_record_that_is_not_there_is_an_error_that_says_what_is(
    scene: Scene, place: str, reason: str
) -> None:
    scene.publish(1, 1, 2, 3)
    with closing(scene.history()) as history, pytest.raises(HistoryError, match=reason):
        history.record(RecordPlace.parse(f"{scene.topic}:{place}"))


@pytest.mark.parametrize("text", ["plates", "plates:1", "plates:1:x", ":1:1", "plates:-1:1", ""])
def test_other_texts_are_no_place_of_a_record(text: str) -> None:
    with pytest.raises(ValueError, match="write topic:partition:offset"):
        RecordPlace.parse(text)


def test_a_broker_that_is_away_is_an_error_within_the_time(cluster: MockCluster) -> None:
    cluster.create_topic("plates")
    settings = stream_settings(cluster.bootstrap_servers, ["plates"])
    cluster.go_down()
    with (
        closing(History(settings, answer_seconds=0.3)) as history,
        pytest.raises(BrokerUnavailableError, match="does not answer"),
    ):
        history.stretch()


def test_a_broker_that_goes_away_meanwhile_is_an_error_within_the_time(
    cluster: MockCluster,
) -> None:
    cluster.create_topic("plates", 1)
    Publisher(cluster.bootstrap_servers).publish("plates", b"1")
    settings = stream_settings(cluster.bootstrap_servers, ["plates"])
    with closing(History(settings, silence_seconds=0.3)) as history:
        stretch = history.stretch()
        cluster.go_down()
        with pytest.raises(BrokerUnavailableError, match="does not answer"):
            list(stretch.batches())


def test_a_partition_that_is_moving_to_another_broker_is_waited_for(cluster: MockCluster) -> None:
    cluster.create_topic("plates", 1)
    Publisher(cluster.bootstrap_servers).publish("plates", b"1")
    settings = stream_settings(cluster.bootstrap_servers, ["plates"])
    cluster.answer(LIST_OFFSETS, [KafkaError.NOT_LEADER_FOR_PARTITION] * 5)
    with closing(History(settings)) as history:
        assert history.stretch().total == 1


@pytest.mark.slow
def test_a_stretch_goes_by_the_times_of_the_records(real: Scene) -> None:
    real.publish(0, 1, 4, 9)
    real.publish(1, 2, 3, 10)
    real.publish(2, 1)
    assert [_text(each) for each in real.read(3, 9)] == ["3", "4"]
    assert [_text(each) for each in real.read(since=9)] == ["9", "10"]
    assert [_text(each) for each in real.read(until=2)] == ["1", "1"]
    assert real.read(since=100) == []
    assert real.read(until=-100) == []
    assert real.read(9, 3) == []


@pytest.mark.slow
def test_no_group_appears_and_nothing_is_committed(real: Scene) -> None:
    real.publish(0, 1, 2, 3)
    assert len(real.read()) == 3
    with closing(real.history()) as history:
        assert history.record(RecordPlace(real.topic, 0, 1)).value == b"2"
        assert history.committed() == {}
    assert real.settings.kafka_group_id not in groups(real.broker)


@pytest.mark.slow
def test_what_the_group_has_committed_stays_and_is_known(real: Scene) -> None:
    real.publish(0, 1, 2, 3)
    commit(real.broker.bootstrap_servers, real.settings.kafka_group_id, real.topic, 2)
    assert len(real.read()) == 3
    with closing(real.history()) as history:
        assert history.committed() == {(real.topic, 0): 2}


@pytest.mark.slow
def test_records_that_were_deleted_are_no_part_of_the_past(real: Scene) -> None:
    real.publish(0, 1, 2, 3)
    delete_before(real.broker.bootstrap_servers, real.topic, 2)
    assert values(real.read()) == [b"3"]
    with (
        closing(real.history()) as history,
        pytest.raises(HistoryError, match="the offsets 2 to 2"),
    ):
        history.record(RecordPlace(real.topic, 0, 1))


@pytest.mark.slow
def test_what_transactions_leave_behind_is_passed_over(real: Scene) -> None:
    producer = Producer(
        {
            "bootstrap.servers": real.broker.bootstrap_servers,
            "transactional.id": unique("transaction"),
        }
    )
    producer.init_transactions(30)
    for is_kept in (True, False):
        producer.begin_transaction()
        producer.produce(real.topic, b"kept" if is_kept else b"aborted", partition=0)
        producer.flush(30)
        producer.commit_transaction(30) if is_kept else producer.abort_transaction(30)
    assert values(real.read()) == [b"kept"]
    with (
        closing(real.history()) as history,
        pytest.raises(HistoryError, match="compaction or a transaction"),
    ):
        history.record(RecordPlace(real.topic, 0, 1))


@pytest.mark.slow
def test_an_unknown_topic_is_an_error_and_is_not_made(real: Scene) -> None:
    name = unique("nowhere")
    settings = replace(real.settings, kafka_topics=(name,))
    with closing(History(settings)) as history, pytest.raises(HistoryError, match=name):
        history.stretch()
    admin = AdminClient({"bootstrap.servers": real.broker.bootstrap_servers})
    assert name not in admin.list_topics(timeout=10).topics


@pytest.mark.slow
def test_a_topic_that_is_made_anew_meanwhile_ends(real: Scene) -> None:
    name = unique("plates")
    real.broker.create_topic(name, 1)
    publisher = Publisher(real.broker.bootstrap_servers)
    publisher.publish(name, *[b"old"] * 1_000)
    with closing(History(replace(real.settings, kafka_topics=(name,)))) as history:
        stretch = history.stretch()
        make_anew(real.broker.bootstrap_servers, name, 1)
        publisher.publish(name, b"new")
        records = [record for batch in stretch.batches() for record in batch]
    assert len(records) <= 1


def _text(record: Record) -> str:
    return (record.value or b"").decode()
