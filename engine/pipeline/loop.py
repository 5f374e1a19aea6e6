"""The one loop thread: poll, process, store, acknowledge dead letters, commit offsets.

The order holds the promise that no alert is lost: offsets are committed only after the transaction
and after the dead letters' acknowledgement. The loop waits here for what is in the way, and logs it
once: for the store with the consumer paused and its membership alive, for the schema registry with
only those partitions held whose records need it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from engine.clock import Clock
from engine.dead_letters.office import DeadLetterOffice
from engine.errors import AlertEngineError, RegistryUnavailableError, StoreUnavailableError
from engine.health import Heartbeat, Stage
from engine.metrics import Metrics
from engine.pipeline.pipeline import Pipeline
from engine.store import FreshAlert
from engine.stream.consumer import Consumer
from engine.stream.record import Partition, Record

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 0.5
WAIT_SECONDS: Final = 0.5
#: So many records that wait for their schema are kept; their partitions are read on until then, so
#: that many unknown schemas take no longer than one.
HELD_RECORDS: Final = 5_000
LAG_SECONDS: Final = 5.0


class Loop:
    """Runs until the stop event is set; `obstacle` is what it waits for, if anything."""

    def __init__(
        self,
        consumer: Consumer,
        pipeline: Pipeline,
        office: DeadLetterOffice,
        on_stored: Callable[[Sequence[FreshAlert]], None],
        metrics: Metrics,
        clock: Clock,
        stop: threading.Event,
        *,
        batch_size: int,
        kill_point: Callable[[str], None],
        heartbeat: Heartbeat | None = None,
    ) -> None:
        self._consumer = consumer
        self._pipeline = pipeline
        self._office = office
        self._on_stored = on_stored
        self._metrics = metrics
        self._clock = clock
        self._stop = stop
        self._batch_size = batch_size
        self._kill_point = kill_point
        self._beat = (heartbeat or Heartbeat()).beat
        self._obstacle: AlertEngineError | None = None
        # Stored and counted, its dead letters not safe yet: what to commit then, and what is in
        # the way of the rest.
        self._uncommitted: tuple[Sequence[Record], AlertEngineError | None] | None = None
        # Records whose schema is not known yet, with those behind them in their partitions.
        self._held: list[Record] = []
        self._held_until = 0.0
        # The first of them of each partition, by its offset, and since when it waits.
        self._heads: Mapping[Partition, tuple[int, float]] = {}
        self._awaited: RegistryUnavailableError | None = None
        self._lag_due = 0.0
        self._measured: set[tuple[str, str]] = set()

    @property
    def obstacle(self) -> AlertEngineError | None:
        """Why records that were read can't be processed now."""
        return self._obstacle

    @property
    def held_since(self) -> Mapping[Partition, float]:
        """The partitions whose next record waits for its schema, and since when, monotonic."""
        return {partition: since for partition, (_, since) in self._heads.items()}

    def run(self) -> None:
        """Consume until the stop event is set; a batch that was begun is finished."""
        while not self._stop.is_set():
            self._beat(Stage.POLLING)
            records = self._consumer.poll(self._batch_size, POLL_SECONDS)
            if records:
                self._kill_point("read")
            pending = self._with_held(records)
            if pending:
                self._process(pending)
            self._beat(Stage.DEAD_LETTERS)
            self._office.retry()
            self._measure()
        self._beat(Stage.STOPPING)

    def _process(self, records: Sequence[Record]) -> None:
        started = self._clock.monotonic()
        pending = list(records)
        self._uncommitted = None
        while pending:
            obstacle, pending = self._advance(pending)
            if isinstance(obstacle, RegistryUnavailableError):
                self._hold(pending, obstacle)
                break
            if obstacle is not None:
                self._show_obstacle(obstacle)
                if self._stop.is_set():
                    # Neither processed nor committed: they are read again after the restart.
                    return
                pending = self._wait(pending)
        if not self._held:
            self._hold_partitions()
        self._show_obstacle(self._awaited if self._held else None)
        self._metrics.batch_time.observe(self._clock.monotonic() - started)

    def _with_held(self, records: Sequence[Record]) -> Sequence[Record]:
        """What to process now: new records, and when due those that wait for their schema."""
        if not self._held:
            return records
        held = self._consumer.held
        # What was taken away is delivered again, by whoever has it now.
        self._held = [each for each in self._held if each.topic_partition in held]
        # Their partitions' later records stay behind them.
        self._held += [each for each in records if each.topic_partition in held]
        self._hold_partitions()
        if self._held and self._clock.monotonic() < self._held_until:
            return [each for each in records if each.topic_partition not in held]
        pending = self._held + [each for each in records if each.topic_partition not in held]
        self._held = []
        if not pending:
            self._show_obstacle(None)
        return pending

    def _hold(self, pending: list[Record], obstacle: RegistryUnavailableError) -> None:
        """Keep these until their schemas are known; other partitions go on."""
        self._held += pending
        self._held_until = self._clock.monotonic() + WAIT_SECONDS
        self._awaited = obstacle
        self._hold_partitions()

    def _hold_partitions(self) -> None:
        now = self._clock.monotonic()
        firsts: dict[Partition, int] = {}
        for each in self._held:
            firsts.setdefault(each.topic_partition, each.offset)
        known = self._heads
        self._heads = {
            partition: known[partition]
            if partition in known and known[partition][0] == offset
            else (offset, now)
            for partition, offset in firsts.items()
        }
        self._consumer.hold(firsts.keys(), reads_on=len(self._held) < HELD_RECORDS)

    def _advance(self, pending: Sequence[Record]) -> tuple[AlertEngineError | None, list[Record]]:
        """Process and commit what can be; returns what is in the way of the rest, and the rest."""
        try:
            if self._uncommitted is None:
                batch = self._pipeline.process(pending)
                if not batch.processed:
                    return batch.interruption, list(pending)
                self._uncommitted = (batch.processed, batch.interruption)
                self._on_stored(batch.fresh)
                self._beat(Stage.DEAD_LETTERS)
                self._office.send(batch.dead_letters)
            else:
                self._beat(Stage.DEAD_LETTERS)
                # Processed again it would be counted twice, and its letters sent twice.
                self._office.finish()
        except StoreUnavailableError as error:
            self._metrics.store_errors.inc()
            return error, list(pending)
        (records, interruption), self._uncommitted = self._uncommitted, None
        self._beat(Stage.COMMITTING)
        self._consumer.commit(records)
        self._kill_point("commit")
        done = {id(record) for record in records}
        return interruption, [record for record in pending if id(record) not in done]

    def _wait(self, pending: Sequence[Record]) -> list[Record]:
        self._beat(Stage.WAITING)
        self._consumer.pause()
        lost = self._consumer.keep_alive(WAIT_SECONDS)
        self._held = [record for record in self._held if record.topic_partition not in lost]
        return [record for record in pending if record.topic_partition not in lost]

    def _show_obstacle(self, obstacle: AlertEngineError | None) -> None:
        known, self._obstacle = self._obstacle, obstacle
        if not isinstance(obstacle, StoreUnavailableError):
            self._consumer.resume()
        if obstacle is None and known is not None:
            log.info("stream.resumed", after=known.code)
        elif obstacle is not None and (known is None or known.code != obstacle.code):
            log.error("stream.waiting", reason=obstacle.code, error=str(obstacle))

    def _measure(self) -> None:
        now = self._clock.monotonic()
        if now < self._lag_due:
            return
        self._lag_due = now + LAG_SECONDS
        self._metrics.show_gaps(self._consumer.gaps.lost, self._consumer.gaps.cut)
        lags = {(topic, str(number)): lag for (topic, number), lag in self._consumer.lag().items()}
        for handed_over in self._measured - lags.keys():
            self._metrics.consumer_lag.remove(*handed_over)
        self._measured = set(lags)
        for partition, lag in lags.items():
            self._metrics.consumer_lag.labels(*partition).set(lag)
