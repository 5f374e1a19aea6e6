from __future__ import annotations

import base64
import dataclasses
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from confluent_kafka import KafkaError

from engine.dead_letters.office import (
    RETRY_LETTERS,
    RETRY_SECONDS,
    STUBBORN_SECONDS,
    DeadLetterOffice,
)
from engine.dead_letters.producer import DeadLetterProducer
from engine.demo.servers import RegistryServer
from engine.errors import StoreUnavailableError
from engine.health import Heartbeat, Stage
from engine.logs.text import REPEAT_SECONDS
from engine.metrics import Metrics
from engine.settings import Secret, Settings
from engine.store import DeadLetters, open_store
from engine.stream.consumer import Consumer
from engine.stream.record import DeadLetter, DeadLetterType, Record
from tests.support.dlq_schema import schema_without
from tests.support.mock_cluster import PRODUCE, MockCluster
from tests.support.stream import read, stream_settings
from tests.unit.manual_time import ManualTime
from tests.unit.plate import record_of

pytestmark = pytest.mark.waits


class Office:
    """An office on a real broker, registry and store."""

    def __init__(self, settings: Settings, letters: DeadLetters, **options: Any) -> None:
        self.time = ManualTime()
        self.metrics = Metrics()
        self.stopping = threading.Event()
        self.producer = DeadLetterProducer(settings)
        self.office = DeadLetterOffice(
            self.producer, letters, self.metrics, self.time, self.stopping.is_set, **options
        )


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with RegistryServer() as registry:
        yield registry


@pytest.fixture
def broker_of_letters() -> Iterator[MockCluster]:
    with MockCluster(["alpr.dlq"]) as broker:
        yield broker


@pytest.fixture
def settings(
    broker_of_letters: MockCluster, registry: RegistryServer, repository: Path
) -> Settings:
    return dataclasses.replace(
        stream_settings(broker_of_letters.bootstrap_servers, ["alpr.dlq"]),
        schema_registry_url=Secret(registry.url),
        schemas_path=repository / "schemas",
    )


@pytest.fixture
def letters(tmp_path: Path) -> Iterator[DeadLetters]:
    with open_store(f"sqlite:///{tmp_path}/alerts.db") as store:
        yield store.letters


@pytest.fixture
def desk(settings: Settings, letters: DeadLetters) -> Iterator[Office]:
    desk = Office(settings, letters)
    yield desk
    desk.producer.close()


def letter(value: bytes) -> DeadLetter:
    return DeadLetter(record_of(value), DeadLetterType.SCHEMA_VALIDATION, "no event")


def kept(letters: DeadLetters) -> list[bytes | None]:
    """The values of the letters that the store keeps, the oldest first."""
    return [each.record.value for each in letters.kept(1_000).values()]


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
    desk: Office, settings: Settings, letters: DeadLetters, registry: RegistryServer
) -> None:
    registry.available = False
    desk.stopping.set()  # So that the wait for the registry is cut short.
    first, second = letter(b"one"), letter(b"two")
    desk.office.send([first])
    desk.office.send([second])
    assert kept(letters) == [b"one", b"two"]

    registry.available = True
    desk.stopping.clear()
    desk.office.retry()
    assert len(kept(letters)) == 2, "too early"
    desk.time.seconds = RETRY_SECONDS
    desk.office.retry()
    assert kept(letters) == []
    assert len(arrived(settings, 2)) == 2


class FullAtFirst:
    """A side that keeps no letter the first time."""

    def __init__(self, letters: DeadLetters) -> None:
        self._letters = letters
        self._is_full = True
        self.kept = letters.kept
        self.drop = letters.drop
        self.size_bytes = letters.size_bytes

    def keep(self, letters: Sequence[DeadLetter]) -> None:
        if self._is_full:
            self._is_full = False
            raise StoreUnavailableError("full")
        self._letters.keep(letters)


def test_what_a_full_store_interrupted_is_finished_without_sending_again(
    settings: Settings, letters: DeadLetters, registry: RegistryServer
) -> None:
    full: Any = FullAtFirst(letters)
    desk = Office(settings, full)
    registry.available = False
    desk.stopping.set()
    with pytest.raises(StoreUnavailableError):
        desk.office.send([letter(b"one")])
    assert desk.metrics.total("dead_letters_total") == 0
    desk.office.finish()
    desk.office.finish()
    assert kept(letters) == [b"one"]
    assert desk.metrics.total("dead_letters_total") == 1
    desk.producer.close()


def test_letters_kept_by_an_earlier_run_are_sent_on_at_once(
    settings: Settings, letters: DeadLetters, registry: RegistryServer
) -> None:
    registry.available = False
    earlier = Office(settings, letters)
    earlier.stopping.set()
    earlier.office.send([letter(b"one")])
    earlier.producer.close()
    registry.available = True
    later = Office(settings, letters)
    later.office.retry()
    assert kept(letters) == []
    later.producer.close()


def test_without_a_producer_letters_are_counted_only(letters: DeadLetters) -> None:
    metrics = Metrics()
    office = DeadLetterOffice(None, letters, metrics, ManualTime(), lambda: False)
    office.send([letter(b"one")])
    office.retry()
    assert metrics.total("dead_letters_total") == 1
    assert kept(letters) == []


@pytest.fixture
def small(settings: Settings, letters: DeadLetters) -> Iterator[Office]:
    """An office whose topic takes no letter of more than some 4 KB."""
    options: Mapping[str, str] = settings.kafka_options.reveal()
    options = {**options, "message.max.bytes": "4000"}
    desk = Office(dataclasses.replace(settings, kafka_options=Secret(options)), letters)
    yield desk
    desk.producer.close()


def test_a_letter_that_is_too_large_is_kept_alone_and_holds_up_no_other(
    small: Office, settings: Settings, letters: DeadLetters
) -> None:
    large = [letter(b"%04d" % number * 1_500) for number in range(RETRY_LETTERS + 20)]
    small.office.send([letter(b"one"), *large, letter(b"two")])
    small.office.send([letter(b"three")])
    assert kept(letters) == [each.record.value for each in large]
    # Neither do more of them than are tried at once hold up one behind them that was kept.
    letters.keep([letter(b"behind")])
    for _ in range(4):
        small.time.seconds += RETRY_SECONDS
        small.office.retry()
    assert kept(letters) == [each.record.value for each in large]
    assert sorted(_recovered(settings, 4)) == [b"behind", b"one", b"three", b"two"]


def _recovered(settings: Settings, count: int) -> list[bytes]:
    # The registry's mark and the letter's own Avro around it: Base64 is looked for.
    found = b" ".join(record.value or b"" for record in arrived(settings, count))
    texts = {base64.b64encode(each): each for each in (b"one", b"two", b"three", b"behind")}
    return [each for text, each in texts.items() if text in found]


def test_what_was_too_large_is_sent_on_once_the_topic_takes_it(
    settings: Settings, letters: DeadLetters, small: Office
) -> None:
    small.office.send([letter(b"x" * 6_000)])
    small.office.retry()
    small.producer.close()
    larger = Office(settings, letters)
    larger.time.seconds = STUBBORN_SECONDS
    larger.office.retry()
    larger.producer.close()
    assert kept(letters) == []


def test_letters_that_can_not_be_written_delay_no_others_in_any_batch(
    settings: Settings, letters: DeadLetters, tmp_path: Path
) -> None:
    schema_without("BUSINESS_LOGIC", tmp_path)
    desk = Office(dataclasses.replace(settings, schemas_path=tmp_path), letters)
    misfits = [
        dataclasses.replace(letter(b"%04d" % number), error_type=DeadLetterType.BUSINESS_LOGIC)
        for number in range(RETRY_LETTERS + 20)
    ]
    with structlog.testing.capture_logs() as logs:
        desk.office.send([misfits[0], letter(b"one"), *misfits[1:100]])
        desk.office.send([*misfits[100:], letter(b"two"), letter(b"three")])
        letters.keep([letter(b"behind")])
        for _ in range(4):
            desk.time.seconds += RETRY_SECONDS
            desk.office.retry()
    desk.producer.close()
    assert kept(letters) == [each.record.value for each in misfits]
    assert sorted(_recovered(settings, 4)) == [b"behind", b"one", b"three", b"two"]
    refused = [line for line in logs if line["event"] == "dead_letters.refused"]
    assert [line["letters"] for line in refused] == [100, 20]
    assert "DLQMessage.error_type" in refused[0]["reason"]


def test_letters_that_go_straight_to_the_store_are_counted_with_why(
    settings: Settings, letters: DeadLetters, registry: RegistryServer
) -> None:
    registry.available = False
    desk = Office(settings, letters)
    desk.stopping.set()
    with structlog.testing.capture_logs() as logs:
        desk.office.send([letter(b"one")])
        for number in range(8):
            desk.office.send([letter(b"a%d" % number), letter(b"b%d" % number)])
        desk.time.seconds = REPEAT_SECONDS
        desk.office.retry()
    desk.producer.close()
    refused = [line for line in logs if line["event"] == "dead_letters.refused"]
    assert [line["letters"] for line in refused] == [1, 16]
    assert len({line["reason"] for line in refused}) == 1


@pytest.mark.parametrize(
    "code",
    [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError.POLICY_VIOLATION],
)
def test_a_letter_that_the_broker_refuses_for_what_it_is_closes_no_topic(
    broker_of_letters: MockCluster, settings: Settings, letters: DeadLetters, code: int
) -> None:
    desk = Office(settings, letters)
    broker_of_letters.answer(PRODUCE, [code])
    desk.office.send([letter(b"one")])
    desk.office.send([letter(b"two")])
    desk.producer.close()
    assert kept(letters) == [b"one"]
    assert len(arrived(settings, 1)) == 1


def test_the_oldest_letters_are_dropped_beyond_the_size_loudly_and_counted(
    settings: Settings, letters: DeadLetters, registry: RegistryServer
) -> None:
    registry.available = False
    desk = Office(settings, letters, keep_bytes=10_000)
    desk.stopping.set()
    with structlog.testing.capture_logs() as logs:
        for number in range(30):
            desk.office.send([letter(b"%04d" % number * 250)])
    desk.producer.close()
    left = kept(letters)
    assert letters.size_bytes() <= 10_000
    assert left[-1] == b"0029" * 250
    assert left == [b"%04d" % number * 250 for number in range(30 - len(left), 30)]
    assert desk.metrics.total("dead_letters_dropped_total") == 30 - len(left)
    dropped = [line for line in logs if line["event"] == "dead_letters.dropped"]
    assert sum(line["letters"] for line in dropped) == 30 - len(left)
    assert {line["log_level"] for line in dropped} == {"error"}


def test_a_letter_beyond_the_whole_size_is_dropped_and_the_stream_goes_on(
    settings: Settings, letters: DeadLetters, registry: RegistryServer
) -> None:
    registry.available = False
    desk = Office(settings, letters, keep_bytes=1_000)
    desk.stopping.set()
    desk.office.send([letter(b"x" * 2_000)])
    desk.office.send([letter(b"small")])
    desk.producer.close()
    assert kept(letters) == [b"small"]


def test_identical_reasons_are_one_line_a_minute_with_a_count(letters: DeadLetters) -> None:
    time = ManualTime()
    office = DeadLetterOffice(None, letters, Metrics(), time, lambda: False)
    other = dataclasses.replace(letter(b"other"), message="another reason")
    with structlog.testing.capture_logs() as logs:
        for number in range(50):
            office.send([letter(b"%d" % number)])
        office.send([other])
        time.seconds = REPEAT_SECONDS - 1
        office.retry()
        assert [line["error"] for line in logs] == ["no event", "another reason"]
        time.seconds = REPEAT_SECONDS
        office.retry()
        office.send([letter(b"again")])
        time.seconds = 3 * REPEAT_SECONDS
        office.retry()
        time.seconds = 5 * REPEAT_SECONDS
        office.send([letter(b"much later")])
    counts = [line["count"] for line in logs if line["error"] == "no event"]
    assert counts == [1, 49, 1, 1]


def test_a_topic_that_refuses_for_long_is_waited_for_with_a_beating_heart(
    settings: Settings, letters: DeadLetters, registry: RegistryServer
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
    office = DeadLetterOffice(producer, letters, Metrics(), time, is_stopping, heartbeat=heartbeat)
    registry.available = False
    office.send([letter(b"one")])
    producer.close()
    assert ages == [0.0] * len(ages)
    assert heartbeat.look().stage == Stage.DEAD_LETTERS
