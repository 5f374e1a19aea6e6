"""How long a delivery may wait for a held target, whatever is done to the wall clock.

The store has the instant since when a delivery waits, by the wall clock. When that clock is set,
the instants of what waits are moved with it, so that their age remains the time that the engine
ran. The time between two runs does not count: nobody tried to send, and nobody knows whether it
was the engine that was off or the clock that was set.
"""

from __future__ import annotations

import threading
from typing import Final

import structlog

from engine.delivery.timing import Timing
from engine.store import DeliveryStore

log = structlog.get_logger(__name__)

#: Wall and monotonic clock may drift apart so far before what waits is moved.
JUMP_SECONDS: Final = 10.0
#: How often the store learns that the engine runs.
KEEP_SECONDS: Final = 15.0
_MICROSECONDS: Final = 1_000_000


class Patience:
    """Knows which deliveries have waited longer than `hold_seconds`; any thread may ask."""

    def __init__(self, store: DeliveryStore, timing: Timing, hold_seconds: float) -> None:
        self.hold_seconds: Final = hold_seconds
        self._store = store
        self._timing = timing
        self._lock = threading.Lock()
        #: The wall clock minus the monotonic one, when they were last compared; None before.
        self._offset_us: int | None = None
        self._keep_at_us = 0

    def over_before_us(self) -> int:
        """The instant: what waits since before it has waited too long. StoreError as `mind`."""
        return self.mind() - round(self.hold_seconds * _MICROSECONDS)

    def mind(self) -> int:
        """Move what waits if the wall clock was set since the last call; the instant now.

        Raises StoreError when that can't be written; then nothing has changed, and the next call
        tries again.
        """
        with self._lock:
            now_us = self._timing.now_us()
            run_us = round(self._timing.monotonic() * _MICROSECONDS)
            is_start = self._offset_us is None
            jump_us = self._jump_us(now_us, run_us)
            has_jumped = abs(jump_us) >= JUMP_SECONDS * _MICROSECONDS
            if has_jumped or is_start or run_us >= self._keep_at_us:
                self._store.keep_time(now_us, jump_us if has_jumped else 0)
                self._keep_at_us = run_us + round(KEEP_SECONDS * _MICROSECONDS)
            if has_jumped or is_start:
                self._offset_us = now_us - run_us
            # A clock that is ahead at the start may be right: the engine was off.
            if has_jumped and (jump_us < 0 or not is_start):
                log.warning(
                    "clock.jumped",
                    seconds=round(jump_us / _MICROSECONDS),
                    remedy="run NTP; what waits goes on waiting as long as it would have",
                )
            return now_us

    def _jump_us(self, now_us: int, run_us: int) -> int:
        """How far the wall clock is ahead of where it would be had the engine's time passed."""
        if self._offset_us is not None:
            return now_us - run_us - self._offset_us
        seen_us = self._store.last_seen_us()
        return 0 if seen_us is None else now_us - seen_us
