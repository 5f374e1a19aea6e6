from __future__ import annotations

import threading

from engine.clock import SystemClock
from engine.delivery.retry import DeliveryClock, ReadTimes, Signal
from tests.support.patience import PATIENCE_SECONDS
from tests.unit.delivery.manual_clock import START, ManualClock


def test_the_wall_clock_is_told_in_microseconds() -> None:
    clock = ManualClock()
    timing = DeliveryClock(clock, clock.wait)
    before = timing.now_us()
    clock.move_to(1.5)
    assert before == int(START.timestamp()) * 1_000_000
    assert timing.now_us() - before == 1_500_000


def test_a_signal_ends_a_wait_when_it_is_set() -> None:
    clock = ManualClock()
    signal = Signal(DeliveryClock(clock, clock.wait))
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(signal.wait(60.0)))
    waiter.start()
    clock.await_sleeper(60.0)
    signal.set()
    waiter.join(PATIENCE_SECONDS)
    assert answers == [True]
    assert signal.is_set()


def test_a_signal_that_is_not_set_waits_for_its_time_by_the_clock() -> None:
    clock = ManualClock()
    signal = Signal(DeliveryClock(clock, clock.wait))
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(signal.wait(60.0)))
    waiter.start()
    clock.await_sleeper(60.0)
    clock.move_to(59.0)
    clock.sleep_over(60.0)
    waiter.join(PATIENCE_SECONDS)
    assert answers == [False]


def test_a_signal_works_by_the_machines_clock_too() -> None:
    signal = Signal(DeliveryClock(SystemClock()))
    assert not signal.wait(0.0)
    assert not signal.wait(0.001)
    signal.set()
    assert signal.wait()


def test_a_read_time_is_told_once() -> None:
    times = ReadTimes()
    times.note({"a": 1.0})
    assert times.take("a") == 1.0
    assert times.take("a") is None


def test_only_a_thousand_read_times_are_kept_the_newest() -> None:
    times = ReadTimes()
    times.note({str(number): float(number) for number in range(1_200)})
    assert times.take("199") is None
    assert times.take("200") == 200.0
