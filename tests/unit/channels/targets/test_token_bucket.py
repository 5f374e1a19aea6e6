"""The rate limit of a target."""

from __future__ import annotations

from channels.targets.apprise_target import BURST, TokenBucket


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def stopped(interval_seconds: float, clock: Clock) -> TokenBucket:
    """A bucket that never sleeps, so that its delays can be read."""
    bucket = TokenBucket(interval_seconds, clock)
    bucket.stop()
    return bucket


def test_burst_goes_at_once_and_then_one_an_interval() -> None:
    clock = Clock()
    bucket = stopped(1.0, clock)
    delays = []
    for _ in range(BURST + 3):
        delays.append(bucket.delay_seconds())
        bucket.wait()
        clock.now += delays[-1]
    assert delays == [0.0] * BURST + [1.0] * 3


def test_idle_time_fills_the_burst_again_and_no_more() -> None:
    clock = Clock()
    bucket = stopped(1.0, clock)
    for _ in range(BURST):
        bucket.wait()
    assert bucket.delay_seconds() == 1.0
    clock.now += 1_000.0
    for _ in range(BURST):
        assert bucket.delay_seconds() == 0.0
        bucket.wait()
    assert bucket.delay_seconds() == 1.0


def test_without_an_interval_nothing_waits() -> None:
    bucket = TokenBucket(0.0, Clock())
    for _ in range(100):
        bucket.wait()
    assert bucket.delay_seconds() == 0.0


def test_stop_ends_a_wait() -> None:
    bucket = TokenBucket(1_000_000.0)
    for _ in range(BURST):
        bucket.wait()
    assert bucket.delay_seconds() > 1_000.0
    bucket.stop()
    bucket.wait()
