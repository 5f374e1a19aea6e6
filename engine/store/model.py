"""The values that go into the store and come out of it, and their rows.

Times are microseconds since the epoch.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final

import orjson

from channels.alert import Alert, Priority
from engine.schema import instant_text
from engine.stream.record import DeadLetter, DeadLetterType, Record


class DeliveryState(StrEnum):
    """The state of a delivery: it waits, was sent, or is dead since it was given up."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"


class OpenMode(StrEnum):
    """Who opens the store: the engine, which locks it, or a tool, which may run beside it."""

    ENGINE = "engine"
    TOOL = "tool"


#: How many columns of a row an alert takes.
_ALERT_COLUMNS: Final = 10
#: No target reaches a recipient of another one.
NONE_THE_SAME: Final[Mapping[str, Collection[str]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert to be stored, with one delivery for each of `targets` (channel, target id).

    `digest` is the event's, 16 bytes; (digest, rule id) is stored once. `dedup_key` is the key of
    the cooldown, None without a cooldown. `time_us` is the event's time. An expired alert is stored
    without deliveries.
    """

    alert: Alert
    digest: bytes
    dedup_key: str | None
    time_us: int
    targets: tuple[tuple[str, str], ...] = ()
    is_expired: bool = False
    topic: str = ""
    partition: int = -1
    offset: int = -1


@dataclass(frozen=True, slots=True)
class FreshAlert:
    """An alert that was just stored, for the dispatcher.

    `targets` are the (channel, target id) of its deliveries; `read_at` is when its event was read,
    in monotonic seconds.
    """

    alert_id: str
    targets: Collection[tuple[str, str]]
    read_at: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """A waiting delivery as a worker needs it; a redelivery sets `waiting_since_us` anew.

    `tries` counts all tries, over restarts too; `reason` and `detail` are those of the last try.
    """

    delivery_id: int
    alert: Alert
    channel: str
    target_id: str
    tries: int
    waiting_since_us: int
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A delivery in any state as it is shown to people.

    `reason` and `detail` are those of its last try, or, while its target is held, of the hold.
    """

    delivery_id: int
    channel: str
    target_id: str
    state: DeliveryState
    tries: int
    reason: str
    detail: str
    waiting_since_us: int
    changed_us: int


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """A stored alert with its deliveries, as it is shown to people."""

    alert: Alert
    time_us: int
    stored_us: int
    is_expired: bool
    topic: str
    partition: int
    offset: int
    deliveries: tuple[StoredDelivery, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts to list; None means any."""

    rule_id: str | None = None
    channel: str | None = None
    state: DeliveryState | None = None
    since_us: int | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many deliveries wait for one target."""

    target_id: str
    channel: str
    count: int


@dataclass(frozen=True, slots=True)
class Hold:
    """A target that is held, with the time since when, and the reason."""

    target_id: str
    channel: str
    reason: str
    detail: str
    since_us: int


@dataclass(frozen=True, slots=True)
class Redelivery:
    """The numbers of deliveries that a redelivery opened again, and of holds that it released."""

    reopened: int
    released: int


def alert_parameters(new: NewAlert, now_us: int) -> dict[str, Any]:
    """The parameters of INSERT_ALERT and INSERT_DELIVERY."""
    alert = new.alert
    return {
        "alert_id": alert.alert_id,
        "digest": new.digest,
        "rule_id": alert.rule_id,
        "dedup_key": new.dedup_key,
        "time_us": new.time_us,
        "now_us": now_us,
        "is_expired": int(new.is_expired),
        "rule_name": storable(alert.rule_name),
        "priority": str(alert.priority),
        "priority_rank": alert.priority.rank,
        "message": storable(alert.message),
        "captured_at": storable(alert.captured_at),
        "created_at": alert.created_at,
        "suppressed_count": alert.suppressed_count,
        "late_seconds": alert.late_seconds,
        "event": _event_json(alert.event),
        "topic": new.topic,
        "partition": new.partition,
        "offset": new.offset,
    }


def alert_from_row(row: tuple[Any, ...]) -> Alert:
    """The alert that the first ten columns of a row hold."""
    alert_id, rule_id, rule_name, priority, message, captured_at, created_at, count, late, event = (
        row[:_ALERT_COLUMNS]
    )
    return Alert(
        alert_id=alert_id,
        rule_id=rule_id,
        rule_name=rule_name,
        priority=Priority(priority),
        message=message,
        captured_at=captured_at,
        created_at=created_at,
        suppressed_count=count,
        late_seconds=late,
        event=orjson.loads(event),
    )


def delivery_from_row(row: tuple[Any, ...]) -> Delivery:
    """The delivery of a row of WAITING."""
    delivery_id, channel, target_id, tries, waiting_since_us, reason, detail, *alert = row
    return Delivery(
        delivery_id=delivery_id,
        alert=alert_from_row(tuple(alert)),
        channel=channel,
        target_id=target_id,
        tries=tries,
        waiting_since_us=waiting_since_us,
        reason=reason,
        detail=detail,
    )


def stored_alert_from_row(
    row: tuple[Any, ...], deliveries: tuple[StoredDelivery, ...]
) -> StoredAlert:
    """The alert of a row of ALERTS."""
    time_us, stored_us, is_expired, topic, partition, offset = row[_ALERT_COLUMNS:]
    return StoredAlert(
        alert=alert_from_row(row),
        time_us=time_us,
        stored_us=stored_us,
        is_expired=bool(is_expired),
        topic=topic,
        partition=partition,
        offset=offset,
        deliveries=deliveries,
    )


def stored_delivery_from_row(row: tuple[Any, ...]) -> StoredDelivery:
    """The delivery of a row of DELIVERIES."""
    delivery_id, channel, target_id, state, *rest = row
    return StoredDelivery(delivery_id, channel, target_id, DeliveryState(state), *rest)


def dead_letter_parameters(letter: DeadLetter, now_us: int) -> dict[str, Any]:
    """The parameters of INSERT_DEAD_LETTER."""
    record = letter.record
    digest = blake2b(record.value or b"", digest_size=16)
    headers = [[name, None if v is None else b64encode(v).decode()] for name, v in record.headers]
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "digest": digest.digest(),
        "timestamp_ms": record.timestamp_ms,
        "key": record.key,
        "value": record.value,
        "headers": json.dumps(headers),
        "error_type": str(letter.error_type),
        "message": storable(letter.message),
        "stack_trace": None if letter.stack_trace is None else storable(letter.stack_trace),
        "retry_count": letter.retry_count,
        "now_us": now_us,
    }


def dead_letter_from_row(row: tuple[Any, ...]) -> DeadLetter:
    """The dead letter of a row of DEAD_LETTERS, without the id that the row begins with."""
    _, topic, partition, offset, timestamp_ms, key, value, headers, error_type, *rest = row
    pairs = json.loads(headers)
    read = tuple((name, None if text is None else b64decode(text)) for name, text in pairs)
    record = Record(topic, partition, offset, timestamp_ms, key, value, read)
    return DeadLetter(record, DeadLetterType(error_type), *rest)


def _event_json(event: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(event, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:
        # orjson refuses half a surrogate pair and a huge integer, which must not stop the stream.
        # json writes them, and halves and NaN in a form that orjson could not read again.
        text = json.dumps(event, default=_plain)
        finite = json.loads(text, parse_constant=lambda name: None)
        return json.dumps(finite, ensure_ascii=False).encode("utf-8", "replace")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, datetime):
        # The same text as in the alert's message.
        return instant_text(value)
    return str(value)


def storable(text: str) -> str:
    """Returns the text without half surrogate pairs and zero characters, which databases refuse."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
