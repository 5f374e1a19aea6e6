"""A run waits for what is late, and calls lost what does not come."""

from __future__ import annotations

from tests.chaos.run import STEP_SECONDS, STILL_SECONDS, drain


class Queue:
    """Alerts that are missing; one of them comes each `every_seconds`, until `left` are left."""

    def __init__(self, missing: int, every_seconds: float, left: int = 0) -> None:
        self.seconds = 0.0
        self._missing, self._every_seconds, self._left = missing, every_seconds, left

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def count(self) -> int:
        return max(self._left, self._missing - int(self.seconds / self._every_seconds))


def test_what_still_comes_is_waited_for_however_long_it_takes() -> None:
    queue = Queue(10, STILL_SECONDS - STEP_SECONDS)
    drain(queue.count, queue.sleep)
    assert queue.count() == 0
    assert queue.seconds > 9 * (STILL_SECONDS - STEP_SECONDS)


def test_what_never_comes_is_waited_for_from_the_last_that_came() -> None:
    queue = Queue(10, 20.0, left=3)
    drain(queue.count, queue.sleep)
    assert queue.count() == 3
    assert queue.seconds == 7 * 20.0 + STILL_SECONDS


def test_where_nothing_is_missing_nothing_is_waited_for() -> None:
    queue = Queue(0, 1.0)
    drain(queue.count, queue.sleep)
    assert queue.seconds == 0.0
