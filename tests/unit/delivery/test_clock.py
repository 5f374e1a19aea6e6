"""Deliveries wait by the time that the engine runs, whatever is done to the wall clock."""

from __future__ import annotations

import pytest
import structlog

from engine.store import DeliveryState
from tests.unit.delivery.scripted_target import BAD_TLS, DOWN
from tests.unit.delivery.stage import Stage

ANN = "mail:ann"
HOUR = 3_600.0
DAY = 24 * HOUR
YEARS = 56 * 365 * DAY
HOLD_SECONDS = DAY
#: How often the engine looks at its clock, and then at what has waited too long, and a bit more.
LOOK_SECONDS = 16.0


class Held:
    """An engine with a held target, and who has waited too long for it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.target = stage.target(ANN, lambda alert_id: BAD_TLS)
        stage.start(hold_seconds=HOLD_SECONDS)

    def runs(self, seconds: float) -> None:
        """The engine runs so long, looking at its clock at the end."""
        self.stage.leap(max(0.0, seconds - LOOK_SECONDS))
        self.stage.pass_to(self.stage.clock.monotonic() + min(seconds, LOOK_SECONDS))

    def is_off(self, seconds: float) -> None:
        """The engine does not run for so long, and is started again."""
        self.stage.stop()
        self.stage.clock.put_forward(seconds)
        self.stage.start(hold_seconds=HOLD_SECONDS)

    @property
    def dead(self) -> int:
        """How many were given up."""
        states = self.stage.states(ANN).values()
        return sum(state is DeliveryState.DEAD for state in states)


@pytest.fixture
def held(stage: Stage) -> Held:
    return Held(stage)


def test_without_jumps_it_is_given_up_after_hold_seconds(held: Held) -> None:
    held.stage.add(ANN)
    held.runs(HOLD_SECONDS)
    assert held.dead == 0
    held.runs(LOOK_SECONDS)
    assert held.dead == 1


@pytest.mark.parametrize("jump", [10.0, 23 * HOUR, 2 * DAY, YEARS])
def test_a_clock_put_forward_gives_up_nothing_before_its_time(held: Held, jump: float) -> None:
    held.stage.add(ANN)
    held.runs(HOUR)
    held.stage.clock.put_forward(jump)
    held.runs(LOOK_SECONDS)
    assert held.dead == 0
    held.runs(HOLD_SECONDS - HOUR - 2 * LOOK_SECONDS)
    assert held.dead == 0
    held.runs(3 * LOOK_SECONDS)
    assert held.dead == 1


@pytest.mark.parametrize("jump", [HOUR, 2 * DAY, YEARS])
def test_a_clock_put_back_gives_up_nothing_early_and_keeps_nothing_for_ever(
    held: Held, jump: float
) -> None:
    held.stage.add(ANN)
    held.runs(HOUR)
    held.stage.clock.put_forward(-jump)
    held.runs(LOOK_SECONDS)
    held.runs(HOLD_SECONDS - HOUR - 3 * LOOK_SECONDS)
    assert held.dead == 0
    held.runs(HOUR + 6 * LOOK_SECONDS)
    assert held.dead == 1


def test_a_jump_there_and_back_gives_up_nothing_early(held: Held) -> None:
    held.stage.add(ANN)
    held.runs(HOUR)
    for jump in (3 * DAY, -3 * DAY):
        held.stage.clock.put_forward(jump)
        held.runs(LOOK_SECONDS)
        assert held.dead == 0
    held.runs(HOLD_SECONDS - HOUR - 4 * LOOK_SECONDS)
    assert held.dead == 0
    held.runs(6 * LOOK_SECONDS)
    assert held.dead == 1


@pytest.mark.parametrize("away", [2 * DAY, 30 * DAY, YEARS, -YEARS, -2 * DAY])
def test_between_two_runs_no_time_counts_be_it_the_engine_that_was_off_or_the_clock_that_was_set(
    held: Held, away: float
) -> None:
    held.stage.add(ANN)
    held.runs(HOUR)
    held.is_off(away)
    held.runs(LOOK_SECONDS)
    assert held.dead == 0
    held.runs(HOLD_SECONDS - HOUR - 3 * LOOK_SECONDS)
    assert held.dead == 0
    held.runs(HOUR)
    assert held.dead == 1


def test_many_short_runs_add_up(held: Held) -> None:
    held.stage.add(ANN)
    for _ in range(24):
        assert held.dead == 0
        held.runs(HOUR)
        held.is_off(HOUR)
    held.runs(LOOK_SECONDS)
    held.runs(24 * LOOK_SECONDS)
    assert held.dead == 1


@pytest.mark.parametrize(("jump", "seconds"), [(2 * DAY, 172_800), (-HOUR, -3_600)])
def test_a_jump_is_logged_once(held: Held, jump: float, seconds: int) -> None:
    held.runs(LOOK_SECONDS)
    held.stage.clock.put_forward(jump)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            held.runs(LOOK_SECONDS)
    (line,) = logs
    assert line["event"] == "clock.jumped"
    assert abs(line["seconds"] - seconds) <= LOOK_SECONDS


def test_an_engine_that_was_off_says_nothing_of_its_clock(held: Held) -> None:
    with structlog.testing.capture_logs() as logs:
        held.is_off(3 * DAY)
        held.runs(LOOK_SECONDS)
    assert logs == []


@pytest.mark.parametrize("jump", [-YEARS, -HOUR, HOUR, YEARS])
def test_a_retry_comes_within_seconds_of_its_time_whatever_the_clock_does(
    stage: Stage, jump: float
) -> None:
    target = stage.target(ANN, lambda alert_id: DOWN)
    stage.start()
    stage.add(ANN)
    stage.pass_to(1.0)
    stage.clock.put_forward(jump)
    stage.pass_to(5.0 + LOOK_SECONDS)
    assert len(target.calls) >= 2


@pytest.mark.parametrize("jump", [-YEARS, -HOUR, HOUR, YEARS])
def test_a_probe_comes_within_seconds_of_its_time_whatever_the_clock_does(
    held: Held, jump: float
) -> None:
    held.stage.add(ANN)
    held.stage.clock.put_forward(jump)
    held.stage.pass_to(30.0 + LOOK_SECONDS)
    assert len(held.target.calls) >= 2
    # And not without a pause.
    assert len(held.target.calls) <= 4
