"""Which offsets are to be committed, and which records the broker no longer has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog

from engine.stream.record import Partition

"""A topic and the number of one of its partitions."""

RETRY_SECONDS: Final = 1.0
# librdkafka answers every commit, sooner or later; nothing here depends on it.
ANSWER_SECONDS: Final = 60.0


class Offsets:
    """The offsets of one consumer; `timer` gives monotonic seconds."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._due: dict[Partition, int] = {}
        self._received: dict[Partition, int] = {}
        self._settled: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._under_way = 0
        self._retry_at = 0.0
        self._answer_until = 0.0

    @property
    def is_settled(self) -> bool:
        """Whether the broker has confirmed everything."""
        return not self._due and not self._under_way

    def receive(self, partition: Partition, offset: int) -> None:
        """A record was received that lies before `offset`: it is to be settled."""
        self._received[partition] = offset

    def reach_end(self, partition: Partition, offset: int) -> None:
        """Between what was received and `offset` lies nothing that can be read.

        Transactions leave their marks there, and records that were taken back.
        """
        self._ends[partition] = offset
        if partition not in self._received or self._is_done(partition):
            self._put(partition, offset)

    def settle(self, partition: Partition, offset: int) -> None:
        """Reading goes on at `offset` after a restart, or further on if nothing follows."""
        if offset > self._settled.get(partition, -1):
            self._settled[partition] = offset
        self._put(partition, offset)
        if self._is_done(partition):
            self._put(partition, self._ends.get(partition, -1))

    def take(self) -> Mapping[Partition, int]:
        """What to send now: nothing while a commit is under way, or shortly after a failure."""
        now = self._timer()
        is_awaited = self._under_way and now < self._answer_until
        if not self._due or is_awaited or now < self._retry_at:
            return {}
        return self._send(self._due)

    def take_of(self, partitions: Iterable[Partition]) -> Mapping[Partition, int]:
        """What to send at once because these partitions are about to be handed over."""
        return self._send({each: self._due[each] for each in partitions if each in self._due})

    def confirm(self, offsets: Mapping[Partition, int]) -> None:
        """A commit was answered: these offsets of it are the broker's now."""
        self._under_way = max(0, self._under_way - 1)
        for partition, offset in offsets.items():
            if self._due.get(partition, offset + 1) <= offset:
                del self._due[partition]

    def fail(self) -> None:
        """A commit was answered, or could not be sent: nothing of it counts."""
        self._under_way = max(0, self._under_way - 1)
        self._retry_at = self._timer() + RETRY_SECONDS

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Other consumers own these partitions now."""
        for partition in partitions:
            for offsets in (self._due, self._received, self._settled, self._ends):
                offsets.pop(partition, None)

    def _is_done(self, partition: Partition) -> bool:
        """Whether all that was received is settled."""
        return self._settled.get(partition, -1) >= self._received.get(partition, 0)

    def _put(self, partition: Partition, offset: int) -> None:
        if offset > self._due.get(partition, -1):
            self._due[partition] = offset

    def _send(self, offsets: Mapping[Partition, int]) -> Mapping[Partition, int]:
        if offsets:
            self._under_way += 1
            self._answer_until = self._timer() + ANSWER_SECONDS
        return dict(offsets)


log = structlog.get_logger(__name__)

_LOST_REMEDY: Final = (
    "none for these; set the topic's retention.ms and retention.bytes so that records are kept for "
    "longer than the engine may be away"
)
_CUT_REMEDY: Final = (
    "none needed: events that are stored already are recognised; was the topic made anew, or did a "
    "broker lose records?"
)


class Gaps:
    """Counts by partition, since the start; from its first assignment on each has one, be it 0."""

    def __init__(self) -> None:
        self._lost: dict[Partition, int] = {}
        self._cut: dict[Partition, int] = {}

    @property
    def lost(self) -> Mapping[Partition, int]:
        """How many records were deleted before they were read."""
        return dict(self._lost)

    @property
    def cut(self) -> Mapping[Partition, int]:
        """How often a partition ended before the next offset; it was read from its start then."""
        return dict(self._cut)

    def expect(self, partitions: Iterable[Partition]) -> None:
        """These partitions are read from now on."""
        for partition in partitions:
            self._lost.setdefault(partition, 0)
            self._cut.setdefault(partition, 0)

    def note(self, partition: Partition, offset: int, first: int, end: int) -> None:
        """The broker does not have `offset`: its records begin at `first` and end before `end`."""
        topic, number = partition
        place = {"topic": topic, "partition": number, "next": offset, "first": first, "end": end}
        if offset < first:
            self._lost[partition] = self._lost.get(partition, 0) + first - offset
            log.error("records.lost", **place, records=first - offset, remedy=_LOST_REMEDY)
        else:
            self._cut[partition] = self._cut.get(partition, 0) + 1
            log.error("partition.cut", **place, remedy=_CUT_REMEDY)
