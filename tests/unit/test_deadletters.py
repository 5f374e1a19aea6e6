from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.deadletters import RETRY_SECONDS, DeadLetterOffice
from engine.errors import StoreUnavailableError
from engine.heartbeat import Heartbeat, Stage
from engine.metrics import Metrics
from engine.settings import Secret, Settings
from engine.store import KeptDeadLetter, Store, open_store
from engine.stream.consumer import Consumer
from engine.stream.deadletter import DeadLetter, DeadLetterProducer, DeadLetterType
from engine.stream.record import Record
from engine.stream.registry_server import RegistryServer
from tests.support.mock_cluster import MockCluster
from tests.support.stream import read, stream_settings
from tests.unit.manual_time import ManualTime
from tests.unit.plate import record_of


class Office:
    """An office on a real broker, registry and store."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.time = ManualTime()
        self.metrics = Metrics()
        self.stopping = threading.Event()
        self.producer = DeadLetterProducer(settings)
        self.office = DeadLetterOffice(
            self.producer, store, self.metrics, self.time, self.stopping.is_set
        )


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with RegistryServer() as registry:
        yield registry


@pytest.fixture
def settings(registry: RegistryServer, repository: Path) -> Iterator[Settings]:
    with MockCluster(["alpr.dlq"]) as broker:
        yield dataclasses.replace(
            stream_settings(broker.bootstrap_servers, ["alpr.dlq"]),
            schema_registry_url=Secret(registry.url),
            schemas_path=repository / "schemas",
        )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/alerts.db") as store:
        yield store


@pytest.fixture
def desk(settings: Settings, store: Store) -> Iterator[Office]:
    desk = Office(settings, store)
    yield desk
    desk.producer.close()


def letter(value: bytes) -> DeadLetter:
    return DeadLetter(record_of(value), DeadLetterType.SCHEMA_VALIDATION, "no event")


def arrived(settings: Settings, count: int) -> list[Record]:
    consumer = Consumer(settings)
    try:
        return read(consumer, count)
    finally:
        consumer.close()


def test_letters_are_acknowledged_and_counted(desk: Office, settings: Settings) -> None:
    desk.office.send([letter(b"one"), letter(b"two")])
    assert len(arrived(settings, 2)) == 2
    assert desk.metrics.total("dead_letters_total") == 2


def test_refused_letters_are_kept_and_sent_on_when_the_topic_takes_them_again(
    desk: Office, settings: Settings, store: Store, registry: RegistryServer
) -> None:
    registry.available = False
    desk.stopping.set()  # So that the wait for the registry is cut short.
    first, second = letter(b"one"), letter(b"two")
    desk.office.send([first])
    desk.office.send([second])
    assert [kept.value for kept in store.kept_dead_letters(10)] == [b"one", b"two"]

    registry.available = True
    desk.stopping.clear()
    desk.office.retry()
    assert len(store.kept_dead_letters(10)) == 2, "too early"
    desk.time.seconds = RETRY_SECONDS
    desk.office.retry()
    assert store.kept_dead_letters(10) == []
    assert len(arrived(settings, 2)) == 2


class FullAtFirst:
    """A store that keeps no letter the first time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._is_full = True
        self.kept_dead_letters = store.kept_dead_letters
        self.drop_dead_letters = store.drop_dead_letters

    def keep_dead_letters(self, letters: Sequence[KeptDeadLetter]) -> None:
        if self._is_full:
            self._is_full = False
            raise StoreUnavailableError("full")
        self._store.keep_dead_letters(letters)


def test_what_a_full_store_interrupted_is_finished_without_sending_again(
    settings: Settings, store: Store, registry: RegistryServer
) -> None:
    full: Any = FullAtFirst(store)
    desk = Office(settings, full)
    registry.available = False
    desk.stopping.set()
    with pytest.raises(StoreUnavailableError):
        desk.office.send([letter(b"one")])
    assert desk.metrics.total("dead_letters_total") == 0
    desk.office.finish()
    desk.office.finish()
    assert [kept.value for kept in store.kept_dead_letters(10)] == [b"one"]
    assert desk.metrics.total("dead_letters_total") == 1
    desk.producer.close()


def test_letters_kept_by_an_earlier_run_are_sent_on_at_once(
    settings: Settings, store: Store, registry: RegistryServer
) -> None:
    registry.available = False
    earlier = Office(settings, store)
    earlier.stopping.set()
    earlier.office.send([letter(b"one")])
    earlier.producer.close()
    registry.available = True
    later = Office(settings, store)
    later.office.retry()
    assert store.kept_dead_letters(10) == []
    later.producer.close()


def test_without_a_producer_letters_are_counted_only(store: Store) -> None:
    metrics = Metrics()
    office = DeadLetterOffice(None, store, metrics, ManualTime(), lambda: False)
    office.send([letter(b"one")])
    office.retry()
    assert metrics.total("dead_letters_total") == 1
    assert store.kept_dead_letters(10) == []


def test_a_topic_that_refuses_for_long_is_waited_for_with_a_beating_heart(
    settings: Settings, store: Store, registry: RegistryServer
) -> None:
    asked = 0

    def is_stopping() -> bool:
        nonlocal asked
        asked += 1
        ages.append(heartbeat.look().age_seconds)
        time.seconds += 10
        return asked == 4

    time, ages = ManualTime(), list[float]()
    heartbeat = Heartbeat(timer=time.monotonic)
    producer = DeadLetterProducer(settings, timer=time.monotonic)
    office = DeadLetterOffice(producer, store, Metrics(), time, is_stopping, heartbeat=heartbeat)
    registry.available = False
    office.send([letter(b"one")])
    producer.close()
    assert ages == [0.0] * len(ages)
    assert heartbeat.look().stage == Stage.DEAD_LETTERS
