"""Housekeeping of the store, in a thread: says that the engine runs, sweeps and counts rows.

What the store did not take of the rules in force, it takes here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from engine.dead_letters.office import note_dropped
from engine.errors import StoreError
from engine.health import Heartbeat
from engine.metrics import Metrics
from engine.reload.recorder import RuleRecorder
from engine.service.replicas import Replicas
from engine.settings import Keep
from engine.store import Store

log = structlog.get_logger(__name__)

ROUND_SECONDS: Final = 15.0
#: How often the thread looks whether something is due.
LOOK_SECONDS: Final = 1.0
SWEEP_SECONDS: Final = 3_600.0
#: Between two small deletions, so that the loop and the workers can write in between.
PAUSE_SECONDS: Final = 0.05


class Housekeeper:
    """Counts rows every 15 seconds and sweeps old ones every hour, while its context is open.

    Of several engines on one store each counts, and one sweeps at a time. Beats of `replicas` come
    in between, and at the end it leaves them. Dead letters are kept for `letter_seconds`.
    `longest_cooldown_seconds` is that of the rules in force; any thread may set it. The `recorder`
    of the rules in force is called every second, for what is left to record.
    """

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        replicas: Replicas,
        retention_seconds: float,
        longest_cooldown_seconds: float,
        letter_seconds: float = Keep().age_seconds,
        recorder: RuleRecorder | None = None,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._retention_seconds = retention_seconds
        self.longest_cooldown_seconds = longest_cooldown_seconds
        self._letter_seconds = letter_seconds
        self._replicas = replicas
        self._recorder = recorder
        self._rounds_until_sweep = 0
        self.heartbeat = Heartbeat()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)

    def tidy(self) -> None:
        """Sweep when an hour has passed, then count; a failing store is tried in the next round."""
        self.heartbeat.beat("counting rows of the store")
        with _postponed():
            if self._rounds_until_sweep == 0:
                self._sweep()
                self._rounds_until_sweep = int(SWEEP_SECONDS / ROUND_SECONDS)
            self._rounds_until_sweep -= 1
            self._count()

    def _run(self) -> None:
        due = 0.0
        while True:
            self._beat()
            if self._recorder is not None:
                self._recorder.record()
            if time.monotonic() >= due:
                self.tidy()
                due = time.monotonic() + ROUND_SECONDS
            if self._stop.wait(LOOK_SECONDS):
                break
        with _postponed():
            self._replicas.leave()

    def _beat(self) -> None:
        if self._replicas.is_due:
            with _postponed():
                self._replicas.beat()

    def _count(self) -> None:
        rows = self._store.archive.rows()
        for table, number in rows.items():
            self._metrics.store_rows.labels(table).set(number)
        self._metrics.dead_letters_waiting.set(rows["dead_letters"])

    def _sweep(self) -> None:
        self.heartbeat.beat("sweeping old rows from the store")
        archive = self._store.archive
        now_us = archive.begin_sweep()
        before_us = now_us - round(self._letter_seconds * 1e6)
        if dropped := self._store.letters.drop_before(before_us):
            note_dropped(self._metrics, "age", dropped)
        self._store.silences.sweep(now_us - round(self._retention_seconds * 1e6))
        while archive.sweep(self._retention_seconds, self.longest_cooldown_seconds, now_us):
            if self._stop.wait(PAUSE_SECONDS):
                return
            # A store of millions of rows takes minutes.
            self._beat()
            self.heartbeat.beat("sweeping old rows from the store")
        self._store.rule_sets.sweep(now_us - round(self._retention_seconds * 1e6))

    def __enter__(self) -> Housekeeper:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()


@contextmanager
def _postponed() -> Iterator[None]:
    """What the store does not take now is done in another round."""
    try:
        yield
    except StoreError as error:
        log.debug("housekeeping.postponed", error=str(error))
