"""The values that go into the store and come out of it, and their rows.

Times are microseconds since the epoch.
"""

from __future__ import annotations

import dataclasses
import json
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

import orjson

from channels.alert import Alert, MessageKind, Priority
from engine.schema import CAMERA_ID, NORMALIZED_PLATE, instant_text, value_at
from engine.stream.record import DeadLetter, DeadLetterType, Record
from engine.watchlist import normalise


class DeliveryState(StrEnum):
    """The state of a delivery: it waits, was sent, or is dead since it was given up."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"


class SilenceState(StrEnum):
    """Whether a silence has yet to begin, is active, or is over."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


class OpenMode(StrEnum):
    """Who opens the store: the engine, which locks it, or a tool, which may run beside it."""

    ENGINE = "engine"
    TOOL = "tool"


#: How many columns of a row an alert takes.
_ALERT_COLUMNS: Final = 12
#: An event's JSON in the store is no longer.
MAX_EVENT_BYTES: Final = 262_144
# Texts are cut down to this many characters, before whole fields are left out.
_SHORTEST_CUT: Final = 64
# How many of them the mark takes that says how much was cut.
_MARK_CHARACTERS: Final = 32
_LONGEST_SEARCHED: Final = 100


@dataclass(frozen=True, slots=True)
class GroupPlace:
    """Which group an alert belongs to at a target, and how long it waits for others there.

    `key` is that of the group, of at most 32 characters.
    """

    key: str
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class Joining:
    """Which deliveries of a target join another one that is claimed, and go as one message.

    `is_grouped` says that those with the same group key do. All that are due do where more than
    `digest_above` messages would be sent otherwise; 0 is no such number.
    """

    is_grouped: bool = False
    digest_above: int = 0


@dataclass(frozen=True, slots=True)
class Fallback:
    """Who gets what a target does not take: by target id, the channel, and who reaches the same.

    `note` says which target that is, and why.
    """

    targets: Mapping[str, tuple[str, Collection[str]]]
    note: str


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert to be stored, with one delivery for each of `targets` (channel, target id).

    `digest` is the event's, 16 bytes; (digest, rule id) is stored once. `dedup_key` is the key of
    the cooldown, None without a cooldown. `time_us` is the event's time. An expired alert is stored
    without deliveries, and so is a silenced one: `silenced_by` is the silence's id. `rules_digest`
    is that of the rule set that made it. `places` has, by target id, the alert's place in a group.
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
    rules_digest: str = ""
    silenced_by: str = ""
    places: Mapping[str, GroupPlace] = field(default_factory=dict)


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
class Ask:
    """What a batch asks of the past.

    `alert_ids` are those of alerts that may be stored already. `moments` has, by cooldown key, the
    instants of its matches, each with the width: alerts that are less than that away matter to it.
    """

    alert_ids: Collection[str]
    moments: Mapping[str, Collection[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Past:
    """What is stored, as far as a batch has asked.

    `stored` are the alert ids; `instants` has, in order, the times of those of a key's alerts that
    are the nearest ones before and after a moment; `counts` how many matches of a key were
    suppressed since its last alert.
    """

    stored: Collection[str]
    instants: Mapping[str, Sequence[int]]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch adds: its alerts, and by key how many matches were suppressed after them."""

    alerts: Sequence[NewAlert]
    suppressed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this process, and no other, may send now.

    `claim_no` is the number of the claim. `tries` counts all tries, over restarts too, `failures`
    those that failed since its retries began, which a hold of its target ends. `failed_us` is when
    it failed first, 0 if it never did. A redelivery sets `waiting_since_us` anew. `reason` and
    `detail` are those of the last try. `is_probe` says that its target is held. `members` are the
    alerts that go with it, where it is the lead of a message of this `kind`.
    """

    delivery_id: int
    claim_no: int
    alert: Alert
    channel: str
    target_id: str
    tries: int
    failures: int
    failed_us: int
    waiting_since_us: int
    priority_rank: int
    reason: str
    detail: str
    is_probe: bool
    kind: MessageKind = MessageKind.SINGLE
    members: tuple[Alert, ...] = ()

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """All alerts of the message."""
        return (self.alert, *self.members)


@dataclass(frozen=True, slots=True)
class Mark:
    """What becomes of a claimed delivery; the claim is given back in any case."""

    claim: Claim
    state: DeliveryState
    tries: int
    failures: int = 0
    failed_us: int = 0
    next_try_us: int = 0
    reason: str = ""
    detail: str = ""


@dataclass(slots=True)
class TargetState:
    """What all replicas know of one target: whether it is held, and what it took or refused.

    It is held since `held_since_us`, 0 if it is open, for `reason` and `detail`. The next probe is
    due at `probe_at_us`, after `probes` that failed; it is the first delivery behind `probe_rank`
    and `probe_id`, which are those of the last one. `is_changed` says that something has changed
    since then. Nothing is sent before `not_before_us`; for `paused_us` the target has asked for
    pauses since it last answered. It last took a delivery at `taken_us`; since then `failing`
    waiting deliveries have failed first, and those of `refused` (ids) were refused. Deliveries up
    to `backlog_id` are a backlog, which fresh ones of high priority pass.
    """

    target_id: str
    channel: str
    concurrency: int = 1
    held_since_us: int = 0
    reason: str = ""
    detail: str = ""
    probes: int = 0
    probe_at_us: int = 0
    probe_rank: int = -1
    probe_id: int = 0
    is_changed: bool = False
    not_before_us: int = 0
    paused_us: int = 0
    taken_us: int = 0
    failing: int = 0
    refused: tuple[int, ...] = ()
    backlog_id: int = 0


_TARGET_FIELDS: Final = tuple(each.name for each in dataclasses.fields(TargetState))


@dataclass(frozen=True, slots=True)
class Instance:
    """One engine that runs on the store.

    `rules_digest` is that of its rule set, `partitions` are those that it reads, as `topic/0`, and
    `lag` is how many of their records it has not read. The store sets the two times.
    """

    instance_id: str
    host: str
    version: str
    rules_digest: str
    partitions: tuple[str, ...] = ()
    lag: int = 0
    started_us: int = 0
    seen_us: int = 0


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A delivery in any state as it is shown to people.

    `reason` and `detail` are those of its last try, or, while its target is held, of the hold.
    `next_try_us` is when its next try is due, 0 if it is due at once. `note` is what a fallback
    says of the recipient that it stands in for. `kind` is that of the message that carries it: one
    of several alerts has a `message_id`, the delivery id of its lead, and so many `message_alerts`.
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
    next_try_us: int = 0
    note: str = ""
    message_id: int = 0
    kind: MessageKind = MessageKind.SINGLE
    message_alerts: int = 1


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """A stored alert with its deliveries, as it is shown to people; `digest` is its event's."""

    alert: Alert
    time_us: int
    stored_us: int
    is_expired: bool
    topic: str
    partition: int
    offset: int
    deliveries: tuple[StoredDelivery, ...] = ()
    rules_digest: str = ""
    silenced_by: str = ""
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts to list; None means any.

    `plate` may be written in any way; near matches of it are among its alerts. The alerts were
    stored at `since_us` or later, and before `until_us`.
    """

    rule_id: str | None = None
    channel: str | None = None
    state: DeliveryState | None = None
    since_us: int | None = None
    plate: str | None = None
    camera_id: str | None = None
    until_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """What keeps matches from being sent: those that all of its matchers fit.

    The matchers are a rule, a plate, a camera and a `condition`, a CEL expression on the event; an
    empty one fits everything. It silences events whose own time is from `starts_us` until before
    `ends_us`. The store gives the id, 8 hex digits.
    """

    silence_id: str = ""
    rule_id: str = ""
    plate: str = ""
    camera_id: str = ""
    condition: str = ""
    starts_us: int
    ends_us: int
    created_by: str = ""
    comment: str = ""

    def state_at(self, instant_us: int) -> SilenceState:
        """Its state at that time."""
        if self.ends_us <= instant_us:
            return SilenceState.EXPIRED
        return SilenceState.ACTIVE if self.starts_us <= instant_us else SilenceState.PENDING


_SILENCE_FIELDS: Final = tuple(each.name for each in dataclasses.fields(Silence))


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many deliveries wait for one target."""

    target_id: str
    channel: str
    count: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many deliveries of a channel wait, and since when the oldest does."""

    channel: str
    count: int
    oldest_us: int


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
    """The parameters of INSERT_ALERT."""
    alert = new.alert
    return {
        "alert_id": alert.alert_id,
        "digest": new.digest,
        "rule_id": alert.rule_id,
        "dedup_key": None if new.dedup_key is None else storable(new.dedup_key),
        "key_id": None if new.dedup_key is None else key_id(new.dedup_key),
        "time_us": new.time_us,
        "now_us": now_us,
        "is_expired": int(new.is_expired),
        "rule_name": storable(alert.rule_name),
        "priority": str(alert.priority),
        "message": storable(alert.message),
        "captured_at": storable(alert.captured_at),
        "created_at": alert.created_at,
        "suppressed_count": alert.suppressed_count,
        "late_seconds": alert.late_seconds,
        "topic": new.topic,
        "partition": new.partition,
        "offset": new.offset,
        "plate": searched_plate(value_at(alert.event, NORMALIZED_PLATE)),
        "camera_id": searched(value_at(alert.event, CAMERA_ID)),
        "rules_digest": new.rules_digest,
        "silenced_by": new.silenced_by,
        "matched_plate": storable(alert.matched_plate),
        "likeness": alert.likeness,
    }


def searched(value: object) -> str:
    """A value of an event as people search for it: short enough for an index, "" if no text."""
    return storable(value)[:_LONGEST_SEARCHED] if isinstance(value, str) else ""


def searched_plate(value: object) -> str:
    """A plate as people search for it: normalised; as it is where no A to Z and no digit is left.

    "" if it is no text.
    """
    text = searched(value)
    return normalise(text) or text


def alert_from_row(row: tuple[Any, ...]) -> Alert:
    """The alert that the first twelve columns of a row hold."""
    alert_id, rule_id, rule_name, priority, message, captured_at, created_at, *more = row[
        :_ALERT_COLUMNS
    ]
    count, late, event, matched_plate, likeness = more
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
        matched_plate=matched_plate,
        likeness=likeness,
    )


def noted_alert(row: tuple[Any, ...]) -> Alert:
    """The alert of a delivery whose note stands before it."""
    note, *alert = row
    return dataclasses.replace(alert_from_row(tuple(alert)), note=note)


def key_id(dedup_key: str) -> str:
    """A short text for a cooldown key, which may be longer than an index takes: 32 hex digits."""
    return blake2b(dedup_key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def claim_from_row(row: tuple[Any, ...], members: Sequence[Alert] = ()) -> Claim:
    """The claim of a row of CLAIMED, with the other alerts of its message."""
    delivery_id, claim_no, channel, target_id, tries, failures, failed_us, *more = row
    waiting_since_us, priority_rank, reason, detail, is_probe, kind, note, *alert = more
    return Claim(
        delivery_id=delivery_id,
        claim_no=claim_no,
        alert=noted_alert((note, *alert)),
        channel=channel,
        target_id=target_id,
        tries=tries,
        failures=failures,
        failed_us=failed_us,
        waiting_since_us=waiting_since_us,
        priority_rank=priority_rank,
        reason=reason,
        detail=detail,
        is_probe=bool(is_probe),
        kind=MessageKind(kind) if members else MessageKind.SINGLE,
        members=tuple(members),
    )


def mark_values(mark: Mark) -> dict[str, Any]:
    """The members of a mark in the list of MARK."""
    return {
        "delivery_id": mark.claim.delivery_id,
        "claim_no": mark.claim.claim_no,
        "state": str(mark.state),
        "tries": mark.tries,
        "failures": mark.failures,
        "failed_us": mark.failed_us,
        "next_try_us": mark.next_try_us,
        "reason": mark.reason,
        "detail": storable(mark.detail),
    }


def target_from_row(row: tuple[Any, ...]) -> TargetState:
    """The state of a row of DUE_TARGETS or TARGETS_LOCKED."""
    *values, refused, backlog_id = row
    given = dict(
        zip(_TARGET_FIELDS, (*values, tuple(json.loads(refused)), backlog_id), strict=True)
    )
    return TargetState(**given | {"is_changed": bool(given["is_changed"])})


def target_parameters(state: TargetState) -> dict[str, Any]:
    """The parameters of WRITE_TARGET."""
    return {
        **{name: getattr(state, name) for name in _TARGET_FIELDS},
        "detail": storable(state.detail),
        "is_changed": int(state.is_changed),
        "refused": json.dumps(state.refused),
    }


def instance_from_row(row: tuple[Any, ...]) -> Instance:
    """The instance of a row of INSTANCES."""
    instance_id, host, version, rules_digest, started_us, seen_us, partitions, lag = row
    return Instance(
        instance_id=instance_id,
        host=host,
        version=version,
        rules_digest=rules_digest,
        partitions=tuple(json.loads(partitions)),
        lag=lag,
        started_us=started_us,
        seen_us=seen_us,
    )


def stored_alert_from_row(
    row: tuple[Any, ...], deliveries: tuple[StoredDelivery, ...]
) -> StoredAlert:
    """The alert of a row of ALERTS."""
    time_us, stored_us, is_expired, topic, partition, offset, *more = row[_ALERT_COLUMNS:]
    rules_digest, silenced_by, digest = more
    return StoredAlert(
        alert=alert_from_row(row),
        time_us=time_us,
        stored_us=stored_us,
        is_expired=bool(is_expired),
        topic=topic,
        partition=partition,
        offset=offset,
        deliveries=deliveries,
        rules_digest=rules_digest,
        silenced_by=silenced_by,
        digest=bytes(digest),
    )


def stored_delivery_from_row(row: tuple[Any, ...], sizes: Mapping[int, int]) -> StoredDelivery:
    """The delivery of a row of DELIVERIES, which begins with its alert's id.

    `sizes` has the number of alerts of each message of several, by its id.
    """
    _, delivery_id, channel, target_id, state, tries, reason, detail, *times = row
    waiting_since_us, changed_us, next_try_us, note, message_id, kind = times
    return StoredDelivery(
        delivery_id=delivery_id,
        channel=channel,
        target_id=target_id,
        state=DeliveryState(state),
        tries=tries,
        reason=reason,
        detail=detail,
        waiting_since_us=waiting_since_us,
        changed_us=changed_us,
        next_try_us=next_try_us,
        note=note,
        message_id=message_id,
        kind=MessageKind(kind),
        message_alerts=sizes.get(message_id, 1),
    )


def delivery_parameters(new: NewAlert, channel: str, target_id: str, now_us: int) -> dict[str, Any]:
    """The parameters of INSERT_DELIVERY for one of the targets of a new alert."""
    place = new.places.get(target_id)
    wait_us = 0 if place is None else round(place.wait_seconds * 1e6)
    return {
        "alert_id": new.alert.alert_id,
        "channel": channel,
        "target_id": target_id,
        "priority_rank": new.alert.priority.rank,
        "kind": "",
        "group_key": "" if place is None else place.key,
        "next_try_us": now_us + wait_us if wait_us else 0,
        "is_redelivery": 0,
        "now_us": now_us,
    }


def silence_from_row(row: tuple[Any, ...]) -> Silence:
    """The silence of a row of SILENCES."""
    return Silence(**dict(zip(_SILENCE_FIELDS, row, strict=True)))


def silence_parameters(silence: Silence) -> dict[str, Any]:
    """The parameters of INSERT_SILENCE, without the time of the change."""
    values = {name: getattr(silence, name) for name in _SILENCE_FIELDS}
    return {
        name: storable(value) if isinstance(value, str) else value for name, value in values.items()
    }


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
    """The dead letter of a row of DEAD_LETTERS, without its id and the time of its keeping."""
    _, topic, partition, offset, timestamp_ms, key, value, headers, error_type, *rest, _ = row
    pairs = json.loads(headers)
    read = tuple((name, None if text is None else b64decode(text)) for name, text in pairs)
    record = Record(topic, partition, offset, timestamp_ms, key, value, read)
    return DeadLetter(record, DeadLetterType(error_type), *rest)


def event_json(event: Mapping[str, Any]) -> bytes:
    """The event as JSON in UTF-8."""
    try:
        return orjson.dumps(event, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:
        # orjson refuses half a surrogate pair and a huge integer, which must not stop the stream.
        # json writes them, and halves and NaN in a form that orjson could not read again.
        text = json.dumps(event, default=_plain)
        finite = json.loads(text, parse_constant=lambda name: None)
        return json.dumps(finite, ensure_ascii=False).encode("utf-8", "replace")


def cut_event(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The event with its longest texts cut to fit MAX_EVENT_BYTES; None where it fits whole.

    Where that is not enough, because of lists or maps, the largest fields are left out.
    """
    text = event_json(event)
    if len(text) <= MAX_EVENT_BYTES:
        return None
    whole: dict[str, Any] = orjson.loads(text)
    longest = _longest_fitting(whole, len(text) - MAX_EVENT_BYTES)
    cut: dict[str, Any] = _with_cut_texts(whole, longest)
    while len(orjson.dumps(cut)) > MAX_EVENT_BYTES and longest > _SHORTEST_CUT:
        longest //= 2
        cut = _with_cut_texts(whole, longest)
    sizes = {name: len(orjson.dumps(value)) for name, value in cut.items()}
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if len(orjson.dumps(cut)) <= MAX_EVENT_BYTES:
            break
        cut[name] = f"… ({sizes[name]:,} bytes cut)"
    return cut


def _longest_fitting(value: object, excess_bytes: int) -> int:
    """To how many characters texts must be cut to save these bytes, if each sign takes as many."""
    sizes = [(len(each), len(orjson.dumps(each))) for each in _long_texts(value)]
    longest = MAX_EVENT_BYTES // 2
    while longest > _SHORTEST_CUT:
        saved = sum(size * (1 - longest / length) for length, size in sizes if length > longest)
        if saved > excess_bytes:
            break
        longest //= 2
    return longest


def _long_texts(value: object) -> Iterator[str]:
    # Not by recursion: there may be a million numbers beside them.
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            if len(each) > _SHORTEST_CUT:
                yield each
        elif isinstance(each, dict):
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)


def _with_cut_texts(value: Any, longest: int) -> Any:
    """A copy in which no text has more characters."""
    if isinstance(value, str) and len(value) > longest:
        kept = longest - _MARK_CHARACTERS
        return f"{value[:kept]}… ({len(value) - kept:,} characters cut)"
    if isinstance(value, dict):
        return {name: _with_cut_texts(item, longest) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_cut_texts(item, longest) for item in value]
    return value


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
