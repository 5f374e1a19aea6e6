"""Where a partition ends: behind what a transaction leaves there; and where `latest` begins."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer as PlainConsumer
from confluent_kafka import Producer, TopicPartition

from engine.stream.consumer import Consumer
from engine.stream.offsets import Offsets
from tests.support.kafka import Broker
from tests.support.stream import SESSION_MS, Publisher, join, read, stream_settings, unique, until
from tests.unit.stream.consumer_scene import OpenConsumer, values

PLACE = ("plates", 0)


@pytest.fixture
def offsets() -> Offsets:
    return Offsets(lambda: 0.0)


def test_an_end_that_nothing_precedes_is_due_at_once(offsets: Offsets) -> None:
    offsets.note_end(PLACE, 5)
    assert offsets.next_commit() == {PLACE: 5}


def test_an_end_is_due_when_all_before_it_is_settled(offsets: Offsets) -> None:
    for offset in (1, 2):
        offsets.note_received(PLACE, offset)
    offsets.note_end(PLACE, 7)
    offsets.advance(PLACE, 1)
    assert offsets.next_commit() == {PLACE: 1}
    offsets.confirm({PLACE: 1})
    offsets.advance(PLACE, 2)
    assert offsets.next_commit() == {PLACE: 7}


def test_an_end_that_was_passed_is_none(offsets: Offsets) -> None:
    offsets.note_end(PLACE, 3)
    offsets.note_received(PLACE, 5)
    offsets.note_received(PLACE, 6)
    offsets.advance(PLACE, 5)
    assert offsets.next_commit() == {PLACE: 5}


def test_an_end_is_forgotten_with_its_partition(offsets: Offsets) -> None:
    offsets.note_received(PLACE, 1)
    offsets.note_end(PLACE, 7)
    offsets.forget([PLACE])
    offsets.note_received(PLACE, 1)
    offsets.advance(PLACE, 1)
    assert offsets.next_commit() == {PLACE: 1}


@pytest.fixture
def real(broker: Broker) -> Broker:
    if not broker.is_real:
        pytest.skip("no real Kafka here")
    return broker


@pytest.fixture
def transactions(real: Broker) -> Iterator[Callable[[str, bytes, bool], None]]:
    producer = Producer(
        {"bootstrap.servers": real.bootstrap_servers, "transactional.id": unique("t")}
    )
    producer.init_transactions(30.0)

    def write(topic: str, value: bytes, is_committed: bool) -> None:
        producer.begin_transaction()
        producer.produce(topic, value, partition=0)
        producer.flush(30.0)
        (producer.commit_transaction if is_committed else producer.abort_transaction)(30.0)

    yield write
    producer.close()


def settle_until_read(consumer: Consumer) -> list[bytes | None]:
    """Read and commit until the lag is known and 0; what was read."""
    seen: list[bytes | None] = []

    def take(batch: list[object]) -> None:
        seen.extend(values(batch))  # type: ignore[arg-type]
        consumer.commit(batch)  # type: ignore[arg-type]

    def is_read() -> bool:
        lag = consumer.lag()
        return len(lag) == 1 and sum(lag.values()) == 0

    until([consumer], is_read, take)  # type: ignore[arg-type]
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("history", "readable"),
    [
        ([(b"1", True)], [b"1"]),
        ([(b"1", False)], []),
        ([(b"1", True), (b"2", False), (b"3", False)], [b"1"]),
        ([(b"1", False), (b"2", True), (b"3", True)], [b"2", b"3"]),
    ],
    ids=["committed", "aborted", "aborted last", "committed last"],
)
def test_the_lag_is_0_when_nothing_that_can_be_read_is_unread(
    real: Broker,
    transactions: Callable[[str, bytes, bool], None],
    open_consumer: OpenConsumer,
    history: list[tuple[bytes, bool]],
    readable: list[bytes],
) -> None:
    topic, group = unique("plates"), unique("group")
    real.create_topic(topic, 1)
    for value, is_committed in history:
        transactions(topic, value, is_committed)
    consumer = open_consumer(real.bootstrap_servers, topic, group=group)
    assert settle_until_read(consumer) == readable
    # Later ones as well, and other tools find the same lag in the group's offset.
    transactions(topic, b"later", True)
    read_on = read(consumer, 1)
    consumer.commit(read_on)
    assert values(read_on) == [b"later"]
    end = 2 * (len(history) + 1)
    plain = PlainConsumer({"bootstrap.servers": real.bootstrap_servers, "group.id": group})
    place = TopicPartition(topic, 0)
    until([consumer], lambda: plain.committed([place], 10.0)[0].offset == end)
    plain.close()


@pytest.mark.slow
def test_a_transaction_under_way_is_no_lag(real: Broker, open_consumer: OpenConsumer) -> None:
    topic = unique("plates")
    real.create_topic(topic, 1)
    Publisher(real.bootstrap_servers).publish(topic, b"plain", partition=0)
    producer = Producer(
        {"bootstrap.servers": real.bootstrap_servers, "transactional.id": unique("t")}
    )
    producer.init_transactions(30.0)
    producer.begin_transaction()
    producer.produce(topic, b"hidden", partition=0)
    producer.flush(30.0)
    consumer = open_consumer(real.bootstrap_servers, topic)
    assert settle_until_read(consumer) == [b"plain"]
    producer.commit_transaction(30.0)
    assert values(read(consumer, 1)) == [b"hidden"]
    producer.close()


def begun_at_the_end(consumer: Consumer, servers: str, topic: str, group: str) -> None:
    """Join, and wait until the group has an offset of each of the four partitions."""
    join(consumer)
    plain = PlainConsumer({"bootstrap.servers": servers, "group.id": group, "log_level": 0})
    places = [TopicPartition(topic, number) for number in range(4)]
    until([consumer], lambda: all(each.offset >= 0 for each in plain.committed(places, 10.0)))
    plain.close()


def latest(servers: str, topic: str, group: str) -> Consumer:
    # A member that is silent for so long loses its partitions.
    silence = {"max.poll.interval.ms": str(SESSION_MS)}
    settings = stream_settings(servers, [topic], group, silence)
    return Consumer(dataclasses.replace(settings, auto_offset_reset="latest"))


def test_with_latest_what_comes_during_a_restart_is_read(
    kafka: Broker, topic: str, consumers: list[Consumer]
) -> None:
    group, publisher = unique("group"), Publisher(kafka.bootstrap_servers)
    publisher.publish(topic, *[b"old"] * 3, partition=0)
    consumers.append(latest(kafka.bootstrap_servers, topic, group))
    begun_at_the_end(consumers[0], kafka.bootstrap_servers, topic, group)
    consumers[0].close()
    for number in range(4):
        publisher.publish(topic, b"%d" % number, partition=number)
    consumers.append(latest(kafka.bootstrap_servers, topic, group))
    assert sorted(values(read(consumers[1], 4)), key=str) == [b"0", b"1", b"2", b"3"]


def test_with_latest_what_comes_while_membership_is_lost_is_read(
    kafka: Broker, topic: str, consumers: list[Consumer]
) -> None:
    group, publisher = unique("group"), Publisher(kafka.bootstrap_servers)
    consumers.append(latest(kafka.bootstrap_servers, topic, group))
    begun_at_the_end(consumers[0], kafka.bootstrap_servers, topic, group)
    # Nobody polls the first one any more, so the group gives its partitions to the second.
    for number in range(4):
        publisher.publish(topic, b"%d" % number, partition=number)
    consumers.append(latest(kafka.bootstrap_servers, topic, group))
    assert len(read(consumers[1], 4)) == 4
