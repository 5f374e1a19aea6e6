"""Reads the topics' past: a stretch of it by time, or one record by its offset.

It joins no group and commits nothing, so it runs beside the engine unnoticed. The end of a stretch
is what the topics held when it was opened: records that come later are not read.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self, TypeVar

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from engine.errors import BrokerUnavailableError, HistoryError, NoTopicError
from engine.settings import Settings
from engine.stream.consumer import read_message
from engine.stream.options import consumer_options, redact, refused_options
from engine.stream.record import Partition, Record
from engine.stream.refusals import away_remedy
from engine.stream.watermarks import ask_watermarks

#: How many records a batch has at most.
BATCH_RECORDS: Final = 5_000
#: How long the broker may take for an answer, and for the next records.
ANSWER_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05
_BUFFERED_BYTES: Final = 64 << 20
_LEAST_BUFFERED_BYTES: Final = 1 << 20
# What Python adds to the bytes of a record's value, roughly.
_RECORD_BYTES: Final = 600
_OPTIONS: Final[dict[str, Any]] = {
    # Records that were deleted meanwhile are passed over.
    "auto.offset.reset": "earliest",
    "statistics.interval.ms": 0,
    # Who reads may take its time: it is a member of nothing.
    "max.poll.interval.ms": 86_400_000,
    # At the end of a partition the broker waits so long for more.
    "fetch.wait.max.ms": 50,
}
_ABSENT: Final = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)
_DENIED: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
)
# It gets better by itself, or within SILENCE_SECONDS it does not.
_PASSING: Final = (
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._RESOLVE,
    KafkaError._TIMED_OUT,
)

# A partition or a group is moving to another broker, or was made just now: it answers soon.
_MOVING: Final = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)
_PAUSE_SECONDS: Final = 0.1

_Answer = TypeVar("_Answer")
_Item = tuple[int, int, int, Record]
"""A record behind what it is sorted by: its time in ms, its partition's rank, its offset."""


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where a record lies."""

    topic: str
    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `topic:partition:offset`; ValueError for other texts."""
        topic, partition, offset = (*text.rsplit(":", 2), "", "")[:3]
        is_number = [each.isascii() and each.isdigit() for each in (partition, offset)]
        if not topic or not all(is_number):
            raise ValueError(f"{text!r} is no record, write topic:partition:offset")
        return cls(topic, int(partition), int(offset))

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


class History:
    """The past of topics, of the broker that `settings` name; a context manager that closes it.

    One thread uses it, for one thing at a time. SettingsError for options that librdkafka does not
    take.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        answer_seconds: float = ANSWER_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        """A broker may take `answer_seconds` to answer, and be silent for `silence_seconds`."""
        self._settings = settings
        self._answer_seconds = answer_seconds
        self._silence_seconds = silence_seconds
        # The last error of a connection.
        self._connection_error = ""
        options = consumer_options(settings) | _OPTIONS | {"error_cb": self._on_error}
        try:
            self._client = confluent_kafka.Consumer(options)
        except KafkaException as error:
            raise refused_options(error, settings) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def stretch(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        topics: Sequence[str] = (),
    ) -> Stretch:
        """The records from `since` on and before `until`, aware, by their Kafka timestamps.

        By default it is all of the topics of the settings. A stretch of a partition begins with
        its first record that is not before `since`, and ends at the first that is not before
        `until`; where its timestamps are out of order, others may lie between them.

        Raises HistoryError for topics that can't be read, and BrokerUnavailableError.
        """
        places = self._partitions(topics or self._settings.kafka_topics)
        bounds = {place: self._watermarks(place) for place in places}
        starts = self._offsets_at(places, since)
        ends = self._offsets_at(places, until)
        parts: list[_Part] = []
        for place, (low, high) in bounds.items():
            start = low if since is None else min(starts.get(place, high), high)
            end = min(ends.get(place, high), high)
            if max(start, low) < end:
                parts.append(_Part(place, len(parts), max(start, low), end))
        return Stretch(self, parts)

    def record(self, place: RecordPlace) -> Record:
        """The record at this place.

        Raises HistoryError where there is none, or none any more, and BrokerUnavailableError.
        """
        at = (place.topic, place.partition)
        if at not in self._partitions([place.topic]):
            raise HistoryError(f"{place}: the topic has no partition {place.partition}")
        low, high = self._watermarks(at)
        if not low <= place.offset < high:
            has = f"has the offsets {low} to {high - 1}" if low < high else "is empty"
            raise HistoryError(f"{place}: no such record, the partition {has}")
        part = _Part(at, 0, place.offset, place.offset + 1)
        found = [each for batch in Stretch(self, [part]).batches() for each in batch]
        if not found:
            raise HistoryError(
                f"{place}: no record is at this offset, which compaction or a transaction has taken"
            )
        return found[0]

    def committed(self, topics: Sequence[str] = ()) -> Mapping[Partition, int]:
        """The offset that the engine's group reads next, by partition, as far as it has one.

        What lies at or behind it is not processed yet. Raises as `stretch` does.
        """
        places = self._partitions(topics or self._settings.kafka_topics)
        asked = [TopicPartition(*place) for place in places]
        found = self._answer(lambda: self._client.committed(asked, timeout=self._answer_seconds))
        return {(each.topic, each.partition): each.offset for each in found if each.offset >= 0}

    def _partitions(self, topics: Sequence[str]) -> list[Partition]:
        places: list[Partition] = []
        for topic in topics:
            try:
                found = self._client.list_topics(topic, self._answer_seconds).topics[topic]
            except KafkaException as error:
                raise self._failure(error.args[0]) from error
            if found.error is not None:
                raise self._failure(found.error, topic)
            places += [(topic, number) for number in sorted(found.partitions)]
        return places

    def _watermarks(self, place: Partition) -> tuple[int, int]:
        """The offset of the first record, and the one behind the last."""
        return self._answer(
            lambda: ask_watermarks(self._client, place, self._answer_seconds), place[0]
        )

    def _offsets_at(
        self, places: Sequence[Partition], moment: datetime | None
    ) -> Mapping[Partition, int]:
        """The first offset at or after the moment, by partition; without those that have none."""
        if moment is None or not places:
            return {}
        at_ms = max(0, round(moment.timestamp() * 1_000))
        asked = [TopicPartition(*place, at_ms) for place in places]

        def ask() -> list[TopicPartition]:
            answered = self._client.offsets_for_times(asked, timeout=self._answer_seconds)
            for each in answered:
                if each.error is not None:
                    raise KafkaException(each.error)
            return answered

        found = self._answer(ask)
        return {(each.topic, each.partition): each.offset for each in found if each.offset >= 0}

    def _answer(self, ask: Callable[[], _Answer], topic: str = "") -> _Answer:
        """What the broker answers, asked again while partitions or groups move."""
        deadline = time.monotonic() + self._answer_seconds
        while True:
            try:
                return ask()
            except KafkaException as error:
                code = error.args[0].code()
                if code not in _MOVING or time.monotonic() >= deadline:
                    raise self._failure(error.args[0], topic) from error
            time.sleep(_PAUSE_SECONDS)

    def _failure(self, error: KafkaError, topic: str = "") -> HistoryError | BrokerUnavailableError:
        """The error to raise for one of librdkafka."""
        reason = redact(error.str(), self._settings)
        if error.code() in _ABSENT:
            return NoTopicError(f"there is no topic {topic or '(unnamed)'}, see KAFKA_TOPIC")
        if error.code() in _DENIED:
            what = f"the topic {topic}" if topic else "Kafka"
            return HistoryError(f"{what} may not be read: {reason}")
        if not self._connection_error:
            # Why no broker answers is told within `poll` only.
            with suppress(KafkaException):
                self._client.poll(_POLL_SECONDS)
        return self._away(self._connection_error or reason)

    def _away(self, reason: str) -> BrokerUnavailableError:
        servers = self._settings.kafka_bootstrap_servers
        return BrokerUnavailableError(
            f"Kafka at {servers} does not answer: {reason}; {away_remedy(reason)}"
        )

    def _on_error(self, error: KafkaError) -> None:
        # That all are down follows the error that says why.
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self._connection_error:
            self._connection_error = redact(error.str(), self._settings)


@dataclass(slots=True)
class _Part:
    """What is read of a partition: from `start` to before `end`; `rank` tells parts apart.

    `items` are the records that were read and not given yet, in their order, of about `size_bytes`;
    `given` is the offset behind those that were given. `time_ms` is the latest time so far.
    """

    place: Partition
    rank: int
    start: int
    end: int
    items: list[_Item] = field(default_factory=list)
    size_bytes: int = 0
    given: int = 0
    next_offset: int = 0
    time_ms: int = 0
    is_read: bool = False
    is_paused: bool = False

    def __post_init__(self) -> None:
        self.given = self.next_offset = self.start

    @property
    def done(self) -> int:
        """How many of its offsets are behind the caller."""
        return (self.end if self.is_read and not self.items else self.given) - self.start

    def add(self, record: Record, now_ms: int) -> None:
        """Take a record in; one without a time, or with one to come, has that of the one before."""
        if record.offset < self.next_offset or self.is_read:
            # A partition that was made anew is read from its start again.
            return
        if record.offset >= self.end:
            self.is_read = True
            return
        if self.time_ms < record.timestamp_ms <= now_ms:
            self.time_ms = record.timestamp_ms
        self.items.append((self.time_ms, self.rank, record.offset, record))
        self.size_bytes += _RECORD_BYTES + len(record.value or b"")
        self.next_offset = record.offset + 1
        self.is_read = self.next_offset >= self.end

    def take(self, count: int) -> list[_Item]:
        """The first of its records, which are given now."""
        taken, rest = self.items[:count], self.items[count:]
        if taken:
            self.given = taken[-1][2] + 1
            # Roughly: to ask each record again would take longer than to read it.
            self.size_bytes = self.size_bytes * len(rest) // len(self.items)
        self.items = rest
        return taken


class Stretch:
    """A stretch of the past: `total` is its length in offsets, `done` how many are read so far.

    Offsets that compaction or transactions have taken count like records.
    """

    def __init__(self, history: History, parts: Sequence[_Part]) -> None:
        """To be had of `History.stretch`."""
        self._history = history
        self._parts = parts
        self.total = sum(each.end - each.start for each in parts)
        self._by_place = {each.place: each for each in parts}
        self._limit_bytes = max(_LEAST_BUFFERED_BYTES, _BUFFERED_BYTES // max(1, len(parts)))

    @property
    def done(self) -> int:
        """How many offsets are behind those of the last batch."""
        return sum(each.done for each in self._parts)

    def batches(self, size: int = BATCH_RECORDS) -> Iterator[list[Record]]:
        """The records, at most `size` at a time, once.

        They come by their times, as they came live, and those of a partition in their order. A
        partition that is far ahead of the others waits for them, so little is kept in memory.

        Raises HistoryError and BrokerUnavailableError.
        """
        client = self._history._client
        client.assign([TopicPartition(*each.place, each.start) for each in self._parts])
        try:
            pending: list[Record] = []
            while any(not each.is_read for each in self._parts):
                self._read(size)
                pending += self._ready()
                self._pause_and_resume()
                while len(pending) >= size:
                    yield pending[:size]
                    del pending[:size]
            pending += self._ready()
            for start in range(0, len(pending), size):
                yield pending[start : start + size]
        finally:
            # After an error the client may be closed by the time that this iterator is.
            with suppress(RuntimeError):
                client.unassign()

    def _read(self, size: int) -> None:
        """Take in the next messages; BrokerUnavailableError where none come for long."""
        history = self._history
        deadline = time.monotonic() + history._silence_seconds
        while not (messages := history._client.consume(size, _POLL_SECONDS)):
            if time.monotonic() >= deadline:
                raise history._away(history._connection_error or "no more records came")
        now_ms = int(time.time() * 1_000)
        for message in messages:
            error = message.error()
            if error is None:
                record = read_message(message, 0.0)
                part = self._by_place.get((record.topic, record.partition))
                if part is not None:
                    part.add(record, now_ms)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._note_end(message)
            elif error.code() in _ABSENT + _DENIED or error.fatal():
                raise history._failure(error, message.topic() or "")
            elif error.code() in _PASSING:
                history._on_error(error)

    def _note_end(self, message: Message) -> None:
        """Nothing more can be read: the offsets up to the end hold no records."""
        topic, number = message.topic(), message.partition()
        if topic is not None and number is not None:
            part = self._by_place.get((topic, number))
            if part is not None:
                part.is_read = True

    def _ready(self) -> list[Record]:
        """The records that no other that is still to be read comes before."""
        open_parts = [each for each in self._parts if not each.is_read]
        if not all(each.items for each in open_parts):
            return []
        if not open_parts:
            items = [item for part in self._parts for item in part.take(len(part.items))]
        else:
            time_ms, rank = min((each.time_ms, each.rank) for each in open_parts)
            bound = (time_ms, rank + 1)
            items = [
                item for part in self._parts for item in part.take(bisect_left(part.items, bound))
            ]
        if len(self._parts) > 1:
            items.sort()
        return [each[3] for each in items]

    def _pause_and_resume(self) -> None:
        """Stop reading of partitions that are far ahead of the others, and go on with the rest."""
        paused, resumed = [], []
        for part in self._parts:
            if part.is_read and not part.is_paused:
                # Records behind the end, which come live, would be fetched for nothing.
                paused.append(part)
            elif part.is_paused and not part.is_read and part.size_bytes < self._limit_bytes // 2:
                resumed.append(part)
            elif not part.is_paused and part.size_bytes > self._limit_bytes:
                paused.append(part)
        client = self._history._client
        if paused:
            client.pause([TopicPartition(*each.place) for each in paused])
        if resumed:
            client.resume([TopicPartition(*each.place) for each in resumed])
        for part in paused:
            part.is_paused = True
        for part in resumed:
            part.is_paused = False
