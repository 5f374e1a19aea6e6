"""One event as rules see it, and how its instant is judged."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import blake2b
from typing import Any, Final

import orjson

from engine.schema.avro import instant_text
from engine.schema.engine_fields import CAPTURED_AT
from engine.schema.event_schema import TIME_VARIABLE

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DIGEST_BYTES: Final = 16
_LATEST: Final = datetime.max.replace(tzinfo=UTC)
#: How far `captured_at` may lie before the record's Kafka timestamp: a camera may have a backlog.
#: Beyond it the Kafka timestamp counts. The store keeps alerts so much longer than any cooldown.
LATEST_EVENT_SECONDS: Final = 7 * 86_400.0
_PAST_LIMIT_US: Final = round(LATEST_EVENT_SECONDS * 1_000_000)
#: How far it may lie after it.
_FUTURE_LIMIT_US: Final = 10 * 60 * 1_000_000
_UNREADABLE: Final = "unreadable"
# Kafka timestamps are milliseconds. One before 2001, in any unit, is from a clock that is not set.
_FIRST_SECOND: Final = 1_000_000_000
_FIRST_MILLISECOND: Final = 100_000_000_000
_FIRST_MICROSECOND: Final = 100_000_000_000_000
_FIRST_NANOSECOND: Final = 100_000_000_000_000_000
_LOOSE_TIME: Final = re.compile(
    r"(?P<date>[0-9W-]+)[Tt ](?P<clock>[0-9:]+)(?P<fraction>[.,][0-9]+)?\s*(?P<zone>[Zz]|[-+].+)?"
)


# Not frozen: to make one would take three times as long, for every event. The types forbid it.
@dataclass(slots=True)
class Event:
    """One event: its values (an absent record is None) and its instant `time`, aware, in UTC.

    `digest` is its identity: 16 bytes of BLAKE2b over the record's value. `timestamp_ms` is the
    record's Kafka timestamp (0: none), `read_at` the monotonic time in seconds at which it was
    read. `time_replaced` says why `time` is not that of `captured_at`: "unreadable", "future" or
    "past"; "" where it is. `timestamp_replaced` says why the Kafka timestamp was corrected or
    passed over: "unit", "past" or "future"; "" where it was not.
    """

    values: Final[Mapping[str, Any]]
    time: Final[datetime]
    digest: Final[bytes]
    topic: Final[str] = ""
    partition: Final[int] = -1
    offset: Final[int] = -1
    timestamp_ms: Final[int] = 0
    read_at: Final[float] = 0.0
    time_replaced: Final[str] = ""
    timestamp_replaced: Final[str] = ""

    @property
    def bindings(self) -> dict[str, Any]:
        """The variables of expressions: the values and `time`."""
        return {**self.values, TIME_VARIABLE: self.time}

    @property
    def time_us(self) -> int:
        """The instant in microseconds since the epoch."""
        return _microseconds(self.time)

    @property
    def captured_at(self) -> str:
        """`captured_at` as text for people: as it was sent, or an Avro timestamp in ISO 8601.

        Where the event has none it is `time`.
        """
        given = self.values.get(CAPTURED_AT)
        if isinstance(given, str):
            return given
        return instant_text(given if isinstance(given, datetime) else self.time)


@dataclass(frozen=True, slots=True)
class CurrentInstants:
    """The instants that are current by the engine's own clock: up to `max_age_seconds` old.

    It is asked only where a camera's time and a Kafka timestamp contradict each other.
    """

    now: Callable[[], datetime]
    max_age_seconds: float

    def has(self, moment: datetime) -> bool:
        """Whether the moment is current; it may be up to ten minutes ahead of the clock."""
        age = self.now() - moment
        return (
            -timedelta(microseconds=_FUTURE_LIMIT_US)
            <= age
            <= timedelta(seconds=self.max_age_seconds)
        )


def make_event(
    values: Mapping[str, Any],
    *,
    zone: tzinfo,
    digest: bytes | None = None,
    topic: str = "",
    partition: int = -1,
    offset: int = -1,
    timestamp_ms: int = 0,
    read_at: float = 0.0,
    present: CurrentInstants | None = None,
) -> Event:
    """The event of complete values; naive times are read in `zone`.

    Without a `digest` it gets that of its canonical JSON. Without a `timestamp_ms` (0 or less) its
    `captured_at` is not judged. Without `present` the engine's own clock is not asked.
    """
    time, replaced, timestamp_replaced = _judge(
        values.get(CAPTURED_AT), timestamp_ms, zone, present
    )
    if digest is None:
        digest = digest_of(_canonical(values))
    return Event(
        values,
        time,
        digest,
        topic,
        partition,
        offset,
        timestamp_ms,
        read_at,
        replaced,
        timestamp_replaced,
    )


def digest_of(value: bytes) -> bytes:
    """The identity of a record's value."""
    return blake2b(value, digest_size=DIGEST_BYTES).digest()


def event_time(captured_at: object, timestamp_ms: int, zone: tzinfo) -> tuple[datetime, str]:
    """The event's instant in UTC, and why it is not that of `captured_at` ("" where it is).

    `captured_at` is an instant in UTC, or ISO 8601 text; a naive one is read in `zone`, and of a
    time that comes twice in autumn the one nearer to the Kafka timestamp counts. The record's Kafka
    timestamp, in milliseconds, replaces it where it is neither ("unreadable"), more than 10 minutes
    later ("future"), or more than 7 days earlier ("past"). Without a Kafka timestamp (0 or less)
    nothing is judged, and an unreadable time becomes the epoch.
    """
    moment, replaced, _ = _judge(captured_at, timestamp_ms, zone, None)
    return moment, replaced


def read_time(captured_at: object, zone: tzinfo, near: datetime | None = None) -> datetime | None:
    """The instant of `captured_at` in UTC, None where it is unreadable.

    A naive time is read in `zone`. Of one that comes twice the one nearer to `near` counts, without
    `near` the first one.
    """
    return _read_time(captured_at, zone, 0 if near is None else _microseconds(near) // 1_000)


def _judge(
    captured_at: object, timestamp_ms: int, zone: tzinfo, present: CurrentInstants | None
) -> tuple[datetime, str, str]:
    """The fields `time`, `time_replaced` and `timestamp_replaced` of an event.

    A Kafka timestamp that contradicts the camera is passed over where the engine's own clock agrees
    with the camera and not with the timestamp.
    """
    if timestamp_ms <= 0:
        moment = _read_time(captured_at, zone, 0)
        return (moment, "", "") if moment is not None else (EPOCH, _UNREADABLE, "")
    fault = ""
    if not _FIRST_MILLISECOND <= timestamp_ms < _FIRST_MICROSECOND:
        timestamp_ms, fault = _in_milliseconds(timestamp_ms)
    moment = _read_time(captured_at, zone, timestamp_ms)
    if moment is None:
        return record_instant(timestamp_ms), _UNREADABLE, fault
    if timestamp_ms < _FIRST_MILLISECOND:
        return moment, "", fault
    gap_us = _microseconds(moment) - timestamp_ms * 1_000
    if gap_us > _FUTURE_LIMIT_US:
        replaced, wrong = "future", "past"
    elif -gap_us > _PAST_LIMIT_US:
        replaced, wrong = "past", "future"
    else:
        return moment, "", fault
    recorded = record_instant(timestamp_ms)
    if present is not None and not present.has(recorded):
        now_ms = _microseconds(present.now()) // 1_000
        moment = _read_time(captured_at, zone, now_ms) or moment
        if present.has(moment):
            return moment, "", wrong
    return recorded, replaced, fault


def _in_milliseconds(timestamp_ms: int) -> tuple[int, str]:
    """A Kafka timestamp of another unit in milliseconds, and what was wrong with it.

    A timestamp before 2001 in seconds, from a clock that is not set, stays as it is.
    """
    if timestamp_ms < _FIRST_SECOND:
        return timestamp_ms, "past"
    if timestamp_ms < _FIRST_MILLISECOND:
        return timestamp_ms * 1_000, "unit"
    if timestamp_ms < _FIRST_NANOSECOND:
        return timestamp_ms // 1_000, "unit"
    return timestamp_ms // 1_000_000, "unit"


def _microseconds(moment: datetime) -> int:
    """Microseconds since the epoch. To divide two timedeltas would take twice the time."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def record_instant(timestamp_ms: int) -> datetime:
    """A Kafka timestamp as an instant, the latest one for numbers beyond what a datetime holds."""
    try:
        return EPOCH + timedelta(milliseconds=timestamp_ms)
    except OverflowError:
        return _LATEST


def _read_time(captured_at: object, zone: tzinfo, near_ms: int) -> datetime | None:
    if isinstance(captured_at, str):
        return _read_text(captured_at, zone, near_ms)
    return captured_at if isinstance(captured_at, datetime) else None


def _read_text(text: str, zone: tzinfo, near_ms: int) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        loose = _read_loosely(text)
        if loose is None:
            return None
        moment = loose
    if moment.tzinfo is UTC:
        return moment
    try:
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        return _place(moment.replace(tzinfo=zone), near_ms)
    except (ValueError, OverflowError):
        return None


def _place(local: datetime, near_ms: int) -> datetime:
    """A local time as an instant in UTC.

    Clocks show one hour twice in autumn and skip one in spring. Of the two possible instants the
    one nearer to `near_ms` counts, the first one where that is 0.
    """
    first = local.astimezone(UTC)
    if not near_ms:
        return first
    second = local.replace(fold=1)
    if second.utcoffset() == local.utcoffset():
        return first
    other, near_us = second.astimezone(UTC), near_ms * 1_000
    is_nearer = abs(_microseconds(other) - near_us) < abs(_microseconds(first) - near_us)
    return other if is_nearer else first


def _read_loosely(text: str) -> datetime | None:
    """Parses what ISO 8601 allows and `fromisoformat` does not: z, a Unicode minus, 24:00, leap
    seconds. Blanks around the text and before the zone are ignored. None for other texts.
    """
    found = _LOOSE_TIME.fullmatch(text.strip().replace("\u2212", "-"))
    if found is None:
        return None
    clock = found["clock"].replace(":", "")
    extra = timedelta()
    if len(clock) == 6 and clock.endswith("60"):
        clock, extra = f"{clock[:4]}59", timedelta(seconds=1)
    elif clock in {"24", "2400", "240000"} and not (found["fraction"] or "").strip(".,0"):
        clock, extra = "000000", timedelta(days=1)
    zone = (found["zone"] or "").upper()
    try:
        date = datetime.fromisoformat(found["date"])
        time = datetime.fromisoformat(f"2000-01-01T{clock}{found['fraction'] or ''}{zone}")
        return datetime.combine(date.date(), time.timetz()) + extra
    except (ValueError, OverflowError):
        return None


def _canonical(values: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(dict(values), option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # orjson refuses bytes, half surrogate pairs and numbers beyond 64 bits.
        return json.dumps(dict(values), sort_keys=True, default=repr).encode()
