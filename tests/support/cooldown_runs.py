"""Matches put through cooldowns in batches that commit, fail or are cut off by a kill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from hypothesis import strategies as st

from channels.alert import Alert, Priority
from engine.pipeline.cooldown import AlertHistory, Cooldown, CooldownBatch, Verdict
from engine.store import NewAlert, Store

RULE = "a_rule"
CAPACITIES: tuple[int | None, ...] = (0, 1, 7, None)
MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class Match:
    """One match: its key, the event's instant and identity, and the cooldown then in force."""

    key: str | None
    time_us: int
    digest: bytes
    cooldown_seconds: float


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert that was stored."""

    match: Match
    told: int


class Fate(StrEnum):
    """What becomes of a batch."""

    COMMITTED = "committed"
    FAILED = "failed"
    KILLED_BEFORE = "killed before its transaction"
    KILLED_AFTER = "killed after its transaction"


@dataclass(frozen=True, slots=True)
class Step:
    """The next batch."""

    size: int
    fate: Fate


class Keeper(AlertHistory, Protocol):
    """A history that also takes alerts."""

    def keep(self, alerts: Sequence[Raised], suppressed: Mapping[str, int]) -> None:
        """Store all of them at once."""


class MemoryKeeper:
    """A history in memory; it counts what it is asked."""

    def __init__(self) -> None:
        self.events: set[tuple[bytes, str]] = set()
        self.instants: dict[str, list[int]] = {}
        self.counts: Counter[str] = Counter()
        self.asked = 0

    def has_alert(self, digest: bytes, rule_id: str) -> bool:
        return (digest, rule_id) in self.events

    def has_alert_between(self, dedup_key: str, after_us: int, before_us: int) -> bool:
        self.asked += 1
        return any(after_us < at < before_us for at in self.instants.get(dedup_key, ()))

    def suppressed_count(self, dedup_key: str) -> int:
        return self.counts[dedup_key]

    def keep(self, alerts: Sequence[Raised], suppressed: Mapping[str, int]) -> None:
        if not alerts:
            return
        for alert in alerts:
            self.events.add((alert.match.digest, RULE))
            if alert.match.key is not None:
                self.instants.setdefault(alert.match.key, []).append(alert.match.time_us)
                self.counts[alert.match.key] = 0
        self.counts.update(suppressed)


class StoreKeeper:
    """A real store; `prefix` keeps the runs apart that share it."""

    def __init__(self, store: Store, prefix: str) -> None:
        self.store = store
        self.prefix = prefix

    def has_alert(self, digest: bytes, rule_id: str) -> bool:
        return self.store.has_alert(digest, self.prefix + rule_id)

    def has_alert_between(self, dedup_key: str, after_us: int, before_us: int) -> bool:
        return self.store.has_alert_between(self.prefix + dedup_key, after_us, before_us)

    def suppressed_count(self, dedup_key: str) -> int:
        return self.store.suppressed_count(self.prefix + dedup_key)

    def keep(self, alerts: Sequence[Raised], suppressed: Mapping[str, int]) -> None:
        counts = {self.prefix + key: count for key, count in suppressed.items()}
        self.store.save([self._new(alert) for alert in alerts], counts)

    def _new(self, raised: Raised) -> NewAlert:
        match, rule_id = raised.match, self.prefix + RULE
        alert_id = rule_id + match.digest.hex()
        return NewAlert(
            Alert(alert_id, rule_id, "A rule", Priority.LOW, "", "", "", raised.told),
            match.digest,
            None if match.key is None else self.prefix + match.key,
            match.time_us,
        )


@dataclass
class Timer:
    """Seconds that pass when told."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Run:
    """What came out: the alerts stored, in order, and what is told to nobody yet."""

    alerts: list[Raised] = field(default_factory=list)
    untold: Counter[str] = field(default_factory=Counter)


def run_matches(
    matches: Sequence[Match], plan: Sequence[Step], keeper: Keeper, capacity: int | None
) -> Run:
    """Put `matches` through in the batches of `plan`, the rest in one; what fails is read again."""
    run, read, timer = Run(), 0, Timer()
    cooldown = Cooldown(keeper, capacity, timer)
    for step in (*plan, Step(len(matches) + 1, Fate.COMMITTED)):
        timer.seconds += 100.0
        portion = matches[read : read + step.size]
        batch = cooldown.batch()
        alerts = decide_all(batch, portion)
        if step.fate in {Fate.COMMITTED, Fate.KILLED_AFTER}:
            keeper.keep(alerts, batch.suppressed)
            run.alerts += alerts
        if step.fate in {Fate.KILLED_BEFORE, Fate.KILLED_AFTER}:
            cooldown = Cooldown(keeper, capacity, timer)
        if step.fate is Fate.COMMITTED:
            batch.committed()
            read += len(portion)
    for key in {match.key for match in matches if match.key is not None}:
        run.untold[key] = keeper.suppressed_count(key) + cooldown.carried.get(key, 0)
    return run


def decide_all(batch: CooldownBatch, matches: Sequence[Match]) -> list[Raised]:
    """The alerts of one batch, none of them stored yet."""
    alerts = []
    for match in matches:
        verdict = batch.decide(RULE, match.key, match.cooldown_seconds, match.time_us, match.digest)
        if verdict is Verdict.ALERT:
            alerts.append(Raised(match, batch.suppressed_count(match.key)))
    return alerts


def expected_run(matches: Sequence[Match]) -> Run:
    """The oracle: the rule of the cooldown word for word, one match after the other."""
    run = Run()
    for match in matches:
        earlier = [raised.match.time_us for raised in run.alerts if raised.match.key == match.key]
        width_us = match.cooldown_seconds * 1e6
        if match.key is None:
            run.alerts.append(Raised(match, 0))
        elif any(abs(match.time_us - at) < width_us for at in earlier):
            run.untold[match.key] += 1
        else:
            run.alerts.append(Raised(match, run.untold.pop(match.key, 0)))
    return run


@st.composite
def match_lists(draw: st.DrawFn, cooldowns_seconds: Sequence[float]) -> list[Match]:
    """Matches of some plates, seen by cameras whose clocks are up to ten minutes apart."""
    skews = draw(st.lists(st.integers(-600, 600), min_size=1, max_size=4))
    drawn = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["A", "B", "C", None]),
                st.integers(0, 3_600),
                st.sampled_from(skews),
                st.sampled_from(cooldowns_seconds),
            ),
            max_size=60,
        )
    )
    return [
        Match(key, (second + skew) * 1_000_000, number.to_bytes(16, "big"), cooldown_seconds)
        for number, (key, second, skew, cooldown_seconds) in enumerate(drawn)
    ]


def plans(fates: Sequence[Fate] = tuple(Fate)) -> st.SearchStrategy[list[Step]]:
    """Batches of some size and fate."""
    return st.lists(st.builds(Step, st.integers(1, 20), st.sampled_from(fates)), max_size=12)
