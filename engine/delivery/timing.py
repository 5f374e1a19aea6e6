"""Time as the delivery workers use it: two clocks and a wait, both given from outside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from engine.clock import Clock

Wait = Callable[[threading.Condition, float | None], object]
"""Waits on a condition that is held, for at most some seconds of the clock (None: no limit)."""

FRESH_ALERTS: Final = 1_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Timing:
    """The clock together with the way to wait by it."""

    def __init__(self, clock: Clock, wait: Wait = threading.Condition.wait) -> None:
        self.wait: Final = wait
        self.monotonic: Final = clock.monotonic
        self._now = clock.now

    def now_us(self) -> int:
        """Microseconds since the epoch, by the wall clock."""
        return (self._now() - _EPOCH) // _MICROSECOND


class Signal(threading.Event):
    """An event whose waits go by `timing`, so that tenacity's sleeps do too."""

    def __init__(self, timing: Timing) -> None:
        super().__init__()
        self._timing = timing
        self._changed = threading.Condition()
        self._is_set = False

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._is_set

    def set(self) -> None:
        """Wake everybody who waits, now and from now on."""
        with self._changed:
            self._is_set = True
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, at most `timeout` seconds; whether it is set."""
        timing = self._timing
        deadline = None if timeout is None else timing.monotonic() + timeout
        with self._changed:
            while not self._is_set:
                left = None if deadline is None else deadline - timing.monotonic()
                if left is not None and left <= 0:
                    break
                timing.wait(self._changed, left)
            return self._is_set


class ReadTimes:
    """When the events of fresh alerts were read (monotonic seconds), each told once; bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at: dict[str, float] = {}

    def note(self, read_at: Mapping[str, float]) -> None:
        """Remember these, by alert id; the oldest are forgotten when there are too many."""
        with self._lock:
            self._read_at.update(read_at)
            while len(self._read_at) > FRESH_ALERTS:
                del self._read_at[next(iter(self._read_at))]

    def take(self, alert_id: str) -> float | None:
        """The alert's time, None when it is not known or was told before."""
        with self._lock:
            return self._read_at.pop(alert_id, None)
