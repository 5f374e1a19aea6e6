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
from engine.pipeline.outcome import RuleOutcome
from engine.pipeline.pipeline import BatchResult, EventDecoder
from engine.rules import RuleSet
from engine.schema import NORMALIZED_PLATE, EventSchema, value_at
from engine.schema.event import Event
from engine.simulate.report import Comparison, Report
from engine.simulate.simulation import MAX_ALERT_AGE_SECONDS, Simulation
from engine.simulate.sources import Faults
from engine.stream.record import Record
from engine.watchlist.plates import plate_of

#: How long the schema registry is waited for, and how long between two questions. It must be
#: longer than the time after which the registry's refusals are believed.
REGISTRY_SECONDS: Final = 90.0
_REGISTRY_PAUSE_SECONDS: Final = 0.2


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
        return (self.since is None or _moment(event) >= self.since) and not self.is_over(event)

    def is_over(self, event: Event) -> bool:
        """Whether the event is from `until` or later."""
        return self.until is not None and _moment(event) >= self.until


ALL_EVENTS: Final = Chosen()


class Replay:
    """Runs records through `rule_set`, and through `against` where there is one.

    A context manager that drops what it has stored. `decoder` makes events of the records, each
    once. `report`, `against_report` and `comparison` are what is known so far.
    """

    def __init__(
        self,
        rule_set: RuleSet,
        decoder: EventDecoder,
        *,
        against: RuleSet | None = None,
        chosen: Chosen = ALL_EVENTS,
        keeps_alerts: bool = False,
        max_alert_age_seconds: float = MAX_ALERT_AGE_SECONDS,
        wait: Callable[[float], None] = time.sleep,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`wait` pauses for so many seconds, which `timer` gives."""
        self._decoded = _Decoded(decoder, wait, timer)
        self._chosen = chosen
        self._stack = ExitStack()
        self._simulations: list[tuple[Simulation, Report]] = []
        for each in (rule_set, against):
            if each is None:
                continue
            simulation = Simulation(
                each, self._decoded, max_alert_age_seconds=max_alert_age_seconds
            )
            report = Report((rule.rule_id for rule in each.rules), keeps_alerts=keeps_alerts)
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

    def process(self, records: Sequence[Record]) -> None:
        """Take these records in, in their order, after all that came before.

        Raises RegistryUnavailableError where the schema registry stays away, and
        StoreUnavailableError where there is no room for temporary files.
        """
        events = self._decoded.load(records)
        for record, error in self._decoded.errors:
            self.faults.add(f"{_place(record)}: {error}")
        if self._chosen.until is not None:
            records = [each for each in records if not self._is_over(each)]
        results = [(each.process(records), report) for each, report in self._simulations]
        for result, report in results:
            report.saw(self._counting(events))
            report.add(self._counting_outcomes(result))
        # The second simulation fails where the first does.
        self._note_failures(results[0][0])
        if len(results) > 1:
            here, against = (self._counting_outcomes(result) for result, _ in results)
            self.comparison.add(here, against)

    def _note_failures(self, result: BatchResult) -> None:
        for letter in result.dead_letters:
            if not self._decoded.is_undecodable(letter.record):
                self.faults.add(f"{_place(letter.record)}: {letter.message}")

    def _is_over(self, record: Record) -> bool:
        event = self._decoded.event(record)
        return event is not None and self._chosen.is_over(event)

    def _counting(self, events: Sequence[Event]) -> Sequence[Event]:
        if self._chosen.is_all:
            return events
        return [event for event in events if self._chosen.counts(event)]

    def _counting_outcomes(self, result: BatchResult) -> list[RuleOutcome]:
        if self._chosen.is_all:
            return result.outcomes
        return [each for each in result.outcomes if self._chosen.counts(each.event)]


class _Decoded:
    """Decodes a batch of records once, for simulations that all ask for its events."""

    def __init__(
        self, decoder: EventDecoder, wait: Callable[[float], None], timer: Callable[[], float]
    ) -> None:
        self._decoder = decoder
        self._wait = wait
        self._timer = timer
        # By the identity of the record: a topic may be read that has the same offset twice.
        self._found: dict[int, Event | DecodeError] = {}
        self.errors: list[tuple[Record, DecodeError]] = []

    @property
    def schema(self) -> EventSchema:
        """The schema of the events."""
        return self._decoder.schema

    def load(self, records: Sequence[Record]) -> list[Event]:
        """Decode these records in place of those before; returns the events."""
        found: dict[int, Event | DecodeError] = {}
        events: list[Event] = []
        self.errors = []
        decode = self._decoder.decode
        for record in records:
            if record.value is None:
                continue
            try:
                event = decode(record)
            except RegistryUnavailableError:
                later = self._decode_later(record)
                found[id(record)] = later
                if isinstance(later, DecodeError):
                    self.errors.append((record, later))
                else:
                    events.append(later)
            except DecodeError as error:
                found[id(record)] = error
                self.errors.append((record, error))
            else:
                found[id(record)] = event
                events.append(event)
        self._found = found
        return events

    def decode(self, record: Record) -> Event:
        """The event of a record that was loaded; DecodeError where it is none."""
        found = self._found[id(record)]
        if isinstance(found, DecodeError):
            raise found
        return found

    def expect(self, record: Record) -> None:
        """Nothing to do: all of them are decoded."""

    def event(self, record: Record) -> Event | None:
        """The event of a record that was loaded; None where it has none."""
        found = self._found.get(id(record))
        return None if isinstance(found, DecodeError) else found

    def is_undecodable(self, record: Record) -> bool:
        """Whether a record that was loaded is no event."""
        return isinstance(self._found.get(id(record)), DecodeError)

    def _decode_later(self, record: Record) -> Event | DecodeError:
        """Asks until the registry knows; RegistryUnavailableError where it stays away."""
        deadline = self._timer() + REGISTRY_SECONDS
        while True:
            self._wait(_REGISTRY_PAUSE_SECONDS)
            try:
                return self._decoder.decode(record)
            except RegistryUnavailableError:
                if self._timer() >= deadline:
                    raise
            except DecodeError as error:
                return error


def _moment(event: Event) -> datetime:
    """When Kafka got the event, or else when it was captured."""
    if event.timestamp_ms <= 0:
        return event.time
    try:
        return datetime.fromtimestamp(event.timestamp_ms / 1_000, UTC)
    except (ValueError, OverflowError, OSError):
        return event.time


def _place(record: Record) -> str:
    return f"{record.topic}:{record.partition}:{record.offset}" if record.topic else "the event"
