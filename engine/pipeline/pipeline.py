"""The way of a batch: decode and match, then decide, render and store in one transaction.

Nothing here sleeps, sends or waits: records that can't be processed now are left to the caller. A
batch is matched by one rule set, whenever another is put in force. Whatever fails on one record,
storing and logging included, makes that record a dead letter and no other.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from engine.clock import Clock
from engine.errors import (
    AlertEngineError,
    DecodeError,
    EvaluationError,
    RegistryUnavailableError,
    StoreError,
    StoreUnavailableError,
    UnstorableError,
)
from engine.health import Heartbeat, Stage
from engine.match import RuleError
from engine.metrics import Increments, Metrics
from engine.pipeline.active_rules import ActiveRules, alert_id, prepare, render
from engine.pipeline.cooldown import (
    Candidate,
    Cooldown,
    Verdicts,
    ask_of,
    cooldown_key,
    silenced_key,
    track_key,
)
from engine.pipeline.event_log import EventNotes
from engine.pipeline.grouping import places
from engine.pipeline.outcome import RuleOutcome, Verdict
from engine.pipeline.silences import SilencesInForce
from engine.rules import Rule, RuleSet
from engine.schema import CAMERA_ID, EventSchema
from engine.schema.event import Event
from engine.store import Ask, Batch, FreshAlert, NewAlert, Past, Silence, cut_event
from engine.stream.record import DeadLetter, DeadLetterType, Partition, Record


class EventDecoder(Protocol):
    """Makes events of records, all of one `schema`; `engine.stream.decoder` has that for Kafka."""

    @property
    def schema(self) -> EventSchema:
        """The schema of its events."""

    def decode(self, record: Record) -> Event:
        """The record's event.

        Raises DecodeError where the record is none, and RegistryUnavailableError while that can't
        be known.
        """

    def expect(self, record: Record) -> None:
        """Get ready for a record that is decoded later."""


class AlertStream(Protocol):
    """Stores what a batch makes of the past; `engine.store.Stream` is one."""

    def decide(self, ask: Ask, decide: Callable[[Past], Batch]) -> Batch:
        """Store what `decide` makes of what is stored, as far as it is asked, and return it."""


NO_RULES: Final = RuleSet((), (), {}, (), ())


@dataclass(slots=True)
class BatchResult:
    """What became of a batch: the `processed` records, in their order, need not be read again.

    `interruption` is why the others could not be processed now; where it is the schema registry,
    they are the rest of some partitions. Dead letters must be acknowledged before the offsets of
    the processed records are committed. `outcomes` has each rule that held or failed on an event.
    """

    processed: list[Record] = field(default_factory=list)
    alerts: list[NewAlert] = field(default_factory=list)
    fresh: list[FreshAlert] = field(default_factory=list)
    outcomes: list[RuleOutcome] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    interruption: AlertEngineError | None = None

    def add(self, later: BatchResult) -> None:
        """Take over what became of the records behind this batch's."""
        self.processed += later.processed
        self.alerts += later.alerts
        self.fresh += later.fresh
        self.outcomes += later.outcomes
        self.dead_letters += later.dead_letters
        self.interruption = later.interruption or self.interruption

    def add_letters(self, letters: Iterable[DeadLetter]) -> None:
        """Add the letters of records that have none yet."""
        for letter in letters:
            if not any(letter.record is known.record for known in self.dead_letters):
                self.dead_letters.append(letter)


@dataclass(frozen=True, slots=True)
class _Match:
    """A rule that holds on an event, on its way to a verdict."""

    rule: Rule
    notes: EventNotes
    candidate: Candidate
    silence: Silence | None


@dataclass(slots=True)
class _Work:
    """A batch in progress, with what is counted and logged of it once it is stored."""

    rules: ActiveRules
    result: BatchResult = field(default_factory=BatchResult)
    matches: list[_Match] = field(default_factory=list)
    silences: SilencesInForce | None = None
    events: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    tombstones: int = 0
    increments: Increments = field(default_factory=Increments)
    notes: list[EventNotes] = field(default_factory=list)

    def notes_on(self, event: Event, record: Record) -> EventNotes:
        """The notes on the event at hand, which most events don't have."""
        if not self.notes or self.notes[-1].record is not record:
            self.notes.append(EventNotes(record, event))
        return self.notes[-1]


@dataclass(slots=True)
class _Decision:
    """What becomes of a batch's matches by one past; it counts once it is stored."""

    verdicts: Verdicts
    alerts: list[tuple[_Match, NewAlert]] = field(default_factory=list)
    outcomes: list[RuleOutcome] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    increments: Increments = field(default_factory=Increments)

    def batch(self) -> Batch:
        """What to store."""
        return Batch([new for _, new in self.alerts], self.verdicts.suppressed)

    def is_stored(self, past: Past) -> bool:
        """Whether its alerts are there already: they are stored together or not at all."""
        return bool(self.alerts) and all(
            new.alert.alert_id in past.stored for _, new in self.alerts
        )


class Pipeline:
    """Turns records into stored alerts, by the rules in force."""

    def __init__(
        self,
        decoder: EventDecoder,
        cooldown: Cooldown,
        stream: AlertStream,
        metrics: Metrics,
        clock: Clock,
        *,
        max_alert_age_seconds: float,
        write_log: Callable[[EventNotes], None],
        kill_point: Callable[[str], None],
        heartbeat: Heartbeat | None = None,
        made_at: Callable[[Event], datetime] | None = None,
        silences: Callable[[], SilencesInForce] | None = None,
        on_seen: Callable[[Mapping[str, int]], None] | None = None,
    ) -> None:
        """`write_log` writes the lines of an event, see `EventLog`.

        `silences` gives those in force, or raises StoreUnavailableError; it is asked once for each
        batch in which something matches. By default there are none. `made_at` gives the time at
        which an event's alert is made; by default it is the clock's. `on_seen` takes the cameras of
        each batch that is decoded, before it is done, with the Kafka time of a reading, in ms.
        """
        self._decoder = decoder
        self._broken_by = decoder.schema.promises.broken_by
        self._cooldown = cooldown
        self._stream = stream
        self._metrics = metrics
        self._timer = clock.monotonic
        self._max_alert_age_seconds = max_alert_age_seconds
        self._kill_point = kill_point
        self._beat = (heartbeat or Heartbeat()).beat
        self._write_log = write_log
        self._made_at = made_at or (lambda event: clock.now())
        nothing_silenced = SilencesInForce((), decoder.schema)
        self._silences = silences or (lambda: nothing_silenced)
        self._on_seen = on_seen or (lambda seen: None)
        self._in_force = prepare(NO_RULES)

    @property
    def in_force(self) -> ActiveRules:
        """The rule set that the next batch is matched by."""
        return self._in_force

    def use(self, prepared: ActiveRules) -> None:
        """Put a prepared set in force, from the next batch on; any thread may."""
        self._in_force = prepared

    def process(self, records: Sequence[Record]) -> BatchResult:
        """Process as many of `records` as can be, of each partition from its first on.

        Records whose schema can't be known now hold up their own partitions only.

        Raises StoreUnavailableError when the store can't be read or written; then nothing of the
        batch is stored or counted and all of it must be tried again.
        """
        # Read once: the set in force may be another one before the batch is done.
        rules = self._in_force
        try:
            return self._process(records, rules)
        except Exception as error:
            if not _is_of_a_record(error):
                raise
            # One of them can't be stored, so nothing of the others is either.
            return self._process_singly(records, rules)

    def _process_singly(self, records: Sequence[Record], rules: ActiveRules) -> BatchResult:
        """Each record as a batch of its own, so that only one that can't be stored is lost."""
        whole = BatchResult()
        held_up: set[Partition] = set()
        for record in records:
            if held_up and record.topic_partition in held_up:
                continue
            try:
                part = self._process([record], rules)
            except StoreUnavailableError as error:
                if not whole.processed:
                    raise
                whole.interruption = error
            except Exception as error:
                if not _is_of_a_record(error):
                    raise
                whole.add(
                    BatchResult(processed=[record], dead_letters=[_dead_letter(record, error)])
                )
                self._metrics.events_consumed.inc()
            else:
                whole.add(part)
                if part.interruption is not None:
                    held_up.add(record.topic_partition)
            if isinstance(whole.interruption, StoreUnavailableError):
                break
        return whole

    def _process(self, records: Sequence[Record], rules: ActiveRules) -> BatchResult:
        """Process records in one transaction; any exception means that nothing is stored."""
        work = _Work(rules)
        held_up: set[Partition] = set()
        for record in records:
            if held_up and record.topic_partition in held_up:
                # So that many unknown schemas take no longer than one.
                self._decoder.expect(record)
            elif self._read(record, work):
                work.result.processed.append(record)
            else:
                held_up.add(record.topic_partition)
        # Also where they can't be stored: the cameras were seen.
        self._on_seen(work.seen)
        self._kill_point("match")
        self._beat(Stage.STORING)
        decision = self._store_alerts(work) if work.matches else None
        self._kill_point("store")
        if decision is not None:
            self._take_over(decision, work)
        self._count(work)
        self._log(work)
        return work.result

    def _read(self, record: Record, work: _Work) -> bool:
        """Whether the record is done; if not, its schema is not known yet."""
        if record.value is None:
            work.tombstones += 1
            return True
        self._beat(Stage.DECODING)
        try:
            event = self._decoder.decode(record)
            self._beat(Stage.MATCHING)
            work.events += 1
            camera_id = event.values.get(CAMERA_ID)
            # A site's own schema may have anything else there.
            if type(camera_id) is str:
                work.seen[camera_id] = record.timestamp_ms
            self._note_faults(event, record, work)
            self._match(event, record, work)
        except RegistryUnavailableError as error:
            work.result.interruption = error
            return False
        except StoreError:
            # What is silenced can't be known now.
            raise
        except DecodeError as error:
            letter = DeadLetter(record, DeadLetterType.SCHEMA_VALIDATION, str(error))
            work.result.dead_letters.append(letter)
        except Exception as error:  # noqa: BLE001 - the loop's edge: the stream goes on
            work.result.dead_letters.append(_dead_letter(record, error))
        return True

    def _note_faults(self, event: Event, record: Record, work: _Work) -> None:
        """Times that were replaced, and values that are not as the schema promises."""
        broken_promises = self._broken_by(event.values)
        if not (broken_promises or event.time_replaced or event.timestamp_replaced):
            return
        metrics, add = self._metrics, work.increments.add
        work.notes_on(event, record).broken_promises = broken_promises
        if event.time_replaced:
            add(metrics.event_time_replaced, event.time_replaced)
        if event.timestamp_replaced:
            add(metrics.record_time_replaced, event.timestamp_replaced)
        for broken in broken_promises:
            add(metrics.event_values_out_of_range, broken.field)

    def _match(self, event: Event, record: Record, work: _Work) -> None:
        started = self._timer()
        found = work.rules.match(event)
        self._metrics.rule_evaluation_time.observe(self._timer() - started)
        for failed in found.errors:
            self._note_rule_error(failed, event, record, work)
            outcome = RuleOutcome(failed.rule, event, Verdict.ERROR, error=failed.error)
            work.result.outcomes.append(outcome)
        if not found.matches:
            return
        matches = [each for each in found.matches if self._counts(each.rule, event, work)]
        if not matches:
            return
        notes = work.notes_on(event, record)
        notes.cut_values = cut_event(event.values)
        if work.silences is None:
            work.silences = self._silences()
        for match in matches:
            meant = partial(_meant_plate, match.rule, event)
            silence = work.silences.find(match.rule.rule_id, event, meant)
            candidate = self._candidate(match.rule, notes, work, is_silenced=silence is not None)
            work.matches.append(_Match(match.rule, notes, candidate, silence))

    def _counts(self, rule: Rule, event: Event, work: _Work) -> bool:
        """Whether a rule that holds counts by its schedule; where it does not, that is noted."""
        found = None if rule.schedule is None else rule.schedule.out_of_time(event.time)
        if found is None:
            return True
        verdict = Verdict(found.reason)
        work.increments.add(self._metrics.matches_out_of_time, rule.rule_id, verdict)
        work.result.outcomes.append(RuleOutcome(rule, event, verdict, interval=found.interval))
        return False

    def _candidate(
        self, rule: Rule, notes: EventNotes, work: _Work, *, is_silenced: bool
    ) -> Candidate:
        event, limit = notes.event, rule.rate_limit
        key = self._cooldown_key(rule, event, notes.record, work)
        return self._cooldown.candidate(
            alert_id(event.digest, rule.rule_id),
            silenced_key(key) if is_silenced else key,
            event.time_us,
            limit.cooldown_seconds if limit else 0.0,
        )

    def _store_alerts(self, work: _Work) -> _Decision:
        """Take the verdicts and store the alerts, in one transaction.

        It is begun again after a conflict, and where the answer to its commit was lost.
        """
        decisions: list[_Decision] = []

        def decide(past: Past) -> Batch:
            if decisions and decisions[-1].is_stored(past):
                return Batch((), {})
            decisions.append(self._decide(work, past))
            return decisions[-1].batch()

        self._stream.decide(ask_of(match.candidate for match in work.matches), decide)
        return decisions[-1]

    def _decide(self, work: _Work, past: Past) -> _Decision:
        """The verdicts on all matches, and their alerts; it changes nothing else."""
        decision = _Decision(self._cooldown.verdicts(past))
        failed: Record | None = None
        for match in work.matches:
            record = match.notes.record
            if record is failed:
                continue
            try:
                self._decide_match(match, work.rules, decision)
            except Exception as error:  # noqa: BLE001 - the loop's edge: the stream goes on
                failed = record
                decision.dead_letters.append(_dead_letter(record, error))
        return decision

    def _decide_match(self, match: _Match, rules: ActiveRules, decision: _Decision) -> None:
        metrics, rule, add = self._metrics, match.rule, decision.increments.add
        candidate, silence = match.candidate, match.silence
        verdict = decision.verdicts.decide(candidate)
        new, near_us = None, None
        if verdict is Verdict.DUPLICATE:
            add(metrics.events_duplicate)
            silence = None
        else:
            add(metrics.rules_matched, rule.rule_id, str(rule.priority))
        if verdict is Verdict.ALERT:
            new = self._new_alert(match, rules, decision)
            decision.verdicts.made(candidate)
            decision.alerts.append((match, new))
            verdict = Verdict.EXPIRED if new.is_expired else Verdict.ALERT
        if silence is not None:
            add(metrics.alerts_silenced, rule.rule_id)
            verdict = Verdict.SILENCED
        elif verdict is Verdict.SUPPRESSED:
            add(metrics.alerts_rate_limited, rule.rule_id)
            near_us = decision.verdicts.suppressor(candidate)
        decision.outcomes.append(
            RuleOutcome(
                rule,
                match.notes.event,
                verdict,
                new,
                candidate.key,
                near_us,
                silenced_by=silence.silence_id if silence is not None else "",
            )
        )

    def _new_alert(self, match: _Match, rules: ActiveRules, decision: _Decision) -> NewAlert:
        metrics, rule_id, add = self._metrics, match.rule.rule_id, decision.increments.add
        silence = match.silence
        event, record, key = match.notes.event, match.notes.record, match.candidate.key
        now = self._made_at(event)
        alert, failed = render(match.rule, event, decision.verdicts.suppressed_count(key), now)
        if match.notes.cut_values is not None:
            alert = replace(alert, event=match.notes.cut_values)
        is_expired = (now - event.time).total_seconds() > self._max_alert_age_seconds
        targets = () if is_expired or silence is not None else rules.targets[rule_id]
        if failed:
            add(metrics.template_errors, rule_id, amount=failed)
        if silence is None:
            add(metrics.alerts_triggered, rule_id)
            if is_expired:
                add(metrics.alerts_expired, rule_id)
            elif not targets:
                add(metrics.alerts_unrouted, rule_id)
        return NewAlert(
            alert=alert,
            digest=event.digest,
            dedup_key=key,
            time_us=match.candidate.time_us,
            is_expired=is_expired,
            targets=targets,
            places=places(rules.groups, targets, event.bindings, match.rule.priority),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            rules_digest=rules.rule_set.digest,
            silenced_by=silence.silence_id if silence is not None else "",
        )

    def _take_over(self, decision: _Decision, work: _Work) -> None:
        """Remember, count and note what is stored now."""
        self._cooldown.committed(decision.verdicts)
        decision.increments.apply()
        work.result.outcomes += decision.outcomes
        work.result.add_letters(decision.dead_letters)
        for match, new in decision.alerts:
            match.notes.alerts.append(new)
            read_at = match.notes.record.read_at
            work.result.alerts.append(new)
            work.result.fresh.append(FreshAlert(new.alert.alert_id, new.targets, read_at))

    def _cooldown_key(self, rule: Rule, event: Event, record: Record, work: _Work) -> str | None:
        """The key of the match's cooldown; None where it has none and is never suppressed."""
        if rule.rate_limit is None:
            return None
        bindings, rule_id = event.bindings, rule.rule_id
        texts = [key.text for key in rule.rate_limit.keys]
        try:
            values = [key.evaluate(bindings) for key in rule.rate_limit.keys]
            key = cooldown_key(rule_id, texts, values)
            if key is not None:
                return key
            work.increments.add(self._metrics.dedup_key_absent, rule_id)
        except EvaluationError as error:
            self._note_rule_error(RuleError(rule, error), event, record, work)
            work.increments.add(self._metrics.dedup_key_errors, rule_id)
        return track_key(rule_id, event.values)

    def _note_rule_error(
        self, failed: RuleError, event: Event, record: Record, work: _Work
    ) -> None:
        error_type = failed.error.error_type
        work.increments.add(self._metrics.rule_errors, failed.rule.rule_id, error_type)
        work.notes_on(event, record).rule_errors.append(failed)

    def _count(self, work: _Work) -> None:
        self._metrics.events_consumed.inc(work.events)
        self._metrics.tombstones.inc(work.tombstones)
        work.increments.apply()

    def _log(self, work: _Work) -> None:
        """Log what is stored now; a record that can't be logged is a dead letter, no more.

        Its alerts stay stored, so a record that is read again from its letter makes no second one.
        """
        for notes in work.notes:
            try:
                self._write_log(notes)
            except Exception as error:  # noqa: BLE001 - the loop's edge: the stream goes on
                work.result.add_letters([_dead_letter(notes.record, error)])


def _meant_plate(rule: Rule, event: Event) -> str:
    """The plate of which a match is near; "" where it is exact."""
    near = rule.near_plate(event.bindings)
    return "" if near is None else near.plate


def _is_of_a_record(error: Exception) -> bool:
    """Whether a failure comes from what was processed, and not from a store that is in trouble."""
    return isinstance(error, UnstorableError) or not isinstance(error, StoreError)


def _dead_letter(record: Record, error: Exception) -> DeadLetter:
    """A record that our own processing failed on; to be called where the error is caught."""
    return DeadLetter(
        record,
        DeadLetterType.PROCESSING_FAILURE,
        f"{type(error).__name__}: {error}",
        traceback.format_exc(),
    )
