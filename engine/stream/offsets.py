"""Which offsets are to be committed, and which commits are not confirmed yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from engine.stream.record import Partition

RETRY_SECONDS: Final = 1.0
# How long an answer to a commit holds up the next one. librdkafka answers each sooner or later;
# if it ever does not, commits go on.
ANSWER_SECONDS: Final = 60.0


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
