from __future__ import annotations

import pytest

from channels.alert import SENT, Outcome, Reason, Status
from engine.delivery.retry import (
    Attempt,
    DeliveryClock,
    RetryPolicy,
    Signal,
    send_retrying,
    store_retrying,
)
from engine.errors import SchemaError, StoreUnavailableError
from tests.unit.delivery.manual_clock import ManualClock
from tests.unit.delivery.scripted_target import DOWN


class Sleepless(ManualClock):
    """Time that passes at once for whoever waits, and is written down."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, condition: object, seconds: float | None) -> None:
        assert seconds is not None
        self.waits.append(seconds)
        self.move_to(self.monotonic() + seconds)


@pytest.fixture
def clock() -> Sleepless:
    return Sleepless()


@pytest.fixture
def interrupt(clock: Sleepless) -> Signal:
    return Signal(DeliveryClock(clock, clock.wait))


def asking(seconds: float) -> Outcome:
    return Outcome(Status.UNAVAILABLE, Reason.RATE_LIMITED, "", seconds)


def test_waits_double_and_the_last_attempt_is_returned(clock: Sleepless, interrupt: Signal) -> None:
    retrying = send_retrying(RetryPolicy(jitter=0.0), interrupt)
    last = retrying(lambda: Attempt(DOWN, is_retryable=True))
    assert clock.waits == [5.0, 10.0, 20.0]
    assert last == Attempt(DOWN, is_retryable=True)


def test_jitter_only_adds_and_only_a_little(clock: Sleepless, interrupt: Signal) -> None:
    for _ in range(50):
        send_retrying(RetryPolicy(), interrupt)(lambda: Attempt(DOWN, is_retryable=True))
    stated = [5.0, 10.0, 20.0] * 50
    assert all(0 <= wait - least <= 0.5 for wait, least in zip(clock.waits, stated, strict=True))
    assert len(set(clock.waits)) > 3


def test_what_is_not_retryable_is_not_tried_again(clock: Sleepless, interrupt: Signal) -> None:
    attempts = iter([Attempt(DOWN, is_retryable=True), Attempt(SENT, is_retryable=False)])
    last = send_retrying(RetryPolicy(jitter=0.0), interrupt)(lambda: next(attempts))
    assert last.outcome is SENT
    assert clock.waits == [5.0]


def test_a_wait_that_is_asked_for_counts_when_it_is_longer(
    clock: Sleepless, interrupt: Signal
) -> None:
    attempts = iter([Attempt(asking(seconds), is_retryable=True) for seconds in (1, 60, 300, 0)])
    send_retrying(RetryPolicy(jitter=0.0), interrupt)(lambda: next(attempts))
    assert clock.waits == [5.0, 60.0, 300.0]


def test_a_wait_too_long_for_a_worker_is_not_waited(clock: Sleepless, interrupt: Signal) -> None:
    last = send_retrying(RetryPolicy(), interrupt)(lambda: Attempt(asking(301), is_retryable=True))
    assert last.outcome.retry_after_seconds == 301
    assert clock.waits == []


def test_once_interrupted_nothing_is_waited_for(clock: Sleepless, interrupt: Signal) -> None:
    interrupt.set()
    calls: list[None] = []

    def fail() -> Attempt:
        calls.append(None)
        return Attempt(DOWN, is_retryable=True)

    send_retrying(RetryPolicy(), interrupt)(fail)
    assert len(calls) == 1
    assert clock.waits == []


def test_a_try_that_was_not_made_ends_the_retrying(interrupt: Signal) -> None:
    assert send_retrying(RetryPolicy(), interrupt)(lambda: None) is None


def test_the_store_is_asked_every_second_until_it_answers(
    clock: Sleepless, interrupt: Signal
) -> None:
    answers = iter([StoreUnavailableError(), StoreUnavailableError(), 7])

    def ask() -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert store_retrying(interrupt)(ask) == 7
    assert clock.waits == [1.0, 1.0]


def test_a_store_in_trouble_is_given_up_when_the_engine_stops(interrupt: Signal) -> None:
    def fail() -> None:
        raise StoreUnavailableError

    interrupt.set()
    assert store_retrying(interrupt)(fail) is None


def test_other_errors_than_the_stores_are_raised(interrupt: Signal) -> None:
    def fail() -> None:
        raise SchemaError

    with pytest.raises(SchemaError):
        store_retrying(interrupt)(fail)


@pytest.mark.parametrize(
    ("probes", "seconds"), [(0, 30), (1, 60), (2, 120), (3, 240), (4, 300), (5, 300), (9_999, 300)]
)
def test_probes_come_ever_more_seldom_up_to_five_minutes(probes: int, seconds: float) -> None:
    assert RetryPolicy().probe_delay(probes, DOWN) == seconds


@pytest.mark.parametrize(("asked", "seconds"), [(1, 30), (4_000, 4_000), (1e12, 86_400)])
def test_a_probe_waits_as_long_as_asked_for_but_a_day_at_most(asked: float, seconds: float) -> None:
    assert RetryPolicy().probe_delay(0, asking(asked)) == seconds
