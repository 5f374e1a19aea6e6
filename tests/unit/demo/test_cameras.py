"""Simulated cameras."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from engine.demo.cameras import EVENTS_PER_EXAMPLE, Cameras

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def example_event(example: dict[str, object]) -> dict[str, object]:
    """The first event that is made of an example."""
    cameras = Cameras([example], random.Random(1))
    return list(cameras.events(iter([NOON] * EVENTS_PER_EXAMPLE)))[-1]


@pytest.mark.parametrize(
    ("told", "sent"),
    [
        ("2025-07-01T23:00:00-04:00", datetime(2026, 3, 1, 3, tzinfo=UTC)),
        ("2025-07-01T11:30:00Z", datetime(2026, 3, 1, 11, 30, tzinfo=UTC)),
        ("2025-07-01T12:30:00Z", datetime(2026, 2, 28, 12, 30, tzinfo=UTC)),
        ("2025-07-01T12:00:00", NOON),
    ],
)
def test_an_examples_time_of_day_is_kept_and_its_day_is_the_last(told: str, sent: datetime) -> None:
    event = example_event({"captured_at": told})
    assert datetime.fromisoformat(str(event["captured_at"])) == sent
    assert NOON - sent < timedelta(days=1)


def test_a_time_that_is_none_is_sent_as_it_is() -> None:
    assert example_event({"captured_at": "soon"})["captured_at"] == "soon"


def test_other_events_are_of_now() -> None:
    assert str(example_event({"camera_id": "x"})["captured_at"]).startswith("2026-03-01T12:00:00")
