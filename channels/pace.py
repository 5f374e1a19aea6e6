"""How fast one target is sent to: a burst at once, then one send an interval."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

BURST: Final = 5


class Pace:
    """A token bucket: `BURST` sends at once, refilled by one every `interval_seconds`.

    Not thread-safe: its target sends one at a time. `stop` ends a wait, and all later ones.
    """

    def __init__(
        self, interval_seconds: float, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval_seconds = interval_seconds
        self._timer = timer
        # When the bucket would be full again.
        self._full_at = timer()
        self._stopped = threading.Event()

    def wait(self) -> None:
        """Return when the next send is due, at once where there is no interval."""
        delay = self.delay_seconds()
        if delay > 0.0:
            self._stopped.wait(delay)
        self._full_at = max(self._full_at, self._timer()) + self._interval_seconds

    def delay_seconds(self) -> float:
        """How long the next send has to wait."""
        ahead = self._full_at - self._timer()
        return max(0.0, ahead - (BURST - 1) * self._interval_seconds)

    def stop(self) -> None:
        """Wait no more."""
        self._stopped.set()
