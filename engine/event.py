"""One event as rules see it: its values and its instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Event:
    """One event: plain values (an absent record stays None) and its instant, aware, in UTC.

    `digest` is its identity: 16 bytes of BLAKE2b over the record's value. `timestamp_ms` is the
    record's Kafka timestamp, `read_at` the monotonic time in seconds at which it was read.
    `time_replaced` says why `time` is not what `captured_at` says: "unreadable", "future", "past",
    or "" where it is.
    """

    values: Mapping[str, Any]
    time: datetime
    digest: bytes
    topic: str = ""
    partition: int = -1
    offset: int = -1
    timestamp_ms: int = 0
    read_at: float = 0.0
    time_replaced: str = ""

    @property
    def bindings(self) -> dict[str, Any]:
        """What expressions are evaluated with: the values and `time`."""
        return {**self.values, "time": self.time}

    @property
    def time_us(self) -> int:
        """The instant in microseconds since the epoch."""
        return (self.time - EPOCH) // _MICROSECOND
