"""Housekeeping of the store, in a thread: sweeps old rows, and sets the metrics of row counts."""

from __future__ import annotations

import threading
from typing import Final

import structlog

from engine.dead_letters.office import note_dropped
from engine.errors import StoreError
from engine.health import Heartbeat
from engine.metrics import Metrics
from engine.settings import Keep
from engine.store import Store

log = structlog.get_logger(__name__)

ROUND_SECONDS: Final = 15.0
SWEEP_SECONDS: Final = 3_600.0
#: Between two small deletions, so that the loop and the workers can write in between.
PAUSE_SECONDS: Final = 0.05


class Housekeeper:
    """Counts rows every 15 seconds and sweeps old ones every hour, while its context is open.

    Dead letters are kept for `letter_seconds`. `longest_cooldown_seconds` is that of the rules in
    force; any thread may set it.
    """

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        retention_seconds: float,
        longest_cooldown_seconds: float,
        letter_seconds: float = Keep().age_seconds,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._retention_seconds = retention_seconds
        self.longest_cooldown_seconds = longest_cooldown_seconds
        self._letter_seconds = letter_seconds
        self._rounds_until_sweep = 0
        self.heartbeat = Heartbeat()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)

    def tidy(self) -> None:
        """Sweep when an hour has passed, then count; a failing store is tried in the next round."""
        self.heartbeat.beat("counting rows of the store")
        try:
            if self._rounds_until_sweep == 0:
                self._sweep()
                self._rounds_until_sweep = int(SWEEP_SECONDS / ROUND_SECONDS)
            self._rounds_until_sweep -= 1
            self._count()
        except StoreError as error:
            log.debug("housekeeping.postponed", error=str(error))

    def _run(self) -> None:
        self.tidy()
        while not self._stop.wait(ROUND_SECONDS):
            self.tidy()

    def _count(self) -> None:
        rows = self._store.rows()
        for table, number in rows.items():
            self._metrics.store_rows.labels(table).set(number)
        self._metrics.dead_letters_waiting.set(rows["dead_letters"])

    def _sweep(self) -> None:
        self.heartbeat.beat("sweeping old rows from the store")
        now_us = self._store.begin_sweep()
        before_us = now_us - round(self._letter_seconds * 1e6)
        if dropped := self._store.drop_dead_letters_before(before_us):
            note_dropped(self._metrics, "age", dropped)
        while self._store.sweep(self._retention_seconds, self.longest_cooldown_seconds, now_us):
            if self._stop.wait(PAUSE_SECONDS):
                return
            self.heartbeat.beat("sweeping old rows from the store")

    def __enter__(self) -> Housekeeper:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
