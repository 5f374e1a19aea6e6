from __future__ import annotations

import pytest

from tests.unit.bench.results import result


def test_events_a_second_follow_from_the_time_of_one() -> None:
    assert result(10, us_per_event=2.5).events_per_second == pytest.approx(400_000)
