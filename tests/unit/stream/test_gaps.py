"""Offsets that a real broker no longer has, or never had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from engine.metrics import Metrics
from engine.stream.consumer import Consumer
from engine.stream.offsets import Gaps
from tests.support.kafka import Broker
from tests.support.offsets import commit, unread
from tests.support.retention import delete_before, make_anew
from tests.support.stream import Publisher, read, stream_settings, unique, until

pytestmark = pytest.mark.waits

Log = list[Any]


class Scene:
    """A topic of one partition on a real broker, and a group that reads it."""

    def __init__(self, broker: Broker) -> None:
        self.servers = broker.bootstrap_servers
        self.topic, self.group = unique("plates"), unique("group")
        self.place = (self.topic, 0)
        broker.create_topic(self.topic, 1)
        self._publisher = Publisher(self.servers)
        self._published = 0

    def publish(self, count: int) -> None:
        numbers = range(self._published, self._published + count)
        self._published += count
        self._publisher.publish(self.topic, *(b"%d" % number for number in numbers), partition=0)

    @contextmanager
    def consumer(self, reset: str = "earliest") -> Iterator[Consumer]:
        settings = stream_settings(self.servers, [self.topic], self.group)
        consumer = Consumer(replace(settings, auto_offset_reset=reset))
        yield consumer
        consumer.close()

    def read_and_commit(self, count: int) -> None:
        with self.consumer() as consumer:
            consumer.commit(read(consumer, count, count)[:count])

    def delete_before(self, offset: int) -> None:
        delete_before(self.servers, self.topic, offset)


@pytest.fixture
def scene(broker: Broker) -> Scene:
    if not broker.is_real:
        pytest.skip("the mock cluster deletes nothing")
    return Scene(broker)


def lines(log: Log, event: str) -> Log:
    return [line for line in log if line["event"] == event]


def numbers(consumer: Consumer, count: int) -> list[int]:
    return [int(record.value or b"-1") for record in read(consumer, count)]


@pytest.mark.parametrize("reset", ["earliest", "latest"])
def test_records_that_were_deleted_before_they_were_read_are_counted_and_the_rest_is_read(
    scene: Scene, reset: str
) -> None:
    scene.publish(30)
    scene.read_and_commit(4)
    scene.delete_before(20)
    with capture_logs() as log, scene.consumer(reset) as consumer:
        assert numbers(consumer, 10) == list(range(20, 30))
        assert consumer.gaps.lost == {scene.place: 16}
        assert consumer.gaps.cut == {scene.place: 0}
    (line,) = lines(log, "records.lost")
    assert line["log_level"] == "error"
    told = [line[name] for name in ("topic", "partition", "next", "first", "end", "records")]
    assert told == [scene.topic, 0, 4, 20, 30, 16]


def test_a_gap_is_told_once_and_not_again_after_a_restart(scene: Scene) -> None:
    scene.publish(30)
    scene.read_and_commit(4)
    # Nothing is left, so that nothing is read and committed behind the gap.
    scene.delete_before(30)
    with scene.consumer() as consumer:
        until([consumer], lambda: consumer.gaps.lost == {scene.place: 26})
        until([consumer], lambda: unread(scene.servers, scene.group, scene.topic) == 0)
    with capture_logs() as log, scene.consumer() as consumer:
        scene.publish(1)
        assert numbers(consumer, 1) == [30]
        assert consumer.gaps.lost == {scene.place: 0}
    assert lines(log, "records.lost") == []


def test_records_that_are_deleted_while_reading_is_halted_are_counted(scene: Scene) -> None:
    with scene.consumer() as consumer:
        scene.publish(5)
        consumer.commit(read(consumer, 5))
        consumer.pause()
        scene.publish(20)
        scene.delete_before(15)
        consumer.keep_alive(0.1)
        consumer.resume()
        assert numbers(consumer, 10) == list(range(15, 25))
        assert consumer.gaps.lost == {scene.place: 10}


@pytest.mark.parametrize("reset", ["earliest", "latest"])
def test_a_partition_that_ends_before_the_next_offset_is_read_from_its_start(
    scene: Scene, reset: str
) -> None:
    scene.publish(7)
    # As if a broker that came back had lost the rest.
    commit(scene.servers, scene.group, scene.topic, 30)
    with capture_logs() as log, scene.consumer(reset) as consumer:
        consumer.commit(read(consumer, 7))
        assert consumer.gaps.cut == {scene.place: 1}
        assert consumer.gaps.lost == {scene.place: 0}
    (line,) = lines(log, "partition.cut")
    told = [line[name] for name in ("log_level", "next", "first", "end")]
    assert told == ["error", 30, 0, 7]
    assert unread(scene.servers, scene.group, scene.topic) == 0


def test_a_topic_that_was_made_anew_is_read_from_its_start(scene: Scene) -> None:
    scene.publish(30)
    scene.read_and_commit(30)
    # The broker forgets the group's offsets together with the topic.
    make_anew(scene.servers, scene.topic, 1)
    scene.publish(3)
    with scene.consumer() as consumer:
        assert numbers(consumer, 3) == [30, 31, 32]


def test_a_topic_that_is_made_anew_while_it_is_read_goes_on(scene: Scene) -> None:
    with scene.consumer() as consumer:
        scene.publish(30)
        consumer.commit(read(consumer, 30))
        make_anew(scene.servers, scene.topic, 1)
        scene.publish(3)
        assert numbers(consumer, 3) == [30, 31, 32]


def test_a_group_without_an_offset_says_where_it_begins_and_loses_nothing(scene: Scene) -> None:
    scene.publish(3)
    with capture_logs() as log, scene.consumer() as consumer:
        assert numbers(consumer, 3) == [0, 1, 2]
        assert consumer.gaps.lost == {scene.place: 0}
    (line,) = lines(log, "partitions.new")
    assert (line["partitions"], line["reset"]) == ([f"{scene.topic}/0"], "earliest")


def test_counters_begin_at_zero_and_follow_the_totals() -> None:
    metrics, gaps, place = Metrics(), Gaps(), ("t", 0)
    gaps.expect([place])
    metrics.show_gaps(gaps.lost, gaps.cut)
    lost = 'alert_engine_records_lost_total{partition="0",topic="t"}'
    assert f"{lost} 0.0" in metrics.exposition().decode()
    gaps.note(place, 4, 20, 30)
    gaps.note(place, 20, 25, 30)
    gaps.note(place, 31, 25, 30)
    metrics.show_gaps(gaps.lost, gaps.cut)
    metrics.show_gaps(gaps.lost, gaps.cut)
    assert f"{lost} 21.0" in metrics.exposition().decode()
    assert metrics.total("partitions_cut_total") == 1
