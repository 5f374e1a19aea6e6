"""A clock that moves only when a test says so, and wakes those whose time has come."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from tests.support.patience import PATIENCE_SECONDS

START = datetime(2025, 12, 25, 16, tzinfo=UTC)


class ManualClock:
    """Both clocks and the waiting by them; the monotonic one starts at 0."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._seconds = 0.0
        self._ahead_seconds = 0.0
        self._sleepers: dict[object, tuple[float, threading.Condition]] = {}

    def now(self) -> datetime:
        return START + timedelta(seconds=self._seconds + self._ahead_seconds)

    def monotonic(self) -> float:
        return self._seconds

    def epoch(self) -> float:
        """Seconds since the epoch."""
        return self.now().timestamp()

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait on the condition, which is held, until notified or the clock has moved on."""
        sleeper = object()
        with self._changed:
            until = float("inf") if seconds is None else self._seconds + seconds
            if until <= self._seconds:
                return
            self._sleepers[sleeper] = (until, condition)
        try:
            condition.wait(PATIENCE_SECONDS)
        finally:
            with self._changed:
                del self._sleepers[sleeper]

    def move_to(self, seconds: float) -> None:
        """Let the time be `seconds` since the start."""
        with self._changed:
            assert seconds >= self._seconds
            self._seconds = seconds
            due = [condition for until, condition in self._sleepers.values() if until <= seconds]
        for condition in due:
            with condition:
                condition.notify_all()

    def put_forward(self, seconds: float) -> None:
        """Set the wall clock, forward or, by less than 0, back; the monotonic one goes on."""
        self._ahead_seconds += seconds

    def sleeps_until(self, condition: threading.Condition) -> float | None:
        """When the one that waits on the condition wants to be woken; None if it is awake."""
        with self._changed:
            untils = [until for until, each in self._sleepers.values() if each is condition]
            return min((each for each in untils if each > self._seconds), default=None)
