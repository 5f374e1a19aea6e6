"""Production's pipeline on the events' own clock, with a store of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Self

from engine.clock import SystemClock
from engine.metrics import uncounted
from engine.pipeline.active_rules import ActiveRules
from engine.pipeline.cooldown import Cooldown
from engine.pipeline.pipeline import AlertStream, BatchResult, EventDecoder, Pipeline
from engine.pipeline.silences import SilencesInForce
from engine.schema.event import EPOCH, Event, record_instant
from engine.store import Ask, Batch, Past, Silence
from engine.store.temporary import open_temporary
from engine.stream.record import Record

#: As the setting MAX_ALERT_AGE has it by default.
MAX_ALERT_AGE_SECONDS: Final = 86_400.0


class Simulation:
    """Runs records through the pipeline; a context manager that drops its store at the end.

    An alert is made at the time of its record: when Kafka got it, or else when its event was
    captured. So the past gives what it gave when it was the present.

    Without `remembers` it has no store: each call of `process` has nothing before it.
    """

    def __init__(
        self,
        rules: ActiveRules,
        decoder: EventDecoder,
        *,
        max_alert_age_seconds: float = MAX_ALERT_AGE_SECONDS,
        remembers: bool = True,
        silences: Sequence[Silence] = (),
        past: AlertStream | None = None,
    ) -> None:
        """`silences` are those that somebody has set at any time; they go by the events' time.

        One that can't be used with the decoder's schema is logged and left out. Where it does not
        remember, `past` says what is before each call.
        """
        self.rules = rules
        self.store = open_temporary() if remembers else None
        in_force = SilencesInForce(silences, decoder.schema, costs=rules.rule_set.costs)
        self._pipeline = Pipeline(
            decoder,
            Cooldown() if remembers else Cooldown(0),
            self.store.stream if self.store is not None else past or _Nothing(),
            uncounted(),
            SystemClock(),
            max_alert_age_seconds=max_alert_age_seconds,
            write_log=lambda notes: None,
            kill_point=lambda name: None,
            made_at=_recorded_at,
            silences=lambda: in_force,
        )
        self._pipeline.use(self.rules)

    def use(self, rules: ActiveRules) -> None:
        """Put other rules in force, from the next call of `process` on."""
        self.rules = rules
        self._pipeline.use(rules)

    def process(self, records: Sequence[Record]) -> BatchResult:
        """What becomes of these records, in their order, after all that were processed before.

        Raises StoreUnavailableError where there is no room for temporary files.
        """
        return self._pipeline.process(records)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.store is not None:
            self.store.close()


class _Nothing:
    """A store in which nothing is stored, and of which nothing is asked later."""

    def decide(self, ask: Ask, decide: Callable[[Past], Batch]) -> Batch:
        """What `decide` makes of an empty past."""
        return decide(_EMPTY)


_EMPTY: Final = Past((), {}, {})


def _recorded_at(event: Event) -> datetime:
    if event.timestamp_ms <= 0:
        return event.time
    return max(event.time, record_instant(event.timestamp_ms), EPOCH)
