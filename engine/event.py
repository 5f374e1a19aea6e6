"""One event as rules see it: its values and its instant."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import blake2b
from typing import Any, Final

import orjson

from engine.schema import CAPTURED_AT, TIME_VARIABLE, instant_text

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DIGEST_BYTES: Final = 16
_LATEST: Final = datetime.max.replace(tzinfo=UTC)
# How far `captured_at` may be from the record's Kafka timestamp before that one is believed.
_FUTURE_LIMIT_US: Final = 10 * 60 * 1_000_000
_PAST_LIMIT_US: Final = 7 * 86_400 * 1_000_000
_UNREADABLE: Final = "unreadable"
_LOOSE_TIME: Final = re.compile(
    r"(?P<date>[0-9W-]+)[Tt ](?P<clock>[0-9:]+)(?P<fraction>[.,][0-9]+)?\s*(?P<zone>[Zz]|[-+].+)?"
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event: plain values (an absent record stays None) and its instant, aware, in UTC.

    `digest` is its identity: 16 bytes of BLAKE2b over the record's value. `timestamp_ms` is the
    record's Kafka timestamp (0: none), `read_at` the monotonic time in seconds at which it was
    read. `time_replaced` says why `time` is not what `captured_at` says: "unreadable", "future",
    "past", or "" where it is.
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
        return {**self.values, TIME_VARIABLE: self.time}

    @property
    def time_us(self) -> int:
        """The instant in microseconds since the epoch."""
        return _microseconds(self.time)

    @property
    def captured_at(self) -> str:
        """`captured_at` as text for people: as it was sent, or an Avro timestamp in ISO 8601.

        Where the event has none it is the instant that counts instead.
        """
        given = self.values.get(CAPTURED_AT)
        if isinstance(given, str):
            return given
        return instant_text(given if isinstance(given, datetime) else self.time)


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
) -> Event:
    """The event of whole values; naive times are read in `zone`.

    Without a `digest` it has that of its canonical JSON, without a `timestamp_ms` (0 or less) its
    `captured_at` is believed as it is.
    """
    time, replaced = event_time(values.get(CAPTURED_AT), timestamp_ms, zone)
    if digest is None:
        digest = digest_of(_canonical(values))
    return Event(values, time, digest, topic, partition, offset, timestamp_ms, read_at, replaced)


def digest_of(value: bytes) -> bytes:
    """The identity of a record's value."""
    return blake2b(value, digest_size=DIGEST_BYTES).digest()


def event_time(captured_at: object, timestamp_ms: int, zone: tzinfo) -> tuple[datetime, str]:
    """The event's instant in UTC, and why it is not `captured_at`'s ("" where it is).

    `captured_at` is an instant in UTC, or ISO 8601 text, which is read in `zone` if it is naive. It
    is judged against the record's Kafka timestamp in milliseconds, never our clock. The Kafka
    timestamp is taken instead where it is none of these ("unreadable"), or more than 10 minutes
    later ("future") or 7 days earlier ("past") than it. With a timestamp of 0 or less, which is
    none, nothing is judged, and unreadable is the epoch.
    """
    moment = _read_time(captured_at, zone)
    if timestamp_ms <= 0:
        return (moment, "") if moment is not None else (EPOCH, _UNREADABLE)
    if moment is None:
        return _recorded(timestamp_ms), _UNREADABLE
    gap_us = _microseconds(moment) - timestamp_ms * 1_000
    if gap_us > _FUTURE_LIMIT_US:
        return _recorded(timestamp_ms), "future"
    if -gap_us > _PAST_LIMIT_US:
        return _recorded(timestamp_ms), "past"
    return moment, ""


def _microseconds(moment: datetime) -> int:
    """Since the epoch; by hand, since dividing a timedelta by another costs every event twice."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _recorded(timestamp_ms: int) -> datetime:
    """A Kafka timestamp as an instant; producers may set any 64-bit number."""
    try:
        return EPOCH + timedelta(milliseconds=timestamp_ms)
    except OverflowError:
        return _LATEST


def _read_time(captured_at: object, zone: tzinfo) -> datetime | None:
    if isinstance(captured_at, str):
        return _read_text(captured_at, zone)
    return captured_at if isinstance(captured_at, datetime) else None


def _read_text(text: str, zone: tzinfo) -> datetime | None:
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
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _read_loosely(text: str) -> datetime | None:
    """What ISO 8601 allows and `fromisoformat` does not: z, a Unicode minus, 24:00, leap seconds.

    Blanks around the text and before the zone are forgiven.
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
        # To orjson bytes, half surrogate pairs and numbers beyond 64 bits are not JSON.
        return json.dumps(dict(values), sort_keys=True, default=repr).encode()
