from __future__ import annotations

import threading

import pytest

from engine.health import (
    SLOW_STUCK_SECONDS,
    STUCK_SECONDS,
    Heartbeat,
    Pulse,
    Stage,
    find_stuck_threads,
)
from tests.support.patience import PATIENCE_SECONDS
from tests.unit.manual_time import ManualTime


def heartbeat_at(time: ManualTime) -> Heartbeat:
    return Heartbeat(timer=time.monotonic, patience_seconds=0.0)


def test_a_step_that_lasts_no_longer_than_the_limit_is_not_stuck() -> None:
    time = ManualTime()
    heartbeat = heartbeat_at(time)
    heartbeat.beat(Stage.STORING)
    time.seconds = STUCK_SECONDS
    assert heartbeat.find_stuck(STUCK_SECONDS) is None


def test_a_step_that_lasts_longer_is_named_with_its_age() -> None:
    time = ManualTime()
    heartbeat = heartbeat_at(time)
    heartbeat.beat(Stage.STORING)
    time.seconds = 42.4
    stuck = heartbeat.find_stuck(STUCK_SECONDS)
    assert stuck == Pulse(Stage.STORING, 42.4)
    assert str(stuck) == "stuck for 42 s: writing to the store"


def test_each_beat_begins_anew() -> None:
    time = ManualTime()
    heartbeat = heartbeat_at(time)
    for _ in range(10):
        time.seconds += STUCK_SECONDS - 1
        heartbeat.beat(Stage.WAITING)
    assert heartbeat.look() == Pulse(Stage.WAITING, 0.0)


@pytest.mark.slow
def test_a_process_that_was_halted_as_a_whole_is_not_called_stuck() -> None:
    time = ManualTime()
    time.seconds = 1_000.0
    is_looked_at = threading.Event()

    def timer() -> float:
        if threading.current_thread().name == "asking":
            is_looked_at.set()
        return time.seconds

    heartbeat = Heartbeat(timer=timer, patience_seconds=60.0)
    found: list[Pulse | None] = [Pulse("unset", 0.0)]
    asking = threading.Thread(
        target=lambda: found.append(heartbeat.find_stuck(STUCK_SECONDS)), name="asking"
    )
    # Halted for an hour; the thread that is asked about goes on a moment after the one that asks.
    time.seconds += 3_600.0
    asking.start()
    assert is_looked_at.wait(PATIENCE_SECONDS)
    heartbeat.beat(Stage.POLLING)
    asking.join(PATIENCE_SECONDS)
    assert found[1:] == [None]


def test_other_threads_have_longer_and_are_named() -> None:
    time = ManualTime()
    threads = {"rules": heartbeat_at(time), "delivery": heartbeat_at(time)}
    threads["rules"].beat("loading changed rule files and watchlists")
    time.seconds = SLOW_STUCK_SECONDS
    assert find_stuck_threads(threads) == {}
    threads["delivery"].beat("asking the store for what waits")
    time.seconds += 1
    (name,), (pulse,) = zip(*find_stuck_threads(threads).items(), strict=True)
    assert (name, pulse.stage) == ("rules", "loading changed rule files and watchlists")
