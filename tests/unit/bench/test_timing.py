from __future__ import annotations

import pytest

from engine.bench.measurement import FEWEST_REPETITIONS, REPETITIONS, time_calls


class Clock:
    """Time that passes only while calls are made."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_time_of_a_call_is_found() -> None:
    clock, seen = Clock(), []

    def call(item: str) -> None:
        seen.append(item)
        clock.now += 0.001

    timing = time_calls(call, ["a", "b", "c"], 1.0, clock)
    assert timing.seconds == pytest.approx(0.001)
    assert timing.repetitions == pytest.approx(REPETITIONS, abs=1)
    assert seen == ["abc"[number % 3] for number in range(len(seen))]
    assert clock.now == pytest.approx(1.2, abs=0.05)


def test_a_few_slow_calls_do_not_count() -> None:
    clock, calls = Clock(), iter(range(10_000))

    def call(item: int) -> None:
        clock.now += 0.5 if next(calls) % 400 == 399 else 0.001

    assert time_calls(call, [0], 1.0, clock).seconds < 0.0015


def test_the_warm_up_does_not_count() -> None:
    clock, calls = Clock(), iter(range(10_000))

    def call(item: int) -> None:
        clock.now += 0.1 if next(calls) < 2 else 0.001

    assert time_calls(call, [0], 1.0, clock).seconds == pytest.approx(0.001)


def test_calls_that_take_longer_than_the_whole_time_are_still_repeated() -> None:
    clock, calls = Clock(), []

    def call(item: int) -> None:
        calls.append(item)
        clock.now += 3.0

    timing = time_calls(call, [1, 2], 1.0, clock)
    assert (timing.seconds, timing.repetitions) == (3.0, FEWEST_REPETITIONS)
    assert len(calls) == 1 + FEWEST_REPETITIONS
