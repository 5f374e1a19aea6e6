"""One Kafka record as it was read."""

from __future__ import annotations

from dataclasses import dataclass
from operator import methodcaller
from typing import Final

import structlog
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

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


log = structlog.get_logger(__name__)

# With a header's name that is not UTF-8, `message.headers()` leaves an exception behind and returns
# a broken list all the same. A plain call notices that only until the interpreter has specialised
# it; a call from C always does, and raises SystemError.
_read_headers: Final = methodcaller("headers")


def read_message(message: Message, read_at: float) -> Record:
    """The record of a message without an error, byte for byte; `read_at` in monotonic seconds.

    Headers with a name that is not UTF-8 can't be had: the record is then without any.
    """
    kind, timestamp_ms = message.timestamp()
    return Record(
        topic=message.topic() or "",
        partition=_number(message.partition()),
        offset=_number(message.offset()),
        timestamp_ms=0 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
        key=message.key(),
        value=message.value(),
        headers=_headers(message),
        read_at=read_at,
    )


def _number(value: int | None) -> int:
    return -1 if value is None else value


def _headers(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    try:
        headers = _read_headers(message)
    except SystemError:
        # The event needs no header: only a dead letter would lack them.
        log.warning(
            "record.headers_unreadable",
            topic=message.topic(),
            partition=message.partition(),
            offset=message.offset(),
        )
        return ()
    return tuple(headers) if headers else ()
