from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from engine.match.look_up import intervals_step
from engine.match.needs import Interval
from tests.unit.match.look_ups import found, plain

VALUES = (-math.inf, -2, -1, -0.0, 0.25, 0.5, 1, 1.5, 2, 2.4, 2.5, 2**60, math.inf, math.nan)
_ENDS = st.sampled_from((-math.inf, -1.0, 0, 0.5, 1, 2.0, 2.5, math.inf))
_INTERVALS = st.builds(Interval, _ENDS, _ENDS, st.booleans(), st.booleans(), st.booleans())


def holds(test: Interval, value: float) -> bool:
    if math.isnan(value):
        return test.with_nan
    above = value > test.low or (value == test.low and not test.is_low_open)
    return above and (value < test.high or (value == test.high and not test.is_high_open))


@given(tests=st.lists(_INTERVALS, min_size=1, max_size=12))
def test_a_number_finds_the_intervals_that_hold_it(tests: list[Interval]) -> None:
    step = intervals_step([(test, place) for place, test in enumerate(tests)], plain)
    for value in VALUES:
        wanted = [place for place, test in enumerate(tests) if holds(test, value)]
        assert found(value, step) == wanted, value
