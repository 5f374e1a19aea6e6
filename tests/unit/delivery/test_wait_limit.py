"""Deliveries wait by the time that the engine runs, whatever is done to the wall clock."""

from __future__ import annotations

import pytest
import structlog

from channels.alert import Outcome, Reason, Status
from engine.delivery.retry import JUMP_SECONDS, DeliveryClock, WaitLimit
from engine.store import DeliveryState
from tests.unit.delivery.stage import Stage

ANN = "mail/ann"
HOUR = 3_600.0
DAY = 24 * HOUR
YEARS = 56 * 365 * DAY
HOLD_SECONDS = DAY
LOCKED_OUT = Outcome(Status.MISCONFIGURED, Reason.UNAUTHORIZED, "401")


class Waiting:
    """A wait limit on a real store, and who it says has waited too long."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.wait_limit = self.restarted()

    def restarted(self) -> WaitLimit:
        """The wait limit of the next run of the engine."""
        timing = DeliveryClock(self.stage.clock, self.stage.clock.wait)
        self.wait_limit = WaitLimit(self.stage.store, timing, HOLD_SECONDS)
        self.wait_limit.check_clock()
        return self.wait_limit

    def runs(self, seconds: float) -> None:
        """The engine runs so long, and looks at its clocks."""
        self.stage.clock.move_to(self.stage.clock.monotonic() + seconds)
        self.wait_limit.check_clock()

    def is_off(self, seconds: float) -> None:
        """The engine does not run for so long, and is started again."""
        self.stage.clock.put_forward(seconds)
        self.restarted()

    def given_up(self) -> int:
        """Gives up what has waited too long; how many."""
        return self.stage.store.mark_all_dead(
            ANN, Reason.HOLD_EXPIRED, waiting_before_us=self.wait_limit.expired_before_us()
        )


@pytest.fixture
def waiting(stage: Stage) -> Waiting:
    return Waiting(stage)


def test_without_jumps_it_is_given_up_after_hold_seconds(waiting: Waiting) -> None:
    waiting.stage.store_only(ANN)
    waiting.runs(HOLD_SECONDS)
    assert waiting.given_up() == 0
    waiting.runs(1.0)
    assert waiting.given_up() == 1


@pytest.mark.parametrize("jump", [JUMP_SECONDS, 23 * HOUR, 2 * DAY, YEARS])
def test_a_clock_put_forward_gives_up_nothing_before_its_time(
    waiting: Waiting, jump: float
) -> None:
    waiting.stage.store_only(ANN)
    waiting.runs(HOUR)
    waiting.stage.clock.put_forward(jump)
    assert waiting.given_up() == 0
    waiting.runs(HOLD_SECONDS - HOUR)
    assert waiting.given_up() == 0
    waiting.runs(1.0)
    assert waiting.given_up() == 1


@pytest.mark.parametrize("jump", [HOUR, 2 * DAY, YEARS])
def test_a_clock_put_back_gives_up_nothing_early_and_keeps_nothing_for_ever(
    waiting: Waiting, jump: float
) -> None:
    waiting.stage.store_only(ANN)
    waiting.runs(HOUR)
    waiting.stage.clock.put_forward(-jump)
    waiting.runs(1.0)
    waiting.runs(HOLD_SECONDS - HOUR - 1.0)
    assert waiting.given_up() == 0
    waiting.runs(HOUR + 1.0)
    assert waiting.given_up() == 1


def test_a_jump_there_and_back_gives_up_nothing_early(waiting: Waiting) -> None:
    waiting.stage.store_only(ANN)
    waiting.runs(HOUR)
    for jump in (3 * DAY, -3 * DAY):
        waiting.stage.clock.put_forward(jump)
        waiting.runs(1.0)
        assert waiting.given_up() == 0
    waiting.runs(HOLD_SECONDS - HOUR - 2.0)
    assert waiting.given_up() == 0
    waiting.runs(1.0)
    assert waiting.given_up() == 1


def test_what_is_stored_after_a_jump_waits_from_then_on(waiting: Waiting) -> None:
    waiting.runs(HOUR)
    waiting.stage.clock.put_forward(2 * DAY)
    # Stored before anybody has noticed the jump.
    waiting.stage.store_only(ANN)
    waiting.runs(HOLD_SECONDS)
    assert waiting.given_up() == 0
    waiting.runs(1.0)
    assert waiting.given_up() == 1


@pytest.mark.parametrize("away", [2 * DAY, 30 * DAY, YEARS, -YEARS, -2 * DAY])
def test_between_two_runs_no_time_counts_be_it_the_engine_that_was_off_or_the_clock_that_was_set(
    waiting: Waiting, away: float
) -> None:
    waiting.stage.store_only(ANN)
    waiting.runs(HOUR)
    waiting.is_off(away)
    assert waiting.given_up() == 0
    waiting.runs(HOLD_SECONDS - HOUR)
    assert waiting.given_up() == 0
    waiting.runs(HOUR + 1.0)
    assert waiting.given_up() == 1


def test_a_machine_that_starts_in_1970_and_hears_the_time_later_gives_up_nothing(
    waiting: Waiting,
) -> None:
    waiting.stage.store_only(ANN)
    waiting.runs(HOUR)
    waiting.is_off(-YEARS)
    waiting.runs(60.0)
    waiting.stage.store_only(ANN)
    waiting.stage.clock.put_forward(YEARS + HOUR)
    waiting.runs(1.0)
    assert waiting.given_up() == 0
    waiting.is_off(5.0)
    assert waiting.given_up() == 0
    waiting.runs(HOLD_SECONDS)
    assert waiting.given_up() == 2


def test_many_short_runs_add_up(waiting: Waiting) -> None:
    waiting.stage.store_only(ANN)
    for _ in range(24):
        assert waiting.given_up() == 0
        waiting.runs(HOUR)
        waiting.is_off(HOUR)
    waiting.runs(1.0)
    assert waiting.given_up() == 1


@pytest.mark.parametrize(("jump", "seconds"), [(2 * DAY, 172_800), (-HOUR, -3_600)])
def test_a_jump_is_logged_once(waiting: Waiting, jump: float, seconds: int) -> None:
    waiting.stage.clock.put_forward(jump)
    with structlog.testing.capture_logs() as logs:
        waiting.runs(1.0)
        waiting.runs(1.0)
    assert [(line["event"], line["seconds"]) for line in logs] == [("clock.jumped", seconds)]


def test_an_engine_that_was_off_says_nothing_of_its_clock(waiting: Waiting) -> None:
    with structlog.testing.capture_logs() as logs:
        waiting.is_off(3 * DAY)
    assert logs == []


def test_a_probe_that_fails_just_after_a_jump_gives_up_nothing(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: LOCKED_OUT)
    stage.start(hold_seconds=HOUR)
    alert = stage.add(ANN)
    stage.clock.await_sleeper(30.0)
    stage.clock.put_forward(2 * DAY)
    stage.clock.move_to(30.0)
    target.await_calls(2)
    stage.clock.await_sleeper(90.0)
    assert stage.store.delivery(alert, ANN).state is DeliveryState.WAITING
