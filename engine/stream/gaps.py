"""Counts and tells what the broker no longer has of what was to be read next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from engine.stream.offsets import Partition

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
