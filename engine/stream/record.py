"""One Kafka record as it was read."""

from __future__ import annotations

from dataclasses import dataclass

from engine.stream.offsets import Partition


@dataclass(frozen=True, slots=True)
class Record:
    """A record, byte for byte.

    `timestamp_ms` is the broker's or the producer's timestamp (0 or less: none), `read_at` the
    monotonic time in seconds at which it was read. A `value` of None is a tombstone.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    read_at: float = 0.0

    @property
    def topic_partition(self) -> Partition:
        """The partition that it was read from."""
        return self.topic, self.partition
