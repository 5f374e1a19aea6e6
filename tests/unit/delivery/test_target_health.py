from __future__ import annotations

from channels.alert import Outcome, Reason, Status
from engine.delivery.retry import HoldInForce, RetryPolicy, TargetHealth
from engine.store import Hold
from tests.unit.delivery.scripted_target import DOWN, LOCKED_OUT

POLICY = RetryPolicy()
HOLD = Hold("mail/ann", "mail", "server_error", "500", 0)


def held(outcome: Outcome = DOWN, *failed: int) -> tuple[TargetHealth, HoldInForce]:
    health = TargetHealth()
    health.begin_hold(HOLD, outcome, set(failed or (1,)), 100.0, POLICY)
    assert health.in_force is not None
    return health, health.in_force


def test_a_delivery_is_suspect_once_another_was_sent_after_its_first_failure() -> None:
    health = TargetHealth()
    health.note_failed(1)
    assert not health.is_suspect(1)
    health.note_done(2, is_sent=True)
    health.note_failed(1)
    assert health.is_suspect(1)


def test_a_delivery_that_another_refusal_followed_is_no_suspect() -> None:
    health = TargetHealth()
    health.note_failed(1)
    health.note_done(2, is_sent=False)
    assert not health.is_suspect(1)


def test_a_delivery_that_is_done_is_forgotten() -> None:
    health = TargetHealth()
    health.note_failed(1)
    health.note_done(1, is_sent=True)
    assert not health.is_suspect(1)
    assert health.marks == {}


def test_failures_are_fresh_until_the_next_success() -> None:
    health = TargetHealth()
    health.note_failed(1)
    health.note_failed(2)
    assert health.new_failures([1, 2, 3]) == {1, 2}
    health.note_done(4, is_sent=True)
    health.note_failed(3)
    assert health.new_failures([1, 2, 3]) == {3}


def test_those_that_failed_are_probed_last() -> None:
    _, in_force = held(DOWN, 1, 2)
    assert in_force.probed == {1, 2}
    assert in_force.probe_at == 130.0


def test_probe_intervals_grow_and_begin_anew_after_news() -> None:
    health, in_force = held()
    assert not health.note_probe(2, DOWN, 130.0, POLICY)
    assert in_force.probe_at == 190.0
    health.try_now(150.0)
    assert in_force.probe_at == 150.0
    in_force.begin_probe(3)
    assert health.note_probe(3, DOWN, 151.0, POLICY)
    assert in_force.probe_at == 181.0


def test_news_during_a_probe_are_probed_at_once() -> None:
    health, in_force = held()
    in_force.begin_probe(2)
    health.try_now(140.0)
    assert not health.note_probe(2, DOWN, 141.0, POLICY)
    assert in_force.probe_at == 140.0


def test_an_arrival_is_probed_at_once_only_if_one_message_alone_ever_failed() -> None:
    health, in_force = held()
    health.note_arrival(110.0)
    assert in_force.probe_at == 110.0
    health.note_probe(2, DOWN, 110.0, POLICY)
    health.note_arrival(111.0)
    assert in_force.probe_at == 170.0


def test_an_arrival_changes_nothing_when_the_channel_is_at_fault_or_asked_to_wait() -> None:
    for outcome in (LOCKED_OUT, Outcome(Status.UNAVAILABLE, Reason.RATE_LIMITED, "", 400.0)):
        health, in_force = held(outcome)
        due = in_force.probe_at
        health.note_arrival(110.0)
        assert in_force.probe_at == due


def test_a_hold_of_an_earlier_run_is_probed_at_once() -> None:
    health = TargetHealth()
    health.restore_hold(HOLD, 100.0)
    assert health.in_force is not None
    assert health.in_force.probe_at == 100.0
    health.in_force.begin_probe(1)
    assert health.note_probe(1, DOWN, 100.0, POLICY)
    assert health.in_force.probe_at == 130.0


def test_an_open_target_takes_news_and_probes_calmly() -> None:
    health = TargetHealth()
    health.try_now(1.0)
    health.note_arrival(1.0)
    assert not health.note_probe(1, DOWN, 1.0, POLICY)
    assert health.in_force is None
