"""How long one call takes: warmed up, repeated, the median."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final, TypeVar

T = TypeVar("T")

REPETITIONS: Final = 25
FEWEST_REPETITIONS: Final = 5


@dataclass(frozen=True, slots=True)
class Timing:
    """The median seconds of a call over so many repetitions, each of many calls."""

    seconds: float
    repetitions: int


def time_calls(
    call: Callable[[T], object],
    inputs: Sequence[T],
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Call with one of `inputs` after the other, over and over, for about `seconds`.

    A first fifth of that is for caches and clock rates to settle, and isn't counted.
    """
    turns = cycle(inputs)
    batch = _warm_up(call, turns, seconds, clock)
    times: list[float] = []
    until = clock() + seconds
    while len(times) < FEWEST_REPETITIONS or clock() < until:
        now = list(islice(turns, batch))
        started = clock()
        for each in now:
            call(each)
        times.append((clock() - started) / batch)
    return Timing(statistics.median(times), len(times))


def _warm_up(
    call: Callable[[T], object], turns: Iterator[T], seconds: float, clock: Callable[[], float]
) -> int:
    """How many calls fill one of the repetitions."""
    started = clock()
    calls = 0
    while (passed := clock() - started) < seconds / 5:
        call(next(turns))
        calls += 1
    return max(1, round(calls * seconds / REPETITIONS / passed))
