"""A clock that moves only when a test says so, and wakes those whose time has come."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

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
            self._changed.notify_all()
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

    def await_sleeper(self, until: float, count: int = 1) -> None:
        """Wait until so many sleep until exactly then."""

        def untils() -> list[float]:
            return [each for each, _ in self._sleepers.values()]

        def are_there() -> bool:
            return sum(each == pytest.approx(until) for each in untils()) >= count

        with self._changed:
            assert self._changed.wait_for(are_there, PATIENCE_SECONDS), (
                f"not {count} sleep until {until}, but until {sorted(untils())}"
            )

    def sleep_over(self, until: float, count: int = 1) -> None:
        """Wait until so many sleep until exactly then, and let it be then.

        All that a test wants to be woken: who lies down later sleeps longer.
        """
        self.await_sleeper(until, count)
        self.move_to(until)
