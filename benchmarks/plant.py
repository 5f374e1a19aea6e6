"""The engine's loop on real parts, which runs until it has settled a given number of records."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC
from typing import Final

from benchmarks.readings import Writers
from channels.alert import Target
from engine.clock import SystemClock
from engine.dead_letters.office import DeadLetterOffice
from engine.delivery import Dispatcher, RetryPolicy
from engine.metrics import Metrics
from engine.pipeline.active_rules import prepare
from engine.pipeline.cooldown import Cooldown
from engine.pipeline.event_log import EventLog
from engine.pipeline.loop import Loop
from engine.pipeline.pipeline import Pipeline
from engine.rules import RuleSet
from engine.settings import Settings
from engine.store import open_store
from engine.stream.consumer import Consumer
from engine.stream.decoder import Decoder
from engine.stream.record import Record
from tests.support.avro import plate_schema
from tests.support.stream import unique

STOP_SECONDS: Final = 5.0
_JOIN_POLL_SECONDS: Final = 0.1


def settings_of(bootstrap_servers: str, topic: str, state_url: str) -> Settings:
    """The service's own settings, in a group of its own."""
    return dataclasses.replace(
        Settings(),
        kafka_bootstrap_servers=bootstrap_servers,
        kafka_topics=(topic,),
        kafka_group_id=unique("group"),
        state_url=state_url,
    )


class Feed(Consumer):
    """The engine's consumer; it stops the loop once `count` records are settled (0: never)."""

    def __init__(self, settings: Settings, stop: threading.Event, count: int) -> None:
        super().__init__(settings)
        self._stop = stop
        self._left = count
        self._first: list[Record] = []

    def join(self, max_records: int) -> None:
        """Return when partitions are assigned and the first records are here."""
        while not self._first:
            self._first = super().poll(max_records, _JOIN_POLL_SECONDS)

    def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        """As the consumer, the records of `join` first."""
        if self._first:
            first, self._first = self._first, []
            return first
        return super().poll(max_records, timeout_seconds)

    def commit(self, records: Iterable[Record]) -> None:
        """As the consumer, and count."""
        settled = list(records)
        super().commit(settled)
        self._left -= len(settled)
        if self._left == 0:
            self._stop.set()


class Plant:
    """A loop with its consumer, pipeline, store and dispatcher; `close` ends all of them.

    Alerts are stored with their deliveries; only those to `targets` are sent.
    """

    def __init__(
        self,
        settings: Settings,
        rule_set: RuleSet,
        count: int,
        targets: Mapping[str, Target] | None = None,
        dispatcher: type[Dispatcher] = Dispatcher,
    ) -> None:
        clock = SystemClock()
        self._stack = ExitStack()
        self.settings = settings
        self.metrics = Metrics()
        self.stop = threading.Event()
        self.store = self._stack.enter_context(open_store(settings.state_url))
        self.dispatcher = dispatcher(
            self.store.deliveries,
            targets or {},
            RetryPolicy(),
            self.metrics,
            clock,
            owner="a-benchmark",
        )
        self._stack.callback(self.dispatcher.stop, STOP_SECONDS)
        pipeline = Pipeline(
            Decoder(plate_schema(), Writers(), UTC),
            Cooldown(),
            self.store.stream,
            self.metrics,
            clock,
            max_alert_age_seconds=settings.max_alert_age_seconds,
            write_log=EventLog(clock, log_plates=settings.log_plates).write,
            kill_point=lambda name: None,
        )
        pipeline.use(prepare(rule_set))
        self.feed = Feed(settings, self.stop, count)
        self._stack.callback(self.feed.close)
        self.loop = Loop(
            self.feed,
            pipeline,
            DeadLetterOffice(None, self.store.letters, self.metrics, clock, self.stop.is_set),
            self.dispatcher.wake,
            self.metrics,
            clock,
            self.stop,
            batch_size=settings.batch_size,
            kill_point=lambda name: None,
        )

    def join(self) -> None:
        """Be a member of the group, with the first records at hand."""
        self.feed.join(self.settings.batch_size)

    def close(self) -> None:
        """Leave the group, stop sending, close the store."""
        self._stack.close()
