"""A Kafka record as it was read, and a record that could not be processed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Partition = tuple[str, int]
"""A topic and the number of one of its partitions."""


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


class DeadLetterType(StrEnum):
    """Kinds of failure: the symbols of `DLQErrorType`."""

    SCHEMA_VALIDATION = "SCHEMA_VALIDATION"
    PROCESSING_FAILURE = "PROCESSING_FAILURE"
    TIMEOUT = "TIMEOUT"
    BUSINESS_LOGIC = "BUSINESS_LOGIC"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record, and why it could not be processed; `retry_count` counts further tries."""

    record: Record
    error_type: DeadLetterType
    message: str
    stack_trace: str | None = None
    retry_count: int = 0
