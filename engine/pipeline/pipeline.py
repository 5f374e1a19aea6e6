"""The way of a batch, in prose: decode, match, decide, render, store.

Nothing here sleeps, sends or waits: what can't go on just now is told to the caller, who keeps the
records that are not settled. A batch is wholly matched by one rule set, whenever another is put in
force. Whatever fails on one record, storing and logging included, makes that record a dead letter
and no other.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from engine.clock import Clock
from engine.dead_letters.producer import DeadLetter, DeadLetterType
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
from engine.metrics import Metrics
from engine.pipeline.active_rules import ActiveRules, ready
from engine.pipeline.cooldown import Cooldown, CooldownBatch, Verdict, cooldown_key, track_key
from engine.pipeline.event_log import EventLog
from engine.pipeline.render import render
from engine.rules import Rule, RuleSet
from engine.schema import BrokenPromise
from engine.schema.event import Event
from engine.store import FreshAlert, NewAlert, Store
from engine.stream.decoder import Decoder
from engine.stream.offsets import Partition
from engine.stream.record import Record

NO_RULES: Final = RuleSet((), (), {}, (), ())


@dataclass(slots=True)
class Batch:
    """What became of a batch: the `settled` records, in their order, need not be read again.

    `interruption` is why the others could not go on just now; where it is the schema registry, they
    are the rest of some partitions. Dead letters must be acknowledged
    before the offsets of the settled records are committed. `counts` is what is counted and logged
    of the record at hand, `afterwards` of all others, once the batch is stored.
    """

    settled: list[Record] = field(default_factory=list)
    events: int = 0
    tombstones: int = 0
    alerts: list[NewAlert] = field(default_factory=list)
    fresh: list[FreshAlert] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    interruption: AlertEngineError | None = None
    counts: list[Callable[[], None]] = field(default_factory=list)
    afterwards: list[tuple[Record, list[Callable[[], None]]]] = field(default_factory=list)

    def add(self, later: Batch) -> None:
        """Take over what became of the records behind this batch's."""
        self.settled += later.settled
        self.events += later.events
        self.tombstones += later.tombstones
        self.alerts += later.alerts
        self.fresh += later.fresh
        self.dead_letters += later.dead_letters
        self.interruption = later.interruption or self.interruption

    def end_record(self, record: Record) -> None:
        """Keep what is to be counted and logged of a record until the batch is stored."""
        if self.counts:
            self.afterwards.append((record, self.counts))
            self.counts = []


class Pipeline:
    """Turns records into stored alerts, by the rules in force."""

    def __init__(
        self,
        decoder: Decoder,
        cooldown: Cooldown,
        store: Store,
        metrics: Metrics,
        clock: Clock,
        *,
        max_alert_age_seconds: float,
        log_plates: bool,
        kill_point: Callable[[str], None],
        heartbeat: Heartbeat | None = None,
    ) -> None:
        self._decoder = decoder
        self._cooldown = cooldown
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._max_alert_age_seconds = max_alert_age_seconds
        self._kill_point = kill_point
        self._beat = (heartbeat or Heartbeat()).beat
        self._event: Event | None = None
        self._failed: list[tuple[Rule, EvaluationError, Event | None]] = []
        self._journal = EventLog(clock, log_plates=log_plates)
        self._in_force = ready(NO_RULES)
        self._batch_rules = self._in_force

    @property
    def in_force(self) -> ActiveRules:
        """The rule set that the next batch is matched by."""
        return self._in_force

    def prepare(self, rule_set: RuleSet) -> ActiveRules:
        """Make `rule_set` ready for `use`; any thread may, while another one processes."""
        return ready(rule_set, self._on_rule_error)

    def use(self, prepared: ActiveRules) -> None:
        """Put a prepared set in force, from the next batch on; any thread may."""
        self._in_force = prepared

    def process(self, records: Sequence[Record]) -> Batch:
        """Settle as many of `records` as can be, of each partition from its first on.

        Records whose schema can't be known just now hold up their own partitions only.

        Raises StoreUnavailableError when the store can't be read or written; then nothing of the
        batch is stored or counted and all of it must be tried again.
        """
        # Read once: the set in force may be another one before the batch is done.
        self._batch_rules = self._in_force
        try:
            return self._process(records)
        except Exception as error:
            if not _is_of_a_record(error):
                raise
            # One of them can't be stored, so nothing of the others is either.
            return self._process_singly(records)

    def _process_singly(self, records: Sequence[Record]) -> Batch:
        """Each record as a batch of its own, so that only one that can't be stored is lost."""
        whole = Batch()
        held_up: set[Partition] = set()
        for record in records:
            if held_up and record.topic_partition in held_up:
                continue
            try:
                part = self._process([record])
            except StoreUnavailableError as error:
                if not whole.settled:
                    raise
                whole.interruption = error
            except Exception as error:
                if not _is_of_a_record(error):
                    raise
                whole.add(Batch(settled=[record], events=1, dead_letters=[_failure(record, error)]))
                self._metrics.events_consumed.inc()
            else:
                whole.add(part)
                if part.interruption is not None:
                    held_up.add(record.topic_partition)
            if isinstance(whole.interruption, StoreUnavailableError):
                break
        return whole

    def _process(self, records: Sequence[Record]) -> Batch:
        """Settle records in one transaction; any exception means that nothing is stored."""
        batch = Batch()
        self._failed.clear()
        verdicts = self._cooldown.batch()
        held_up: set[Partition] = set()
        for record in records:
            if held_up and record.topic_partition in held_up:
                # So that many unknown schemas take no longer than one.
                self._decoder.expect(record)
            elif self._take(record, batch, verdicts):
                batch.settled.append(record)
            else:
                held_up.add(record.topic_partition)
        self._kill_point("match")
        self._beat(Stage.STORING)
        if batch.alerts:
            self._store.save(batch.alerts, verdicts.suppressed)
        self._kill_point("store")
        verdicts.committed()
        self._count(batch)
        return batch

    def _take(self, record: Record, batch: Batch, verdicts: CooldownBatch) -> bool:
        if record.value is None:
            batch.tombstones += 1
            return True
        self._beat(Stage.DECODING)
        try:
            event = self._decoder.decode(record)
            self._beat(Stage.MATCHING)
            batch.events += 1
            if event.time_replaced:
                batch.counts.append(partial(self._count_replaced, event))
            if event.timestamp_replaced:
                batch.counts.append(partial(self._count_timestamp_replaced, event))
            for broken in self._decoder.schema.promises.broken_by(event.values):
                batch.counts.append(partial(self._count_out_of_range, event, broken))
            self._alert(event, record, batch, verdicts)
        except StoreError:
            raise
        except RegistryUnavailableError as error:
            batch.interruption = error
            return False
        except DecodeError as error:
            letter = DeadLetter(record, DeadLetterType.SCHEMA_VALIDATION, str(error))
            batch.dead_letters.append(letter)
        except Exception as error:  # noqa: BLE001 - the loop's edge: the stream goes on
            batch.dead_letters.append(_failure(record, error))
        for rule, failed, event_of_rule in self._failed:
            batch.counts.append(partial(self._count_rule_error, rule, failed, event_of_rule))
        self._failed.clear()
        batch.end_record(record)
        return True

    def _alert(self, event: Event, record: Record, batch: Batch, verdicts: CooldownBatch) -> None:
        self._event = event
        started = self._clock.monotonic()
        matches = self._batch_rules.match(event)
        self._metrics.rule_evaluation_time.observe(self._clock.monotonic() - started)
        for match in matches:
            self._decide(match.rule, event, record, batch, verdicts)

    def _decide(
        self, rule: Rule, event: Event, record: Record, batch: Batch, verdicts: CooldownBatch
    ) -> None:
        metrics, rule_id = self._metrics, rule.rule_id
        key = self._key(rule, event, batch)
        cooldown_seconds = rule.rate_limit.cooldown_seconds if rule.rate_limit else 0.0
        verdict = verdicts.decide(rule_id, key, cooldown_seconds, event.time_us, event.digest)
        if verdict is Verdict.DUPLICATE:
            batch.counts.append(metrics.events_duplicate.inc)
            return
        batch.counts.append(metrics.rules_matched.labels(rule_id, str(rule.priority)).inc)
        if verdict is Verdict.SUPPRESSED:
            batch.counts.append(metrics.alerts_rate_limited.labels(rule_id).inc)
            return
        try:
            new = self._new_alert(rule, event, record, key, batch, verdicts)
        except Exception:
            verdicts.withdraw()
            raise
        batch.alerts.append(new)
        batch.counts.append(partial(self._journal.alert, new))
        batch.fresh.append(FreshAlert(new.alert.alert_id, new.targets, record.read_at))

    def _new_alert(
        self,
        rule: Rule,
        event: Event,
        record: Record,
        key: str | None,
        batch: Batch,
        verdicts: CooldownBatch,
    ) -> NewAlert:
        metrics, rule_id = self._metrics, rule.rule_id
        now = self._clock.now()
        suppressed = verdicts.suppressed_count(key)
        alert, failed = render(rule, event, suppressed, now)
        is_expired = (now - event.time).total_seconds() > self._max_alert_age_seconds
        routes = () if is_expired else self._batch_rules.routes[rule_id]
        batch.counts.append(metrics.alerts_triggered.labels(rule_id).inc)
        if failed:
            batch.counts.append(partial(metrics.template_errors.labels(rule_id).inc, failed))
        if is_expired:
            batch.counts.append(metrics.alerts_expired.labels(rule_id).inc)
        elif not routes:
            batch.counts.append(metrics.alerts_unrouted.labels(rule_id).inc)
        return NewAlert(
            alert=alert,
            digest=event.digest,
            dedup_key=key,
            time_us=event.time_us,
            is_expired=is_expired,
            targets=routes,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        )

    def _key(self, rule: Rule, event: Event, batch: Batch) -> str | None:
        if rule.rate_limit is None:
            return None
        bindings, rule_id = event.bindings, rule.rule_id
        texts = [key.text for key in rule.rate_limit.keys]
        try:
            values = [key.evaluate(bindings) for key in rule.rate_limit.keys]
            key = cooldown_key(rule_id, texts, values)
            if key is not None:
                return key
            batch.counts.append(self._metrics.dedup_key_absent.labels(rule_id).inc)
        except EvaluationError as error:
            self._on_rule_error(rule, error)
            batch.counts.append(self._metrics.dedup_key_errors.labels(rule_id).inc)
        return track_key(rule_id, event.values)

    def _on_rule_error(self, rule: Rule, error: EvaluationError) -> None:
        self._failed.append((rule, error, self._event))

    def _count(self, batch: Batch) -> None:
        """Count and log what is stored now; what fails makes its record a dead letter, no more.

        The alerts stay stored, so a record that is read again from its letter makes no second one.
        """
        self._metrics.events_consumed.inc(batch.events)
        self._metrics.tombstones.inc(batch.tombstones)
        for record, calls in batch.afterwards:
            failure = None
            for call in calls:
                try:
                    call()
                except Exception as error:  # noqa: BLE001 - the loop's edge: the stream goes on
                    failure = failure or _failure(record, error)
            if failure is not None and not any(
                letter.record is record for letter in batch.dead_letters
            ):
                batch.dead_letters.append(failure)

    def _count_rule_error(self, rule: Rule, error: EvaluationError, event: Event | None) -> None:
        self._metrics.rule_errors.labels(rule.rule_id, error.error_type).inc()
        self._journal.rule_error(rule.rule_id, error, event)

    def _count_replaced(self, event: Event) -> None:
        self._metrics.event_time_replaced.labels(event.time_replaced).inc()
        self._journal.time_replaced(event)

    def _count_timestamp_replaced(self, event: Event) -> None:
        self._metrics.record_time_replaced.labels(event.timestamp_replaced).inc()
        self._journal.timestamp_replaced(event)

    def _count_out_of_range(self, event: Event, broken: BrokenPromise) -> None:
        self._metrics.event_values_out_of_range.labels(broken.field).inc()
        self._journal.value_out_of_range(event, broken)


def _is_of_a_record(error: Exception) -> bool:
    """Whether a failure comes from what was processed, and not from a store that is in trouble."""
    return isinstance(error, UnstorableError) or not isinstance(error, StoreError)


def _failure(record: Record, error: Exception) -> DeadLetter:
    """A record that our own processing failed on; to be called where the error is caught."""
    return DeadLetter(
        record,
        DeadLetterType.PROCESSING_FAILURE,
        f"{type(error).__name__}: {error}",
        traceback.format_exc(),
    )
