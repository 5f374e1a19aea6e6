"""Runs recorded events through one rule set, or through two beside each other.

Records in, a report out. Records are decoded once, whatever number of rule sets they go through.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

from engine.errors import DecodeError, RegistryUnavailableError
from engine.pipeline.active_rules import ActiveRules
from engine.pipeline.outcome import RuleOutcome
from engine.pipeline.pipeline import BatchResult, EventDecoder
from engine.schema import NORMALIZED_PLATE, value_at
from engine.schema.event import EPOCH, Event, record_instant
from engine.simulate.report import NOTHING_SEEN, Comparison, Report, Seen
from engine.simulate.simulation import MAX_ALERT_AGE_SECONDS, Simulation
from engine.simulate.sources import Faults
from engine.store import Silence
from engine.stream.record import DeadLetterType, Record
from engine.watchlist.plates import plate_of

#: How long the schema registry is waited for, and how long between two questions. It must be
#: longer than the time after which the registry's refusals are believed.
REGISTRY_SECONDS: Final = 90.0
_REGISTRY_PAUSE_SECONDS: Final = 0.2
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The events that count: from `since` on, before `until`, of the `plate`; None for all.

    Their times are those of their records, or else their own. The others take part, so that an
    alert of theirs suppresses as it did, but for those from `until` on.
    """

    since: datetime | None = None
    until: datetime | None = None
    plate: str | None = None

    @property
    def is_all(self) -> bool:
        """Whether every event counts."""
        return self.since is None and self.until is None and self.plate is None

    def counts(self, event: Event) -> bool:
        """Whether the event counts."""
        if self.plate is not None:
            value = value_at(event.values, NORMALIZED_PLATE)
            if plate_of(value) != plate_of(self.plate):
                return False
        moment = _moment(event)
        return (self.since is None or moment >= self.since) and not self.is_over(moment)

    def is_over(self, moment: datetime) -> bool:
        """Whether it is `until` or later."""
        return self.until is not None and moment >= self.until


ALL_EVENTS: Final = Chosen()


class Replay:
    """Runs records through `rules`, and through `against` where there is one.

    A context manager that drops what it has stored. `decoder` makes events of the records, each
    once, or with `decodes_again` as often as it is asked. `report`, `against_report` and
    `comparison` are what is known so far.
    """

    def __init__(
        self,
        rules: ActiveRules,
        decoder: EventDecoder,
        *,
        decodes_again: bool = False,
        against: ActiveRules | None = None,
        silences: Sequence[Silence] = (),
        chosen: Chosen = ALL_EVENTS,
        keeps_alerts: bool = False,
        max_alert_age_seconds: float = MAX_ALERT_AGE_SECONDS,
        wait: Callable[[float], None] = time.sleep,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`silences` are those that somebody has set, whenever.

        `wait` pauses for so many seconds, which `timer` gives.
        """
        streamed = _Streamed(decoder, wait, timer)
        is_kept = against is not None or not decodes_again or not chosen.is_all
        self._decoded = _Kept(streamed, chosen) if is_kept else streamed
        self._chosen = chosen
        self._stack = ExitStack()
        self._simulations: list[tuple[Simulation, Report]] = []
        for each in (rules, against):
            if each is None:
                continue
            simulation = Simulation(
                each,
                self._decoded,
                max_alert_age_seconds=max_alert_age_seconds,
                silences=silences,
            )
            rule_ids = (rule.rule_id for rule in each.rule_set.rules)
            report = Report(rule_ids, keeps_alerts=keeps_alerts)
            self._simulations.append((self._stack.enter_context(simulation), report))
        self.report = self._simulations[0][1]
        self.against_report = self._simulations[1][1] if against is not None else None
        self.comparison = Comparison()
        #: Records that are no events, and events on which our own processing failed.
        self.faults = Faults(most=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def process(self, records: Sequence[Record], passed: Seen = NOTHING_SEEN) -> None:
        """Take these records in, in their order, after all that came before.

        `passed` are the events of the batch that were taken out of it, since no rule of either set
        holds or fails on them.

        Raises RegistryUnavailableError where the schema registry stays away, and
        StoreUnavailableError where there is no room for temporary files.
        """
        self._decoded.begin()
        if self._chosen.until is not None:
            records = [each for each in records if not self._is_over(each)]
        outcomes = []
        for simulation, report in self._simulations:
            result = simulation.process(records)
            if result.interruption is not None:
                raise result.interruption
            if report is self.report:
                # The second simulation fails where the first does.
                self._note_faults(result)
            counting = self._counting(result)
            report.saw(self._decoded.seen(result))
            report.saw(passed)
            report.add(counting)
            outcomes.append(counting)
        if len(outcomes) > 1:
            self.comparison.add(*outcomes)

    def _note_faults(self, result: BatchResult) -> None:
        for letter in result.dead_letters:
            record = letter.record
            where = f"{record.topic}:{record.partition}:{record.offset}" if record.topic else "one"
            self.faults.add(f"{where}: {letter.message}")

    def _is_over(self, record: Record) -> bool:
        """Whether the record is from `until` or later; its event is read where it has no time."""
        if record.timestamp_ms > 0:
            return self._chosen.is_over(record_instant(record.timestamp_ms))
        if record.value is None:
            return False
        try:
            return self._chosen.is_over(self._decoded.decode(record).time)
        except DecodeError:
            return False

    def _counting(self, result: BatchResult) -> list[RuleOutcome]:
        if self._chosen.is_all:
            return result.outcomes
        return [each for each in result.outcomes if self._chosen.counts(each.event)]


class _Streamed:
    """Decodes records for one simulation, and waits for the schema registry.

    An event is gone as soon as it is processed, so its memory is used for the next one at once,
    which is a good deal faster than to keep those of a batch. `first` and `last` are the earliest
    and the latest time of the batch.
    """

    def __init__(
        self, decoder: EventDecoder, wait: Callable[[float], None], timer: Callable[[], float]
    ) -> None:
        self._decoder = decoder
        self._decode = decoder.decode
        self._wait = wait
        self._timer = timer
        self.schema = decoder.schema
        self.first, self.last = _LATEST, EPOCH

    def begin(self) -> None:
        """Another batch begins."""
        self.first, self.last = _LATEST, EPOCH

    def decode(self, record: Record) -> Event:
        """The event of a record; DecodeError where it is none.

        Raises RegistryUnavailableError where the registry stays away.
        """
        try:
            event = self._decode(record)
        except RegistryUnavailableError:
            event = self._decode_later(record)
        moment = event.time
        if moment < self.first:
            self.first = moment
        if moment > self.last:
            self.last = moment
        return event

    def expect(self, record: Record) -> None:
        """As the decoder does."""
        self._decoder.expect(record)

    def seen(self, result: BatchResult) -> Seen:
        """The events of the batch that has this result."""
        tombstones = sum(each.value is None for each in result.processed)
        unreadable = sum(
            each.error_type is DeadLetterType.SCHEMA_VALIDATION for each in result.dead_letters
        )
        events = len(result.processed) - tombstones - unreadable
        return Seen(events, self.first, self.last) if events else NOTHING_SEEN

    def _decode_later(self, record: Record) -> Event:
        deadline = self._timer() + REGISTRY_SECONDS
        while True:
            self._wait(_REGISTRY_PAUSE_SECONDS)
            try:
                return self._decode(record)
            except RegistryUnavailableError:
                if self._timer() >= deadline:
                    raise


class _Kept:
    """Keeps the events of a batch, for several simulations, and says which of them count."""

    def __init__(self, decoder: EventDecoder, chosen: Chosen) -> None:
        self._decoder = decoder
        self._chosen = chosen
        # By the identity of the record: an offset may come twice, of a topic that was made anew.
        self._events: dict[int, Event | DecodeError] = {}
        self.schema = decoder.schema

    def begin(self) -> None:
        """Another batch begins."""
        self._events.clear()

    def decode(self, record: Record) -> Event:
        """The event of a record; DecodeError where it is none."""
        found = self._events.get(id(record))
        if found is None:
            try:
                found = self._decoder.decode(record)
            except DecodeError as error:
                found = error
            self._events[id(record)] = found
        if isinstance(found, DecodeError):
            raise found
        return found

    def expect(self, record: Record) -> None:
        """As the decoder does."""
        self._decoder.expect(record)

    def seen(self, result: BatchResult) -> Seen:
        """The events of the batch that count."""
        kept = (self._events.get(id(record)) for record in result.processed)
        moments = [
            event.time
            for event in kept
            if isinstance(event, Event) and (self._chosen.is_all or self._chosen.counts(event))
        ]
        return Seen(len(moments), min(moments), max(moments)) if moments else NOTHING_SEEN


def _moment(event: Event) -> datetime:
    """When Kafka got the event, or else when it was captured."""
    return record_instant(event.timestamp_ms) if event.timestamp_ms > 0 else event.time
