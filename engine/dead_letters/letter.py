"""Converts dead letters to the messages of their topic, and back."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

from engine.stream.record import DeadLetter, Record

_HEADER: Final = "header."
_NULL_HEADER: Final = "null_header."
_NAMESPACE: Final = uuid.UUID("6f1d9a0e-52d1-5f43-9d8b-6c2f0f6e7a11")


def to_message(letter: DeadLetter, group_id: str, now: datetime) -> dict[str, Any]:
    """Returns the letter as a `com.alpr.dlq.DLQMessage`, of the time `now`.

    The same record always gets the same `dlq_id`, so that a letter that was sent twice is known.
    """
    record = letter.record
    return {
        "dlq_id": _letter_id(record, group_id),
        "timestamp": now.isoformat(),
        "original_topic": record.topic,
        "original_partition": record.partition,
        "original_offset": record.offset,
        "original_key": None if record.key is None else record.key.decode("utf-8", "replace"),
        "original_message": _base64(record.value or b""),
        "consumer_group_id": group_id,
        "error_type": str(letter.error_type),
        "error_message": _writable(letter.message),
        "error_stack_trace": letter.stack_trace and _writable(letter.stack_trace),
        "retry_count": letter.retry_count,
        "metadata": _metadata(record),
    }


def recover(message: Mapping[str, Any]) -> Record:
    """Returns the original record of a decoded `com.alpr.dlq.DLQMessage` that `to_message` made."""
    metadata: Mapping[str, str] = message["metadata"]
    has_value = metadata.get("value") != "null"
    return Record(
        topic=message["original_topic"],
        partition=message["original_partition"],
        offset=message["original_offset"],
        timestamp_ms=int(metadata["timestamp_ms"]),
        key=base64.b64decode(metadata["key"]) if "key" in metadata else None,
        value=base64.b64decode(message["original_message"]) if has_value else None,
        headers=_headers(metadata),
    )


def _metadata(record: Record) -> dict[str, str]:
    metadata = {"encoding": "base64", "timestamp_ms": str(record.timestamp_ms)}
    if record.key is not None:
        metadata["key"] = _base64(record.key)
    if record.value is None:
        metadata["value"] = "null"
    for number, (name, value) in enumerate(record.headers):
        # Names may repeat and may hold any character: the number makes keys unique and ordered.
        if value is None:
            metadata[f"{_NULL_HEADER}{number}.{name}"] = ""
        else:
            metadata[f"{_HEADER}{number}.{name}"] = _base64(value)
    return metadata


def _headers(metadata: Mapping[str, str]) -> tuple[tuple[str, bytes | None], ...]:
    found: dict[int, tuple[str, bytes | None]] = {}
    for key, text in metadata.items():
        kind, _, rest = key.partition(".")
        number, _, name = rest.partition(".")
        if f"{kind}." == _HEADER:
            found[int(number)] = (name, base64.b64decode(text))
        elif f"{kind}." == _NULL_HEADER:
            found[int(number)] = (name, None)
    return tuple(found[number] for number in sorted(found))


def _letter_id(record: Record, group_id: str) -> str:
    digest = blake2b(record.value or b"", digest_size=16).hexdigest()
    place = (group_id, record.topic, record.partition, record.offset, record.timestamp_ms, digest)
    return str(uuid.uuid5(_NAMESPACE, repr(place)))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _writable(text: str) -> str:
    # An error may quote half a surrogate pair, which UTF-8 can't encode.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
