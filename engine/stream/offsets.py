"""The offsets of a consumer: what it commits, and where it begins where it has no offset.

A partition has none if the group has committed none yet, or if the broker no longer has the record
at the offset that comes next. librdkafka is told to report both (`auto.offset.reset=error`), so
that records that are lost are counted and not skipped unnoticed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Final

import confluent_kafka
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from engine.stream.record import Partition
from engine.stream.state import names
from engine.stream.watermarks import ask_watermarks

log = structlog.get_logger(__name__)

#: How long after a failure a commit is sent again, or the broker is asked again.
RETRY_SECONDS: Final = 1.0
#: How long an answer to a commit holds up the next one. librdkafka answers each sooner or later;
#: if it ever does not, commits go on.
ANSWER_SECONDS: Final = 60.0
#: How long the broker is asked for the ends of newly assigned partitions.
END_SECONDS: Final = 5.0
#: How long the broker is asked which offsets of a partition it has.
WATERMARK_SECONDS: Final = 3.0
# Where AUTO_OFFSET_RESET lets a partition begin of which the group has no offset.
_BEGINNINGS: Final = {
    "earliest": confluent_kafka.OFFSET_BEGINNING,
    "latest": confluent_kafka.OFFSET_END,
}
_LOST_REMEDY: Final = (
    "none for these; set the topic's retention.ms and retention.bytes so that records are kept for "
    "longer than the engine may be away"
)
_CUT_REMEDY: Final = (
    "none needed: events that are stored already are recognised; was the topic made anew, or did a "
    "broker lose records?"
)


class Offsets:
    """The offsets of one consumer; `timer` gives monotonic seconds.

    As in Kafka, an offset is that of the record that is read next.
    """

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._unconfirmed: dict[Partition, int] = {}
        self._received: dict[Partition, int] = {}
        self._processed: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._commits_in_flight = 0
        self._retry_at = 0.0
        self._answer_until = 0.0

    @property
    def is_confirmed(self) -> bool:
        """Whether the broker has confirmed every offset."""
        return not self._unconfirmed and not self._commits_in_flight

    def note_received(self, partition: Partition, offset: int) -> None:
        """The record before `offset` was received, and is to be processed."""
        self._received[partition] = offset

    def note_end(self, partition: Partition, offset: int) -> None:
        """The partition ends at `offset`: nothing that can be read lies before it.

        What transactions leave behind (their markers, aborted records) takes offsets all the same.
        They are committed once every record that was received is processed.
        """
        self._ends[partition] = offset
        if partition not in self._received or self._is_processed(partition):
            self._add(partition, offset)

    def advance(self, partition: Partition, offset: int) -> None:
        """All records before `offset` are processed: after a restart, reading goes on there."""
        if offset > self._processed.get(partition, -1):
            self._processed[partition] = offset
        self._add(partition, offset)
        if self._is_processed(partition):
            self._add(partition, self._ends.get(partition, -1))

    def next_commit(self) -> Mapping[Partition, int]:
        """The offsets to commit now: none while a commit is in flight, or just after a failure."""
        now = self._timer()
        is_awaited = self._commits_in_flight and now < self._answer_until
        if not self._unconfirmed or is_awaited or now < self._retry_at:
            return {}
        return self._begin(self._unconfirmed)

    def commit_of(self, partitions: Iterable[Partition]) -> Mapping[Partition, int]:
        """The offsets to commit at once, since these partitions are about to be revoked."""
        due = {each: self._unconfirmed[each] for each in partitions if each in self._unconfirmed}
        return self._begin(due)

    def confirm(self, offsets: Mapping[Partition, int]) -> None:
        """The broker has confirmed a commit, with these offsets."""
        self._commits_in_flight = max(0, self._commits_in_flight - 1)
        for partition, offset in offsets.items():
            if self._unconfirmed.get(partition, offset + 1) <= offset:
                del self._unconfirmed[partition]

    def fail(self) -> None:
        """A commit failed, or could not be sent: its offsets are committed again later."""
        self._commits_in_flight = max(0, self._commits_in_flight - 1)
        self._retry_at = self._timer() + RETRY_SECONDS

    def forget(self, partitions: Iterable[Partition]) -> None:
        """These partitions are not assigned any more."""
        for partition in partitions:
            for offsets in (self._unconfirmed, self._received, self._processed, self._ends):
                offsets.pop(partition, None)

    def _is_processed(self, partition: Partition) -> bool:
        """Whether every record that was received is processed."""
        return self._processed.get(partition, -1) >= self._received.get(partition, 0)

    def _add(self, partition: Partition, offset: int) -> None:
        if offset > self._unconfirmed.get(partition, -1):
            self._unconfirmed[partition] = offset

    def _begin(self, offsets: Mapping[Partition, int]) -> Mapping[Partition, int]:
        if offsets:
            self._commits_in_flight += 1
            self._answer_until = self._timer() + ANSWER_SECONDS
        return dict(offsets)


class Gaps:
    """Counts, by partition and since the start, what the broker no longer had.

    A partition has its counts, be they 0, from its first assignment on.
    """

    def __init__(self) -> None:
        self._lost: dict[Partition, int] = {}
        self._cut: dict[Partition, int] = {}

    @property
    def lost(self) -> Mapping[Partition, int]:
        """How many records were deleted before they were read."""
        return dict(self._lost)

    @property
    def cut(self) -> Mapping[Partition, int]:
        """How often a partition ended before the next offset, and was read from its start."""
        return dict(self._cut)

    def expect(self, partitions: Iterable[Partition]) -> None:
        """These partitions are assigned."""
        for partition in partitions:
            self._lost.setdefault(partition, 0)
            self._cut.setdefault(partition, 0)

    def note(self, partition: Partition, offset: int, first: int, end: int) -> None:
        """Count and log that the broker lacks `offset`.

        Its records of the partition begin at the offset `first` and end before `end`.
        """
        topic, number = partition
        place = {"topic": topic, "partition": number, "next": offset, "first": first, "end": end}
        if offset < first:
            self._lost[partition] = self._lost.get(partition, 0) + first - offset
            log.error("records.lost", **place, records=first - offset, remedy=_LOST_REMEDY)
        else:
            self._cut[partition] = self._cut.get(partition, 0) + 1
            log.error("partition.cut", **place, remedy=_CUT_REMEDY)


class StartOffsets:
    """Lets `client` read partitions that lack an offset, as `auto_offset_reset` says.

    What it finds goes to `offsets`, to be committed, and to `gaps`. `is_paused` says whether a
    partition is not to be read now. `on_error` takes the broker's errors, with the name of the log
    event.
    """

    def __init__(
        self,
        client: confluent_kafka.Consumer,
        auto_offset_reset: str,
        offsets: Offsets,
        gaps: Gaps,
        *,
        is_paused: Callable[[Partition], bool],
        on_error: Callable[[KafkaError, str], None],
    ) -> None:
        self._client = client
        self._reset = auto_offset_reset
        self._beginning = _BEGINNINGS[auto_offset_reset]
        self._offsets = offsets
        self._gaps = gaps
        self._is_paused = is_paused
        self._on_error = on_error
        # Partitions that librdkafka does not read, with the offset that the broker lacks, or None
        # where the group has no offset; and when each may be asked for again.
        self._missing: dict[Partition, int | None] = {}
        self._retry_at: dict[Partition, float] = {}

    def note_missing(self, message: Message) -> None:
        """Keep the partition of this AUTO_OFFSET_RESET error; it is not read until `find`."""
        topic, number = message.topic(), message.partition()
        if topic is not None and number is not None:
            self._missing[topic, number] = message.offset()

    def find(self, assigned: Set[Partition]) -> None:
        """Read the partitions that were noted, if they are assigned, from where there are records.

        Takes some seconds at most; the partitions that are left are tried at a later call.
        """
        if not self._missing:
            return
        now = time.monotonic()
        self._missing = {each: at for each, at in self._missing.items() if each in assigned}
        due = [each for each in self._missing if now >= self._retry_at.get(each, 0.0)]
        new = [each for each in due if self._missing[each] is None]
        if new:
            log.info("partitions.new", partitions=names(new), reset=self._reset)
        for partition in due:
            self._retry_at[partition] = now + RETRY_SECONDS
            try:
                self._read_on(partition, self._missing[partition])
            except KafkaException as error:
                # The broker does not answer: asking for the others would take as long.
                self._on_error(error.args[0], "stream.error")
                return
            del self._missing[partition]
            if time.monotonic() > now + WATERMARK_SECONDS:
                return

    def ends_to_begin_at(self, partitions: Sequence[TopicPartition]) -> dict[Partition, int]:
        """With AUTO_OFFSET_RESET=latest, the ends of partitions of which the group has no offset.

        The caller commits them at once, so that reading goes on there after a restart or a lost
        membership, and not at the end of that time. Where the broker does not answer within
        END_SECONDS they are left out: reading begins at the end all the same then, but only the
        first record commits an offset.
        """
        if self._beginning != confluent_kafka.OFFSET_END:
            return {}
        deadline = time.monotonic() + END_SECONDS
        ends: dict[Partition, int] = {}
        try:
            for each in self._client.committed(list(partitions), timeout=END_SECONDS):
                if each.error is None and each.offset < 0:
                    left = max(0.1, deadline - time.monotonic())
                    partition = (each.topic, each.partition)
                    _, ends[partition] = ask_watermarks(self._client, partition, left)
        except KafkaException as error:
            self._on_error(error.args[0], "offsets.not_committed")
        return ends

    def _read_on(self, partition: Partition, offset: int | None) -> None:
        if offset is None:
            self._read_from(partition, self._beginning)
            return
        first, end = ask_watermarks(self._client, partition, WATERMARK_SECONDS)
        # Not at the end, whatever AUTO_OFFSET_RESET says: the records that are there are unread.
        self._read_from(partition, first)
        self._gaps.note(partition, offset, first, end)
        # To be committed at once, or the same gap would be counted again at the next start.
        self._offsets.forget([partition])
        self._offsets.advance(partition, first)

    def _read_from(self, partition: Partition, offset: int) -> None:
        place = [TopicPartition(*partition, offset)]
        # librdkafka can't seek in a partition that has no offset.
        self._client.incremental_unassign(place)
        self._client.incremental_assign(place)
        if self._is_paused(partition):
            self._client.pause(place)
        else:
            self._client.resume(place)
