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
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from cachetools import TTLCache

from engine.errors import EvaluationError
from engine.pipeline.outcome import Verdict
from engine.store import Ask, Past

# Far shorter than any retention, so a remembered alert is still in the store.
CACHE_TTL_SECONDS: Final = 3600.0
# Counts are only shown to people; beyond this many keys the oldest counts are forgotten.
MAX_CARRIED_KEYS: Final = 100_000
_LONGEST_US: Final = 1 << 61
_INT64: Final = float(1 << 63)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Candidate(NamedTuple):
    """A match that may become the alert of this id; `time_us` is its event's instant.

    `key` is that of its cooldown, None where it is never suppressed. An alert of the key suppresses
    it from less than `width_us` away; `cooling_us` is the instant of one that the cache knows.
    """

    alert_id: str
    key: str | None
    time_us: int
    width_us: int
    cooling_us: int | None


class Cooldown:
    """What is remembered between batches; one thread uses it, one batch at a time.

    `capacity` bounds the number of keys in the cache, None is unlimited; `timer` gives the
    seconds by which the cache ages.
    """

    def __init__(
        self, capacity: int | None = 100_000, timer: Callable[[], float] = time.monotonic
    ) -> None:
        size = math.inf if capacity is None else capacity
        self._cache: TTLCache[str, int] | None = (
            TTLCache(size, CACHE_TTL_SECONDS, timer) if size > 0 else None
        )
        self._carried: dict[str, int] = {}

    @property
    def carried(self) -> Mapping[str, int]:
        """Suppressed counts by key that no transaction has taken yet: save them at a clean stop."""
        return self._carried

    def candidate(
        self, alert_id: str, key: str | None, time_us: int, cooldown_seconds: float
    ) -> Candidate:
        """A match, with what the cache knows of it."""
        width_us = _width_us(cooldown_seconds)
        known = None if key is None or self._cache is None else self._cache.get(key)
        if known is not None and abs(time_us - known) >= width_us:
            known = None
        return Candidate(alert_id, key, time_us, width_us, known)

    def verdicts(self, past: Past) -> Verdicts:
        """The verdicts on a batch; without `committed` they leave no trace."""
        return Verdicts(past, self._carried)

    def committed(self, verdicts: Verdicts) -> None:
        """Remember these: their alerts are stored with `suppressed`, or there were none."""
        if verdicts.latest_by_key and self._cache is not None:
            self._cache.update(verdicts.latest_by_key)
        if verdicts.has_alerts:
            self._carried = {}
            return
        for key, count in verdicts.counts.items():
            self._carried[key] = self._carried.get(key, 0) + count
        while len(self._carried) > MAX_CARRIED_KEYS:
            del self._carried[next(iter(self._carried))]


class Verdicts:
    """The verdicts of one batch on one past, in order; they see the alerts made so far.

    By key, `counts` has what was suppressed since the last alert made, `latest_by_key` its instant.
    """

    def __init__(self, past: Past, carried: Mapping[str, int]) -> None:
        self._past = past
        self._carried = carried
        self._made: set[str] = set()
        self._instants: dict[str, list[int]] = {}
        self.counts: dict[str, int] = {}
        self.latest_by_key: dict[str, int] = {}

    @property
    def has_alerts(self) -> bool:
        """Whether an alert was made."""
        return bool(self._made)

    def decide(self, candidate: Candidate) -> Verdict:
        """The verdict on the next match; call `made` where it has become an alert."""
        if candidate.alert_id in self._past.stored or candidate.alert_id in self._made:
            return Verdict.DUPLICATE
        key = candidate.key
        if key is not None and self.suppressor(candidate) is not None:
            self.counts[key] = self.counts.get(key, 0) + 1
            return Verdict.SUPPRESSED
        return Verdict.ALERT

    def suppressor(self, candidate: Candidate) -> int | None:
        """The instant of an alert whose cooldown the match is in; None where there is none."""
        key, time_us, width_us = candidate.key, candidate.time_us, candidate.width_us
        if key is None or candidate.cooling_us is not None:
            return candidate.cooling_us
        instants = self._instants.get(key) or self._past.instants.get(key, ())
        place = bisect_left(instants, time_us)
        near = instants[max(place - 1, 0) : place + 1]
        return next((each for each in near if abs(time_us - each) < width_us), None)

    def suppressed_count(self, key: str | None) -> int:
        """How many suppressed matches the key's next alert has to report."""
        if key is None:
            return 0
        count = self.counts.get(key, 0)
        if key in self.latest_by_key:
            return count
        return self._past.counts.get(key, 0) + self._carried.get(key, 0) + count

    def made(self, candidate: Candidate) -> None:
        """The match has become an alert, which reports what was suppressed before it."""
        self._made.add(candidate.alert_id)
        key = candidate.key
        if key is None:
            return
        if key not in self._instants:
            self._instants[key] = [*self._past.instants.get(key, ())]
        insort(self._instants[key], candidate.time_us)
        self.latest_by_key[key] = candidate.time_us
        self.counts.pop(key, None)

    @property
    def suppressed(self) -> Mapping[str, int]:
        """What to add to the stored counts, after the alerts have reset those of their keys.

        Without alerts it is nothing: counts alone are not worth a synced transaction.
        """
        if not self.has_alerts:
            return {}
        added = {k: n for k, n in self._carried.items() if k not in self.latest_by_key}
        for key, count in self.counts.items():
            added[key] = added.get(key, 0) + count
        return added


def ask_of(candidates: Iterable[Candidate]) -> Ask:
    """What the verdicts on these depend on: which are stored, and the alerts around them.

    What the cache knows to be suppressed needs no alerts.
    """
    alert_ids, moments = set(), dict[str, set[tuple[int, int]]]()
    for alert_id, key, time_us, width_us, cooling_us in candidates:
        alert_ids.add(alert_id)
        if key is not None and cooling_us is None:
            moments.setdefault(key, set()).add((time_us, width_us))
    return Ask(alert_ids, moments)


_TRACK: Final = ("camera_id", "track_id")

# Made once: `json.dumps` with separators makes one each time, half of a key's price.
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


def cooldown_key(rule_id: str, texts: Sequence[str], values: Sequence[Any]) -> str | None:
    """The canonical text of (rule, key expressions' texts, their values); None if all are absent.

    Null and a text of blanks are absent, and so are lists and maps that hold nothing else. Values
    that CEL calls equal give the same key (1 and 1.0), all others different ones; absent ones are
    all the same. EvaluationError (`dedup_key_type`) if a value has no canonical text.
    """
    found = values_key(values)
    return None if found is None else _encode([rule_id, list(texts), found])


def values_key(values: Sequence[Any]) -> list[Any] | None:
    """The values as JSON, the same for values that CEL calls equal; see `cooldown_key`."""
    present = [None if _is_absent(value) else value for value in values]
    if all(value is None for value in present):
        return None
    return [_canonical(value) for value in present]


def track_key(rule_id: str, event: Mapping[str, Any]) -> str | None:
    """The key of the vehicle that a camera follows, for matches that have none of their own.

    None where the event names neither camera nor track.
    """
    return cooldown_key(rule_id, _TRACK, [event.get(name) for name in _TRACK])


def silenced_key(key: str | None) -> str | None:
    """The key of a silenced match's own cooldown, so that it never touches that of real alerts."""
    # All other keys are JSON lists.
    return None if key is None else f"silenced {key}"


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
