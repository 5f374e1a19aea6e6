"""Why a rule did what it did on one event: the verdict, and the evidence for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from engine.cel.trace import Trace, trace
from engine.match import Asked, IndexedMatcher, LookUps
from engine.pipeline.active_rules import alert_id, prepare
from engine.pipeline.outcome import RuleOutcome, Verdict
from engine.rules import Rule, RuleSet
from engine.schema import EventSchema
from engine.schema.event import Event
from engine.simulate.simulation import MAX_ALERT_AGE_SECONDS, Simulation
from engine.store import Ask, Batch, Past, Silence, StoredAlert
from engine.stream.record import Record

#: Stands for the bytes of a record, which nobody reads.
_NO_BYTES: Final = b"-"


class KeptAlerts(Protocol):
    """What is stored of alerts; `engine.store.Archive` is one."""

    def past(self, ask: Ask) -> Past:
        """What is stored of what is asked."""

    def alert(self, alert_id: str) -> StoredAlert | None:
        """The alert with this id."""

    def alert_of_key(self, dedup_key: str, time_us: int) -> StoredAlert | None:
        """The alert of this cooldown key whose event has this time."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of `rule` on an event, and why.

    `trace` has the value of each part of the condition. `asked` are the keys by which the index
    looked the rule up; `always` says why there is none. `outcome` is there where the condition held
    or failed. `stored` is the rule's alert on this event; `suppressor` the alert whose cooldown the
    match fell into, `silence` what silenced it.
    """

    rule: Rule
    verdict: Verdict
    trace: Trace
    asked: tuple[Asked, ...]
    always: str
    is_candidate: bool
    outcome: RuleOutcome | None = None
    stored: StoredAlert | None = None
    suppressor: StoredAlert | None = None
    silence: Silence | None = None


class Explainer:
    """Explains what the rules of one set make of single events; it stores nothing.

    With `alerts`, cooldowns go by what is stored, and the alerts that are stored of the event say
    what became of it. Without, each event has nothing before it.
    """

    def __init__(
        self,
        rule_set: RuleSet,
        schema: EventSchema,
        alerts: KeptAlerts | None = None,
        silences: Sequence[Silence] = (),
        max_alert_age_seconds: float = MAX_ALERT_AGE_SECONDS,
    ) -> None:
        self.rule_set: Final = rule_set
        self._alerts: Final = alerts
        self._silences: Final = {each.silence_id: each for each in silences}
        self._events: Final = _KnownEvents(schema)
        self._simulation: Final = Simulation(
            prepare(rule_set),
            self._events,
            max_alert_age_seconds=max_alert_age_seconds,
            remembers=False,
            silences=silences,
            past=_ReadOnly(alerts) if alerts is not None else None,
        )

    def outcomes(self, event: Event) -> Mapping[str, RuleOutcome]:
        """What became of each rule that held or failed on the event, by its id."""
        found = self._simulation.process([self._events.record(event)])
        return {outcome.rule.rule_id: outcome for outcome in found.outcomes}

    def look_ups(self, event: Event) -> LookUps:
        """What the index looks up for the event."""
        matcher = self._simulation.rules.matcher
        assert isinstance(matcher, IndexedMatcher)
        return matcher.look_ups(event)

    def explain(self, event: Event, rules: Sequence[Rule] | None = None) -> list[Explanation]:
        """Explain the event for these rules of the set, by default for all of them."""
        outcomes, look_ups = self.outcomes(event), self.look_ups(event)
        chosen = self.rule_set.rules if rules is None else rules
        return [self._explain(event, rule, outcomes.get(rule.rule_id), look_ups) for rule in chosen]

    def _explain(
        self, event: Event, rule: Rule, outcome: RuleOutcome | None, look_ups: LookUps
    ) -> Explanation:
        rule_id = rule.rule_id
        verdict = outcome.verdict if outcome is not None else Verdict.FALSE
        explained = Explanation(
            rule,
            verdict,
            trace(rule.condition, event.bindings),
            look_ups.of(rule_id),
            look_ups.always.get(rule_id, ""),
            rule_id in look_ups.candidates,
            outcome,
        )
        return self.with_evidence(event, explained)

    def with_evidence(self, event: Event, explained: Explanation) -> Explanation:
        """The explanation with what is stored of it."""
        outcome, alerts = explained.outcome, self._alerts
        silence = self._silences.get(outcome.silenced_by) if outcome is not None else None
        explained = replace(explained, silence=silence)
        if alerts is None:
            return explained
        stored = alerts.alert(alert_id(event.digest, explained.rule.rule_id))
        if stored is not None:
            silence = self._silences.get(stored.silenced_by)
            return replace(explained, verdict=verdict_of(stored), stored=stored, silence=silence)
        if outcome is None or outcome.suppressed_by_us is None or outcome.key is None:
            return explained
        suppressor = alerts.alert_of_key(outcome.key, outcome.suppressed_by_us)
        return replace(explained, suppressor=suppressor)


def verdict_of(stored: StoredAlert) -> Verdict:
    """The verdict that has stored this alert."""
    if stored.silenced_by:
        return Verdict.SILENCED
    return Verdict.EXPIRED if stored.is_expired else Verdict.ALERT


class _KnownEvents:
    """Makes records of events that are decoded already, and gives those events back."""

    def __init__(self, schema: EventSchema) -> None:
        self.schema: Final = schema
        self._events: Final[dict[int, Event]] = {}

    def record(self, event: Event) -> Record:
        """A record of the event, at its place."""
        record = Record(
            event.topic, event.partition, event.offset, event.timestamp_ms, None, _NO_BYTES
        )
        self._events[id(record)] = event
        return record

    def decode(self, record: Record) -> Event:
        """The record's event, once."""
        return self._events.pop(id(record))

    def expect(self, record: Record) -> None:
        """Nothing to do: no schema is asked for."""


class _ReadOnly:
    """A past of which verdicts are made, and nothing is stored."""

    def __init__(self, alerts: KeptAlerts) -> None:
        self._alerts: Final = alerts

    def decide(self, ask: Ask, decide: Callable[[Past], Batch]) -> Batch:
        """What `decide` makes of the past."""
        past = self._alerts.past(ask)
        # That the event's own alerts are stored makes it no duplicate: how did that come?
        return decide(replace(past, stored=()))
