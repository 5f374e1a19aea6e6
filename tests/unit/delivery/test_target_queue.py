"""The queue without workers: the test itself takes the claims."""

from __future__ import annotations

import threading
from collections.abc import Collection

import pytest

from channels.alert import Alert, Outcome, Priority, Reason, Status
from engine.delivery.retry import DeliveryClock
from engine.delivery.target_queue import ClaimedDelivery, TargetQueue
from engine.store import Delivery, Hold
from tests.support.patience import PATIENCE_SECONDS
from tests.unit.delivery.manual_clock import ManualClock
from tests.unit.delivery.scripted_target import DOWN, ScriptedTarget
from tests.unit.delivery.stage import POLICY

ALERT = Alert("a1", "r1", "A rule", Priority.LOW, "text", "", "")
HOLD = Hold("mail/ann", "mail", "server_error", "500", 0)


class Bench:
    """A queue whose store is a list of ids."""

    def __init__(self, concurrency: int = 1) -> None:
        self.clock = ManualClock()
        self.waiting: list[int] = []
        self.spawned = 0
        target = ScriptedTarget("mail/ann", concurrency=concurrency)
        timing = DeliveryClock(self.clock, self.clock.wait)
        self.queue = TargetQueue(target.label, target, POLICY, timing, self._fetch, self._spawn)

    def arrive(self, *delivery_ids: int) -> None:
        self.waiting += delivery_ids
        self.queue.wake({})

    def take(self) -> ClaimedDelivery:
        claim = self.queue.claim_next()
        assert claim is not None
        return claim

    def done(self, claim: ClaimedDelivery, *, is_sent: bool = True) -> bool:
        self.waiting.remove(claim.delivery_id)
        opened = self.queue.note_done(claim, is_sent=is_sent, is_answered=True)
        self.queue.finish(claim)
        return opened

    def fail(self, claim: ClaimedDelivery, outcome: Outcome = DOWN) -> None:
        self.queue.note_failed(claim, outcome)
        self.queue.suspend(claim)

    def in_thread(self) -> tuple[threading.Thread, list[ClaimedDelivery | None]]:
        claims: list[ClaimedDelivery | None] = []
        thread = threading.Thread(
            target=lambda: claims.append(self.queue.claim_next()), daemon=True
        )
        thread.start()
        return thread, claims

    def _fetch(self, target_id: str, limit: int, exclude: Collection[int]) -> list[Delivery]:
        ids = [each for each in self.waiting if each not in exclude][:limit]
        return [Delivery(each, ALERT, "mail", target_id, 0, 0) for each in ids]

    def _spawn(self, queue: TargetQueue) -> None:
        assert queue is self.queue
        self.spawned += 1


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_worker_is_asked_for_when_something_arrives_and_only_one(bench: Bench) -> None:
    bench.arrive(1)
    bench.arrive(2)
    assert bench.spawned == 1


def test_a_target_with_room_gets_a_worker_for_each_place() -> None:
    bench = Bench(concurrency=2)
    bench.arrive(1, 2, 3)
    assert bench.spawned == 1
    first = bench.take()
    assert bench.spawned == 2
    second = bench.take()
    assert bench.spawned == 2
    assert {first.delivery_id, second.delivery_id} == {1, 2}
    assert bench.queue.claimed == {1, 2}


def test_who_waits_between_tries_is_replaced_by_another_worker(bench: Bench) -> None:
    bench.arrive(1, 2)
    first = bench.take()
    bench.fail(first)
    assert bench.spawned == 2
    assert bench.take().delivery_id == 2


def test_in_an_outage_no_more_are_tried_than_show_it(bench: Bench) -> None:
    bench.arrive(1, 2, 3)
    first = bench.take()
    bench.fail(first)
    bench.fail(bench.take())
    _, claims = bench.in_thread()
    bench.clock.await_sleeper(float("inf"))
    assert claims == []
    bench.queue.close()


def test_after_a_success_the_failures_of_others_stop_nobody(bench: Bench) -> None:
    bench.arrive(*range(1, 8))
    for number in (1, 3, 5):
        failing = bench.take()
        assert failing.delivery_id == number
        bench.fail(failing)
        bench.done(bench.take())
    assert bench.take().delivery_id == 7


def test_a_bounded_number_waits_for_another_try(bench: Bench) -> None:
    bench.arrive(*range(1, 100))
    for _ in range(16):
        bench.fail(bench.take())
        if len(bench.queue.claimed) < 16:
            bench.done(bench.take())
    _, claims = bench.in_thread()
    bench.clock.await_sleeper(float("inf"))
    assert claims == []
    bench.queue.close()


def test_a_retry_goes_before_new_deliveries(bench: Bench) -> None:
    bench.arrive(1, 2, 3)
    first = bench.take()
    bench.fail(first)
    second = bench.take()
    resumed: list[bool] = []
    retry = threading.Thread(target=lambda: resumed.append(bench.queue.resume(first)))
    retry.start()
    bench.clock.await_sleeper(float("inf"))
    bench.done(second)
    _, claims = bench.in_thread()
    retry.join(PATIENCE_SECONDS)
    assert resumed == [True]
    assert claims == []
    bench.queue.close()


def test_a_hold_interrupts_whoever_waits_between_tries(bench: Bench) -> None:
    bench.arrive(1, 2)
    first = bench.take()
    bench.fail(first)
    second = bench.take()
    assert bench.queue.begin_hold(second, HOLD, DOWN)
    assert not bench.queue.resume(first)
    assert first.interrupt.is_set()
    assert bench.queue.hold == HOLD


def test_a_target_is_held_once_by_those_that_fail_together() -> None:
    bench = Bench(concurrency=2)
    bench.arrive(1, 2)
    first, second = bench.take(), bench.take()
    assert bench.queue.begin_hold(first, HOLD, DOWN)
    assert not bench.queue.begin_hold(second, HOLD, DOWN)


def test_a_held_target_has_one_probe_at_a_time() -> None:
    bench = Bench(concurrency=4)
    bench.arrive(1, 2, 3)
    first = bench.take()
    bench.queue.begin_hold(first, HOLD, DOWN)
    bench.queue.finish(first)
    bench.clock.move_to(30.0)
    probe = bench.take()
    assert probe.is_probe
    assert probe.delivery_id == 2
    _, claims = bench.in_thread()
    bench.clock.await_sleeper(float("inf"))
    assert claims == []
    assert bench.done(probe)
    assert bench.queue.hold is None
    bench.queue.close()


def test_a_send_from_before_the_hold_opens_it_when_it_is_taken() -> None:
    bench = Bench(concurrency=2)
    bench.arrive(1, 2)
    first, second = bench.take(), bench.take()
    bench.queue.begin_hold(first, HOLD, DOWN)
    assert bench.done(second)
    assert bench.queue.hold is None


def test_used_up_tries_are_the_messages_fault_if_another_was_taken_meanwhile(
    bench: Bench,
) -> None:
    bench.arrive(1, 2)
    first = bench.take()
    bench.fail(first)
    assert not bench.queue.gives_up(first)
    bench.done(bench.take())
    assert bench.queue.gives_up(first)


def test_used_up_tries_are_not_the_messages_fault_while_others_begin_to_fail(
    bench: Bench,
) -> None:
    bench.arrive(1, 2, 3)
    first = bench.take()
    bench.fail(first)
    bench.done(bench.take())
    bench.fail(bench.take())
    assert not bench.queue.gives_up(first)


def test_a_suspects_retry_after_concerns_nobody_else(bench: Bench) -> None:
    bench.arrive(1, 2, 3)
    first = bench.take()
    bench.fail(first)
    bench.done(bench.take())
    bench.fail(first, Outcome(Status.UNAVAILABLE, Reason.RATE_LIMITED, "", 100.0))
    assert bench.take().delivery_id == 3


def test_a_worker_without_work_ends_after_a_minute(bench: Bench) -> None:
    bench.arrive(1)
    bench.done(bench.take())
    thread, claims = bench.in_thread()
    bench.clock.sleep_over(60.0)
    thread.join(PATIENCE_SECONDS)
    assert claims == [None]
    bench.arrive(2)
    assert bench.spawned == 2


def test_a_worker_that_ended_by_an_error_is_replaced_at_the_next_arrival(bench: Bench) -> None:
    bench.arrive(1)
    claim = bench.take()
    bench.queue.finish(claim)
    bench.queue.leave()
    bench.arrive(2)
    assert bench.spawned == 2


def test_a_closed_queue_hands_out_nothing_and_holds_nothing(bench: Bench) -> None:
    bench.arrive(1, 2)
    claim = bench.take()
    assert not bench.queue.close()
    assert bench.queue.claim_next() is None
    assert not bench.queue.begin_hold(claim, HOLD, DOWN)
    assert not bench.queue.restore(HOLD)
    bench.arrive(3)
    assert bench.spawned == 1


def test_a_restored_hold_is_probed_at_once(bench: Bench) -> None:
    assert bench.queue.restore(HOLD)
    assert not bench.queue.restore(HOLD)
    bench.arrive(1)
    assert bench.take().is_probe
