"""Matches put through cooldowns in batches that commit, conflict, fail or are cut off by a kill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from hypothesis import strategies as st

from channels.alert import Alert, Priority
from engine.pipeline.cooldown import Candidate, Cooldown, Verdicts, ask_of
from engine.pipeline.outcome import Verdict
from engine.store import Ask, Batch, NewAlert, Past

RULE = "a_rule"
CAPACITIES: tuple[int | None, ...] = (0, 1, 7, None)
MINUTE_US = 60_000_000
ENGINES = 2
NOTHING = Past((), {}, {})


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
    DECIDED_TWICE = "decided twice, the first time on a past that was none"
    FAILED = "failed"
    KILLED_BEFORE = "killed before its transaction"
    KILLED_AFTER = "killed after its transaction"


@dataclass(frozen=True, slots=True)
class Step:
    """The next batch, and which of the engines on the store takes it."""

    size: int
    fate: Fate
    engine: int = 0


class Keeper(Protocol):
    """What a batch is decided on and stored in."""

    def decide(self, ask: Ask, decide: Callable[[Past], Batch]) -> Batch:
        """As `Stream.decide`."""


class MemoryKeeper:
    """Keeps in memory what a store does of a batch."""

    def __init__(self) -> None:
        self.alert_ids: set[str] = set()
        self.instants: dict[str, list[int]] = {}
        self.counts: Counter[str] = Counter()

    def decide(self, ask: Ask, decide: Callable[[Past], Batch]) -> Batch:
        batch = decide(self.past(ask))
        for new in batch.alerts:
            self.alert_ids.add(new.alert.alert_id)
            if new.dedup_key is not None:
                self.instants.setdefault(new.dedup_key, []).append(new.time_us)
                self.counts[new.dedup_key] = 0
        self.counts.update(batch.suppressed)
        return batch

    def past(self, ask: Ask) -> Past:
        """What is kept, and not more of it than was asked for."""
        return Past(
            self.alert_ids.intersection(ask.alert_ids),
            {
                key: sorted(
                    {
                        at
                        for moment in moments
                        for at in _nearest(self.instants.get(key, ()), *moment)
                    }
                )
                for key, moments in ask.moments.items()
            },
            {key: self.counts[key] for key in ask.moments},
        )


def _nearest(instants: Sequence[int], time_us: int, width_us: int) -> Iterator[int]:
    near = [at for at in instants if abs(at - time_us) < width_us]
    yield from sorted(at for at in near if at <= time_us)[-1:]
    yield from sorted(at for at in near if at >= time_us)[:1]


class CutOff(Exception):  # noqa: N818 - no error: the test wants it
    """The batch does not get to its commit."""


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
    matches: Sequence[Match],
    plan: Sequence[Step],
    keeper: Keeper,
    capacity: int | None,
    prefix: str = "",
) -> Run:
    """Put `matches` through in the batches of `plan`, the rest in one; what fails is read again.

    `prefix` keeps the runs apart that share a keeper.
    """
    run, read, timer = Run(), 0, Timer()
    cooldowns = [Cooldown(capacity, timer) for _ in range(ENGINES)]
    for step in (*plan, Step(len(matches) + 1, Fate.COMMITTED)):
        timer.seconds += 100.0
        portion = matches[read : read + step.size]
        cooldown = cooldowns[step.engine]
        try:
            verdicts, alerts = decide_portion(portion, step.fate, keeper, cooldown, prefix)
        except CutOff:
            if step.fate is Fate.KILLED_BEFORE:
                cooldowns[step.engine] = Cooldown(capacity, timer)
            continue
        run.alerts += alerts
        if step.fate is Fate.KILLED_AFTER:
            cooldowns[step.engine] = Cooldown(capacity, timer)
        else:
            cooldown.committed(verdicts)
            read += len(portion)
    for key in {match.key for match in matches if match.key is not None}:
        carried = sum(cooldown.carried.get(prefix + key, 0) for cooldown in cooldowns)
        run.untold[key] = stored_count(keeper, prefix + key) + carried
    return run


def decide_portion(
    portion: Sequence[Match], fate: Fate, keeper: Keeper, cooldown: Cooldown, prefix: str
) -> tuple[Verdicts, list[Raised]]:
    """The verdicts of one batch, and its alerts, which the keeper has; CutOff if it has not."""
    candidates = [candidate_of(match, cooldown, prefix) for match in portion]
    decided: list[tuple[Verdicts, list[Raised]]] = []

    def decide(past: Past) -> Batch:
        verdicts = cooldown.verdicts(past)
        alerts = raise_alerts(verdicts, zip(portion, candidates, strict=True))
        decided.append((verdicts, alerts))
        return Batch([new_alert(each, prefix) for each in alerts], verdicts.suppressed)

    def live(past: Past) -> Batch:
        if fate is Fate.DECIDED_TWICE:
            decide(NOTHING)
        batch = decide(past)
        if fate in {Fate.FAILED, Fate.KILLED_BEFORE}:
            raise CutOff
        return batch

    keeper.decide(ask_of(candidates), live)
    return decided[-1]


def candidate_of(match: Match, cooldown: Cooldown, prefix: str = "") -> Candidate:
    """The match as its cooldown has it."""
    key = None if match.key is None else prefix + match.key
    alert_id = prefix + match.digest.hex()
    return cooldown.candidate(alert_id, key, match.time_us, match.cooldown_seconds)


def raise_alerts(verdicts: Verdicts, candidates: Iterable[tuple[Match, Candidate]]) -> list[Raised]:
    """The alerts of one batch, none of them stored yet."""
    alerts = []
    for match, candidate in candidates:
        if verdicts.decide(candidate) is Verdict.ALERT:
            alerts.append(Raised(match, verdicts.suppressed_count(candidate.key)))
            verdicts.made(candidate)
    return alerts


def new_alert(raised: Raised, prefix: str = "") -> NewAlert:
    """The alert as it is stored."""
    match = raised.match
    alert = Alert(
        prefix + match.digest.hex(), prefix + RULE, "A rule", Priority.LOW, "", "", "", raised.told
    )
    key = None if match.key is None else prefix + match.key
    return NewAlert(alert, match.digest, key, match.time_us)


def stored_count(keeper: Keeper, key: str) -> int:
    """How many suppressed matches the keeper has counted of the key."""
    found = []

    def look(past: Past) -> Batch:
        found.append(past.counts.get(key, 0))
        return Batch((), {})

    keeper.decide(Ask((), {key: ()}), look)
    return found[-1]


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


def plans(
    fates: Sequence[Fate] = tuple(Fate), engines: Collection[int] = (0,)
) -> st.SearchStrategy[list[Step]]:
    """Batches of some size and fate, each for one of the engines."""
    step = st.builds(Step, st.integers(1, 20), st.sampled_from(fates), st.sampled_from([*engines]))
    return st.lists(step, max_size=12)
