"""Makes records of the messages that confluent_kafka returns."""

from __future__ import annotations

from operator import methodcaller
from typing import Final

import structlog
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from engine.stream.record import Record

log = structlog.get_logger(__name__)

# For a header name that is not UTF-8, `message.headers()` sets an exception and returns a broken
# list all the same. A plain call no longer notices that once the interpreter has specialised it; a
# call from C always notices it, and raises SystemError.
_read_headers: Final = methodcaller("headers")


def read_message(message: Message, read_at: float) -> Record:
    """Returns the record of a message that is no error; `read_at` is in monotonic seconds.

    Where the name of a header is not UTF-8, the headers can't be read: the record has none then.
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
