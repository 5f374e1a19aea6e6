"""The verdict on a match: alert, suppressed by its cooldown, or stored already.

A match at t is suppressed exactly when an alert of its key lies at some t' with
|t - t'| < cooldown, in the store or earlier in the batch. The cache in front of the store only
ever answers "suppressed", from instants that are committed: its size changes speed, no verdict.
"""

from __future__ import annotations

import json
import math
import time
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from cachetools import TTLCache

from engine.errors import EvaluationError

# Far shorter than any retention, so a remembered alert is still in the store.
CACHE_TTL_SECONDS: Final = 3600.0
# Counts are only shown to people; beyond this many keys the oldest counts are forgotten.
MAX_CARRIED_KEYS: Final = 100_000
_LONGEST_US: Final = 1 << 61
_INT64: Final = float(1 << 63)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class AlertHistory(Protocol):
    """The earlier alerts in the store; instants are microseconds since the epoch."""

    def has_alert(self, digest: bytes, rule_id: str) -> bool:
        """Whether the event with this digest is stored for this rule."""

    def has_alert_between(self, dedup_key: str, after_us: int, before_us: int) -> bool:
        """Whether an alert of this key lies between the instants, both exclusive."""

    def suppressed_count(self, dedup_key: str) -> int:
        """How many suppressed matches the key's next alert has to report."""


class Verdict(StrEnum):
    """What becomes of a match."""

    ALERT = "alert"
    SUPPRESSED = "suppressed"
    DUPLICATE = "duplicate"


class Cooldown:
    """What is remembered between batches; one thread uses it, one batch at a time.

    `capacity` bounds the number of keys in the cache, None is unlimited; `timer` gives the
    seconds by which the cache ages.
    """

    def __init__(
        self,
        history: AlertHistory,
        capacity: int | None = 100_000,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        size = math.inf if capacity is None else capacity
        self._history = history
        self._cache: TTLCache[str, int] | None = (
            TTLCache(size, CACHE_TTL_SECONDS, timer) if size > 0 else None
        )
        self._carried: dict[str, int] = {}

    @property
    def carried(self) -> Mapping[str, int]:
        """Suppressed counts by key that no transaction has taken yet: save them at a clean stop."""
        return self._carried

    def batch(self) -> CooldownBatch:
        """A new batch; one that is dropped without `committed()` leaves no trace."""
        return CooldownBatch(self, self._history, self._cache)

    def take_over(self, instants: Mapping[str, int], carried: Mapping[str, int]) -> None:
        """Take over from a batch: an instant by key that is committed, the counts that are not."""
        if self._cache is not None:
            self._cache.update(instants)
        self._carried = dict(carried)
        while len(self._carried) > MAX_CARRIED_KEYS:
            del self._carried[next(iter(self._carried))]


@dataclass(frozen=True, slots=True)
class _Decision:
    """An ALERT, and what it replaced."""

    event: tuple[bytes, str]
    key: str | None
    time_us: int
    reported_before: int | None
    count_before: int


class CooldownBatch:
    """The verdicts of one batch: they see the batch's own alerts before these are stored."""

    def __init__(
        self, cooldown: Cooldown, history: AlertHistory, cache: TTLCache[str, int] | None
    ) -> None:
        self._cooldown = cooldown
        self._history = history
        self._cache = cache
        self._events: set[tuple[bytes, str]] = set()
        self._instants: dict[str, list[int]] = {}
        self._counts: dict[str, int] = {}
        self._reported: dict[str, int] = {}
        self._last: _Decision | None = None

    def decide(
        self, rule_id: str, key: str | None, cooldown_seconds: float, time_us: int, digest: bytes
    ) -> Verdict:
        """The verdict on one match; a match without key is never suppressed.

        `time_us` is the event's instant in microseconds, `digest` the event's identity.
        """
        self._last = None
        event = (digest, rule_id)
        if event in self._events or self._history.has_alert(digest, rule_id):
            return Verdict.DUPLICATE
        if key is not None and self._is_cooling(key, time_us, _width_us(cooldown_seconds)):
            self._counts[key] = self._counts.get(key, 0) + 1
            return Verdict.SUPPRESSED
        self._record(event, key, time_us)
        return Verdict.ALERT

    def withdraw(self) -> None:
        """Undo the last decision if it was an ALERT: the alert could not be made."""
        last, self._last = self._last, None
        if last is None:
            return
        self._events.discard(last.event)
        if last.key is None:
            return
        self._counts[last.key] = last.count_before
        self._instants[last.key].remove(last.time_us)
        if last.reported_before is None:
            del self._instants[last.key], self._reported[last.key]
        else:
            self._reported[last.key] = last.reported_before

    def suppressed_count(self, key: str | None) -> int:
        """How many suppressed matches the key's latest alert of this batch has to report."""
        return 0 if key is None else self._reported.get(key, 0)

    @property
    def suppressed(self) -> Mapping[str, int]:
        """What `Store.save` adds to the keys' counts, after the batch's alerts reset theirs."""
        counts = {k: n for k, n in self._cooldown.carried.items() if k not in self._instants}
        for key, count in self._counts.items():
            if count:
                counts[key] = counts.get(key, 0) + count
        return counts

    def committed(self) -> None:
        """The batch's alerts are stored with `suppressed`; or it had none and nothing is stored."""
        self._cooldown.take_over(
            {key: instants[-1] for key, instants in self._instants.items()},
            {} if self._events else self.suppressed,
        )

    def _is_cooling(self, key: str, time_us: int, width_us: int) -> bool:
        if self._cache is not None:
            known = self._cache.get(key)
            if known is not None and abs(time_us - known) < width_us:
                return True
        own = self._instants.get(key, ())
        place = bisect_left(own, time_us)
        if any(abs(time_us - near) < width_us for near in own[max(place - 1, 0) : place + 1]):
            return True
        return self._history.has_alert_between(key, time_us - width_us, time_us + width_us)

    def _record(self, event: tuple[bytes, str], key: str | None, time_us: int) -> None:
        self._events.add(event)
        if key is None:
            self._last = _Decision(event, None, time_us, None, 0)
            return
        count = self._counts.get(key, 0)
        reported_before = self._reported.get(key)
        self._last = _Decision(event, key, time_us, reported_before, count)
        if reported_before is None:
            earlier = self._history.suppressed_count(key) + self._cooldown.carried.get(key, 0)
            self._reported[key] = earlier + count
        else:
            self._reported[key] = count
        self._counts[key] = 0
        insort(self._instants.setdefault(key, []), time_us)


_TRACK: Final = ("camera_id", "track_id")

# Made once: `json.dumps` with separators makes one each time, half of a key's price.
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


def cooldown_key(rule_id: str, texts: Sequence[str], values: Sequence[Any]) -> str | None:
    """The canonical text of (rule, key expressions' texts, their values); None if all are absent.

    Null and a text of blanks are absent, and so are lists and maps that hold nothing else. Values
    that CEL calls equal give the same key (1 and 1.0), all others different ones; absent ones are
    all the same. EvaluationError (`dedup_key_type`) if a value has no canonical text.
    """
    present = [None if _is_absent(value) else value for value in values]
    if all(value is None for value in present):
        return None
    parts = [rule_id, list(texts), [_canonical(value) for value in present]]
    return _encode(parts)


def track_key(rule_id: str, event: Mapping[str, Any]) -> str | None:
    """The key of the vehicle that a camera follows, for matches that have none of their own.

    None where the event names neither camera nor track.
    """
    return cooldown_key(rule_id, _TRACK, [event.get(name) for name in _TRACK])


def _is_absent(value: Any) -> bool:
    match value:
        case None:
            return True
        case str():
            return not value or value.isspace()
        case list() | tuple():
            return all(map(_is_absent, value))
        case Mapping():
            return all(map(_is_absent, value.values()))
        case _:
            return False


def _canonical(value: Any) -> Any:
    """`value` as JSON; what JSON does not know is an object of one member, its kind."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return _canonical_double(value)
        case bytes():
            return {"bytes": value.hex()}
        case datetime() if value.tzinfo is not None:
            return {"timestamp": (value - _EPOCH) // _MICROSECOND}
        case timedelta():
            return {"duration": value // _MICROSECOND}
        case list() | tuple():
            return [_canonical(item) for item in value]
        case Mapping():
            pairs = [[_canonical(key), _canonical(item)] for key, item in value.items()]
            return {"map": sorted(pairs, key=json.dumps)}
        case _:
            raise EvaluationError(
                "dedup_key_type", f"a {type(value).__name__} can't be the key of a cooldown"
            )


def _canonical_double(value: float) -> Any:
    if not math.isfinite(value):
        return {"double": str(value)}
    return int(value) if value.is_integer() and abs(value) < _INT64 else value


def _width_us(cooldown_seconds: float) -> int:
    """The least whole number of microseconds w so that |d| < cooldown exactly when |d| < w."""
    # Rounded first: the product of a decimal like 1.1 may lie a hair above its integer.
    return math.ceil(round(min(cooldown_seconds * 1e6, _LONGEST_US), 3))
