"""How fast a target is sent to."""

from __future__ import annotations

from channels.targets.apprise_target import BURST, Pace


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def stopped(interval_seconds: float, clock: Clock) -> Pace:
    """A pace that never sleeps, so that its delays can be read."""
    pace = Pace(interval_seconds, clock)
    pace.stop()
    return pace


def test_burst_goes_at_once_and_then_one_an_interval() -> None:
    clock = Clock()
    pace = stopped(1.0, clock)
    delays = []
    for _ in range(BURST + 3):
        delays.append(pace.delay_seconds())
        pace.wait()
        clock.now += delays[-1]
    assert delays == [0.0] * BURST + [1.0] * 3


def test_idle_time_fills_the_burst_again_and_no_more() -> None:
    clock = Clock()
    pace = stopped(1.0, clock)
    for _ in range(BURST):
        pace.wait()
    assert pace.delay_seconds() == 1.0
    clock.now += 1_000.0
    for _ in range(BURST):
        assert pace.delay_seconds() == 0.0
        pace.wait()
    assert pace.delay_seconds() == 1.0


def test_without_an_interval_nothing_waits() -> None:
    pace = Pace(0.0, Clock())
    for _ in range(100):
        pace.wait()
    assert pace.delay_seconds() == 0.0


def test_stop_ends_a_wait() -> None:
    pace = Pace(1_000_000.0)
    for _ in range(BURST):
        pace.wait()
    assert pace.delay_seconds() > 1_000.0
    pace.stop()
    pace.wait()
