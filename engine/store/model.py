"""What goes into the store and comes out of it; times are microseconds since the epoch, UTC."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from channels.alert import Alert


class DeliveryState(StrEnum):
    """Where a delivery stands: waiting until it is sent, or dead when it was given up."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"


class OpenMode(StrEnum):
    """Who opens the store: the one engine, which locks it, or a tool beside it."""

    ENGINE = "engine"
    TOOL = "tool"


#: Of several targets, none reaches the recipient of another.
NONE_THE_SAME: Final[Mapping[str, Collection[str]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert to be stored, with one delivery for each of `targets` (channel, target id).

    `digest` is the event's, 16 bytes; (digest, rule id) is stored once. `dedup_key` is the
    cooldown's canonical key, None without one; `time_us` is the event's instant. An expired
    alert is stored without deliveries.
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
    """An alert that was just stored.

    `routes` are the (channel, target id) of its deliveries; `read_at` is when its event was read,
    in monotonic seconds.
    """

    alert_id: str
    routes: Collection[tuple[str, str]]
    read_at: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """A waiting delivery as a worker needs it; `waiting_since_us` is set anew by a redelivery.

    `tries` counts the tries made, over restarts; `reason` and `detail` tell of the last one.
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
    """A delivery in any state as people see it.

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
    """A stored alert with its deliveries, as people see it."""

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
    """Which alerts to list; what is None does not restrict."""

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
    """A target that is held, since when and why."""

    target_id: str
    channel: str
    reason: str
    detail: str
    since_us: int


@dataclass(frozen=True, slots=True)
class Redelivery:
    """What a redelivery did: deliveries opened again, and holds that it released."""

    reopened: int
    released: int


@dataclass(frozen=True, slots=True)
class KeptDeadLetter:
    """A dead letter that its topic did not take: the record as it was, and what is wrong with it.

    `letter_id` is the store's, 0 before it is stored. One letter is kept for each
    (topic, partition, offset, value).
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    error_type: str
    message: str
    stack_trace: str | None = None
    retry_count: int = 0
    letter_id: int = field(default=0, compare=False)
