"""Why nobody was told of a plate: the whole chain, from the camera to the delivery.

Read: not at all, in the lag, a dead letter. By rule: false, error, outside of its time, silenced,
suppressed, expired. Then by delivery: no channel, waiting, held, dead, sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from engine.pipeline.outcome import Verdict
from engine.schema import NORMALIZED_PLATE, EventSchema, value_at
from engine.schema.event import EPOCH, LATEST_EVENT_SECONDS, Event
from engine.simulate.explain import Explainer, Explanation, KeptAlerts, verdict_of
from engine.simulate.former_rules import FormerRules, RulesOfTime, change_text
from engine.simulate.plate_search import FoundReadings, NearReading, Undecodable, passes
from engine.simulate.simulation import MAX_ALERT_AGE_SECONDS
from engine.store import (
    AlertFilter,
    DeliveryState,
    Hold,
    Silence,
    StoredAlert,
    StoredDelivery,
)
from engine.stream.record import DeadLetter, Partition, Record
from engine.watchlist import plate_of

#: Readings of a camera that are no further apart are of one pass of the car.
PASS_SECONDS: Final = 60.0
#: How many readings of a pass are judged, and how many alerts of the plate are looked at.
MOST_JUDGED: Final = 50
MOST_ALERTS: Final = 1_000
#: How much earlier than its event an alert may have been stored, by clocks that differ.
_CLOCKS_DIFFER: Final = timedelta(minutes=10)
#: How much later it may have been stored: older events have the time of their record.
_LATEST: Final = timedelta(seconds=LATEST_EVENT_SECONDS) + timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)


class Reason(StrEnum):
    """How far it came.

    NOT_READ: by no camera; of a rule: the engine stored no alert, though it holds.
    """

    NOT_READ = "not_read"
    IN_LAG = "in_lag"
    DEAD_LETTER = "dead_letter"
    FALSE = "false"
    ERROR = "error"
    INACTIVE = "inactive"
    MUTED = "muted"
    SILENCED = "silenced"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    UNROUTED = "unrouted"
    WAITING = "waiting"
    HELD = "held"
    DEAD = "dead"
    SENT = "sent"


#: What answers first, where several rules, or several readings of one pass, came differently far.
_FIRST: Final = (
    Reason.DEAD,
    Reason.HELD,
    Reason.WAITING,
    Reason.SENT,
    Reason.UNROUTED,
    Reason.EXPIRED,
    Reason.SILENCED,
    Reason.SUPPRESSED,
    Reason.MUTED,
    Reason.INACTIVE,
    Reason.IN_LAG,
    Reason.DEAD_LETTER,
    Reason.NOT_READ,
    Reason.ERROR,
    Reason.FALSE,
)
_OF_VERDICTS: Final = {
    Verdict.FALSE: Reason.FALSE,
    Verdict.ERROR: Reason.ERROR,
    Verdict.INACTIVE: Reason.INACTIVE,
    Verdict.MUTED: Reason.MUTED,
    Verdict.SILENCED: Reason.SILENCED,
    Verdict.SUPPRESSED: Reason.SUPPRESSED,
    Verdict.EXPIRED: Reason.EXPIRED,
}


class KeptAlertsOfPlate(KeptAlerts, Protocol):
    """What is stored of alerts, also by plate; `engine.store.Archive` is one."""

    def alerts(self, limit: int, only: AlertFilter) -> list[StoredAlert]:
        """The newest alerts."""


@dataclass(frozen=True, slots=True)
class Question:
    """Why not `plate`, `at` that time, as far as it is known, or from `since` until before `until`?

    `rule_id` asks for one rule, "" for all.
    """

    plate: str
    since: datetime
    until: datetime
    at: datetime | None = None
    rule_id: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known beside the readings.

    `committed` is the offset that the engine reads next, by partition, None where Kafka could not
    be asked. `letters` are the dead letters of the time.
    """

    committed: Mapping[Partition, int] | None = None
    letters: Sequence[DeadLetter] = ()
    held: Sequence[Hold] = ()
    silences: Sequence[Silence] = ()
    max_alert_age_seconds: float = MAX_ALERT_AGE_SECONDS


@dataclass(frozen=True, slots=True)
class ReadingState:
    """A reading, and whether the engine has come to it.

    `reason` is IN_LAG, with the number of records `behind` which it lies, or DEAD_LETTER, with the
    `letter`; None where it was processed.
    """

    event: Event
    reason: Reason | None = None
    behind: int = 0
    letter: DeadLetter | None = None


@dataclass(frozen=True, slots=True)
class RuleAnswer:
    """What became of one rule on one reading: `explanation` is None where the rule is unknown.

    `alert` is the one that was stored. `changed` says what has become of the rule since.
    """

    rule_id: str
    reason: Reason
    reading: ReadingState
    explanation: Explanation | None = None
    alert: StoredAlert | None = None
    held: tuple[Hold, ...] = ()
    changed: str = ""

    @property
    def deliveries(self) -> tuple[StoredDelivery, ...]:
        """The deliveries of its alert, or of the one that suppresses it."""
        alert = self.alert or self.suppressor
        return alert.deliveries if alert is not None else ()

    @property
    def suppressor(self) -> StoredAlert | None:
        """The alert that suppresses it."""
        return self.explanation.suppressor if self.explanation is not None else None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer: `reason` is that of the `headline`, the rule that came furthest.

    `readings` are all of the plate in the window, `rules` what became of each rule on the pass that
    was asked for, furthest first. `near` are readings of other plates, where there was none.
    `notes` say what could not be found out, and by which rules it was judged.
    """

    question: Question
    reason: Reason
    headline: RuleAnswer | None = None
    readings: Sequence[ReadingState] = ()
    rules: Sequence[RuleAnswer] = ()
    near: Sequence[NearReading] = ()
    undecodable: Sequence[Undecodable] = ()
    notes: Sequence[str] = ()


def why_not(
    question: Question,
    found: FoundReadings,
    around: Surroundings,
    rules: FormerRules,
    schema: EventSchema,
    alerts: KeptAlertsOfPlate,
) -> Answer:
    """Answer the question by what was found in the topics, and by what is stored."""
    return _Chain(question, found, around, rules, schema, alerts).answer()


def event_of(stored: StoredAlert, schema: EventSchema) -> Event:
    """The event of a stored alert."""
    return Event(
        schema.complete(schema.fitting(stored.alert.event)),
        EPOCH + stored.time_us * _MICROSECOND,
        stored.digest,
        stored.topic,
        stored.partition,
        stored.offset,
    )


@dataclass(slots=True)
class _Chain:
    question: Question
    found: FoundReadings
    around: Surroundings
    rules: FormerRules
    schema: EventSchema
    alerts: KeptAlertsOfPlate
    notes: dict[str, None] = field(default_factory=dict)
    _explainers: dict[int, Explainer] = field(default_factory=dict)
    _letters: dict[tuple[str, int, int], DeadLetter] = field(init=False)

    def __post_init__(self) -> None:
        self._letters = {_place(letter.record): letter for letter in self.around.letters}

    def answer(self) -> Answer:
        stored = self._stored()
        readings = [self._state(event, stored) for event in self._events(stored)]
        if not readings:
            return self._not_read()
        chosen = self._pass(readings)
        rules = self._rules(chosen, stored)
        headline = rules[0] if rules else None
        reason = headline.reason if headline is not None else Reason.FALSE
        return Answer(
            self.question, reason, headline, readings, rules, (), self._named(), tuple(self.notes)
        )

    def _not_read(self) -> Answer:
        named = self._named()
        count = self.found.undecodable_count
        if count and not named:
            first = self.found.undecodable[0]
            self.notes[f"{count:,} records could not be decoded, the first: {first.reason}"] = None
        return Answer(
            self.question,
            Reason.DEAD_LETTER if named else Reason.NOT_READ,
            near=self.found.near,
            undecodable=named or self.found.undecodable,
            notes=tuple(self.notes),
        )

    def _named(self) -> list[Undecodable]:
        """The records that hold the plate's text and are no events."""
        return [
            each
            for each in self.found.undecodable
            if each.names_plate and (each.is_certain or _place(each.record) in self._letters)
        ]

    def _stored(self) -> Mapping[bytes, list[StoredAlert]]:
        """The alerts on readings of the plate within the window, by their event's digest."""
        plate = plate_of(self.question.plate)
        found: dict[bytes, list[StoredAlert]] = {}
        since, until = (_us(each) for each in (self.question.since, self.question.until))
        only = AlertFilter(
            plate=self.question.plate,
            since_us=_us(self.question.since - _CLOCKS_DIFFER),
            until_us=_us(self.question.until + _LATEST),
        )
        for each in self.alerts.alerts(MOST_ALERTS, only):
            # Of near matches another plate was read, which the nearest readings tell.
            is_of_plate = plate_of(value_at(each.alert.event, NORMALIZED_PLATE)) == plate
            if is_of_plate and since <= each.time_us < until:
                found.setdefault(each.digest, []).append(each)
        return found

    def _events(self, stored: Mapping[bytes, list[StoredAlert]]) -> list[Event]:
        """The readings that Kafka has, and those that only an alert knows of, by time."""
        events = list(self.found.readings)
        known = {event.digest for event in events}
        events += [
            event_of(alerts[0], self.schema)
            for digest, alerts in stored.items()
            if digest not in known
        ]
        return sorted(events, key=lambda event: event.time)

    def _state(self, event: Event, stored: Mapping[bytes, list[StoredAlert]]) -> ReadingState:
        if event.digest in stored:
            return ReadingState(event)
        letter = self._letters.get((event.topic, event.partition, event.offset))
        if letter is not None:
            return ReadingState(event, Reason.DEAD_LETTER, letter=letter)
        if self.around.committed is not None:
            next_offset = self.around.committed.get((event.topic, event.partition), 0)
            if event.offset >= next_offset:
                return ReadingState(event, Reason.IN_LAG, event.offset - next_offset)
        return ReadingState(event)

    def _pass(self, readings: Sequence[ReadingState]) -> list[ReadingState]:
        """The readings of the pass that was asked for, the nearest to the time first."""
        states = {id(each.event): each for each in readings}
        events = [each.event for each in readings]
        at = self.question.at or events[-1].time

        def distance(event: Event) -> timedelta:
            return abs(event.time - at)

        nearest = min(events, key=distance)
        group = next(each for each in passes(events, PASS_SECONDS) if nearest in each)
        chosen = sorted(group, key=distance)
        if len(chosen) > MOST_JUDGED:
            what = f"of {len(chosen):,} readings of one pass the nearest {MOST_JUDGED} were judged"
            self.notes[what] = None
        return [states[id(event)] for event in chosen[:MOST_JUDGED]]

    def _rules(
        self, chosen: Sequence[ReadingState], stored: Mapping[bytes, list[StoredAlert]]
    ) -> list[RuleAnswer]:
        """What became of each rule: on the reading on which it came furthest."""
        best: dict[str, RuleAnswer] = {}
        for number, reading in enumerate(chosen):
            of_time = self._rules_of(reading, stored.get(reading.event.digest, ()))
            for answer in self._answers(
                reading, of_time, stored.get(reading.event.digest, ()), with_false=number == 0
            ):
                known = best.get(answer.rule_id)
                if known is None or _rank(answer) < _rank(known):
                    best[answer.rule_id] = answer
        return sorted(best.values(), key=lambda each: (*_rank(each), each.rule_id))

    def _rules_of(self, reading: ReadingState, stored: Sequence[StoredAlert]) -> RulesOfTime:
        event = reading.event
        if reading.reason is Reason.IN_LAG:
            # It will be judged by the rules of then, which are most likely today's.
            return RulesOfTime(self.rules.today)
        digest = next((each.rules_digest for each in stored if each.rules_digest), "")
        if digest:
            found = self.rules.of(digest)
        else:
            found = self.rules.at(max(event.time_us, event.timestamp_ms * 1_000))
        if found.note:
            self.notes[found.note] = None
        return found

    def _answers(
        self,
        reading: ReadingState,
        of_time: RulesOfTime,
        stored: Sequence[StoredAlert],
        *,
        with_false: bool,
    ) -> list[RuleAnswer]:
        explainer = self._explainer(of_time)
        event = reading.event
        outcomes = explainer.outcomes(event)
        by_rule = {each.alert.rule_id: each for each in stored}
        rules = {
            rule.rule_id: rule
            for rule in of_time.rule_set.rules
            if self._is_asked(rule.rule_id)
            and (with_false or rule.rule_id in outcomes or rule.rule_id in by_rule)
        }
        explained = explainer.explain(event, list(rules.values()))
        found = [self._of_rule(each, reading, of_time) for each in explained]
        # Alerts of rules that are gone, where the rules of then are not kept.
        found += [
            self._of_alert(rule_id, each, reading)
            for rule_id, each in by_rule.items()
            if rule_id not in rules and self._is_asked(rule_id)
        ]
        return found

    def _is_asked(self, rule_id: str) -> bool:
        return self.question.rule_id in ("", rule_id)

    def _explainer(self, of_time: RulesOfTime) -> Explainer:
        key = id(of_time.rule_set)
        if key not in self._explainers:
            self._explainers[key] = Explainer(
                of_time.rule_set,
                self.schema,
                self.alerts,
                self.around.silences,
                self.around.max_alert_age_seconds,
            )
        return self._explainers[key]

    def _of_rule(
        self, explained: Explanation, reading: ReadingState, of_time: RulesOfTime
    ) -> RuleAnswer:
        rule_id = explained.rule.rule_id
        change = of_time.changes.get(rule_id)
        changed = change_text(change) if change is not None else ""
        alert = explained.stored
        if alert is not None:
            answer = self._of_alert(rule_id, alert, reading)
            return RuleAnswer(
                rule_id, answer.reason, reading, explained, alert, answer.held, changed
            )
        reason = _OF_VERDICTS.get(explained.verdict)
        if reading.reason is not None and explained.verdict is not Verdict.FALSE:
            reason = reading.reason
        # Without a reason it is an alert by these rules, and nothing is stored of it.
        suppressor = explained.suppressor
        held = delivery_reason(suppressor, self.around.held)[1] if suppressor is not None else ()
        return RuleAnswer(
            rule_id, reason or Reason.NOT_READ, reading, explained, held=held, changed=changed
        )

    def _of_alert(self, rule_id: str, alert: StoredAlert, reading: ReadingState) -> RuleAnswer:
        verdict = verdict_of(alert)
        if verdict in _OF_VERDICTS:
            return RuleAnswer(rule_id, _OF_VERDICTS[verdict], reading, alert=alert)
        reason, held = delivery_reason(alert, self.around.held)
        return RuleAnswer(rule_id, reason, reading, alert=alert, held=held)


def delivery_reason(alert: StoredAlert, held: Sequence[Hold]) -> tuple[Reason, tuple[Hold, ...]]:
    """How far the deliveries of an alert came, the worst of them, and the holds they wait for."""
    if not alert.deliveries:
        return Reason.UNROUTED, ()
    states = {each.state for each in alert.deliveries}
    waiting = {each.target_id for each in alert.deliveries if each.state is DeliveryState.WAITING}
    holds = tuple(each for each in held if each.target_id in waiting)
    if DeliveryState.DEAD in states:
        return Reason.DEAD, holds
    if holds:
        return Reason.HELD, holds
    return (Reason.WAITING if waiting else Reason.SENT), ()


def failing_condition(explained: Explanation) -> tuple[int, int]:
    """The first condition of a rule that did not hold, from 1, and how many it has."""
    conditions = explained.trace.conditions
    place = next(
        (number for number, each in enumerate(conditions, 1) if each.value is not True),
        len(conditions),
    )
    return place, len(conditions)


def _rank(answer: RuleAnswer) -> tuple[int, float]:
    """How far it came: less is further. Of rules that are false, how much of one held."""
    held = 0.0
    if answer.reason is Reason.FALSE and answer.explanation is not None:
        place, count = failing_condition(answer.explanation)
        held = (place - 1) / count
    return _FIRST.index(answer.reason), -held


def _place(record: Record) -> tuple[str, int, int]:
    return record.topic, record.partition, record.offset


def _us(moment: datetime) -> int:
    return (moment - EPOCH) // _MICROSECOND


def plate_text(event: Event) -> str:
    """The plate of a reading, as its camera has normalised it."""
    value = value_at(event.values, NORMALIZED_PLATE)
    return value if isinstance(value, str) else ""
