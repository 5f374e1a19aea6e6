from __future__ import annotations

from channels.alert import Outcome, Reason, Status
from engine.delivery.hold import HoldInForce, TargetHealth
from engine.delivery.retry import RetryPolicy
from engine.store import Hold
from tests.unit.delivery.scripted_target import DOWN, LOCKED_OUT

POLICY = RetryPolicy()
HOLD = Hold("mail/ann", "mail", "server_error", "500", 0)


def held(outcome: Outcome = DOWN, *failed: int) -> tuple[TargetHealth, HoldInForce]:
    standing = TargetHealth()
    standing.begin_outage(HOLD, outcome, set(failed or (1,)), 100.0, POLICY)
    assert standing.outage is not None
    return standing, standing.outage


def test_a_delivery_is_suspect_once_another_was_sent_after_its_first_failure() -> None:
    standing = TargetHealth()
    standing.note_failed(1)
    assert not standing.is_suspect(1)
    standing.note_done(2, is_sent=True)
    standing.note_failed(1)
    assert standing.is_suspect(1)


def test_a_delivery_that_another_refusal_followed_is_no_suspect() -> None:
    standing = TargetHealth()
    standing.note_failed(1)
    standing.note_done(2, is_sent=False)
    assert not standing.is_suspect(1)


def test_a_delivery_that_is_done_is_forgotten() -> None:
    standing = TargetHealth()
    standing.note_failed(1)
    standing.note_done(1, is_sent=True)
    assert not standing.is_suspect(1)
    assert standing.marks == {}


def test_failures_are_fresh_until_the_next_success() -> None:
    standing = TargetHealth()
    standing.note_failed(1)
    standing.note_failed(2)
    assert standing.fresh([1, 2, 3]) == {1, 2}
    standing.note_done(4, is_sent=True)
    standing.note_failed(3)
    assert standing.fresh([1, 2, 3]) == {3}


def test_those_that_failed_are_probed_last() -> None:
    _, outage = held(DOWN, 1, 2)
    assert outage.probed == {1, 2}
    assert outage.probe_at == 130.0


def test_probe_intervals_grow_and_begin_anew_after_news() -> None:
    standing, outage = held()
    assert not standing.note_probe(2, DOWN, 130.0, POLICY)
    assert outage.probe_at == 190.0
    standing.rouse(150.0)
    assert outage.probe_at == 150.0
    outage.begin_probe(3)
    assert standing.note_probe(3, DOWN, 151.0, POLICY)
    assert outage.probe_at == 181.0


def test_news_during_a_probe_are_probed_at_once() -> None:
    standing, outage = held()
    outage.begin_probe(2)
    standing.rouse(140.0)
    assert not standing.note_probe(2, DOWN, 141.0, POLICY)
    assert outage.probe_at == 140.0


def test_an_arrival_is_probed_at_once_only_if_one_message_alone_ever_failed() -> None:
    standing, outage = held()
    standing.note_arrival(110.0)
    assert outage.probe_at == 110.0
    standing.note_probe(2, DOWN, 110.0, POLICY)
    standing.note_arrival(111.0)
    assert outage.probe_at == 170.0


def test_an_arrival_changes_nothing_when_the_channel_is_at_fault_or_asked_to_wait() -> None:
    for outcome in (LOCKED_OUT, Outcome(Status.UNAVAILABLE, Reason.RATE_LIMITED, "", 400.0)):
        standing, outage = held(outcome)
        due = outage.probe_at
        standing.note_arrival(110.0)
        assert outage.probe_at == due


def test_a_hold_of_an_earlier_run_is_probed_at_once() -> None:
    standing = TargetHealth()
    standing.restore_outage(HOLD, 100.0)
    assert standing.outage is not None
    assert standing.outage.probe_at == 100.0
    standing.outage.begin_probe(1)
    assert standing.note_probe(1, DOWN, 100.0, POLICY)
    assert standing.outage.probe_at == 130.0


def test_an_open_target_takes_news_and_probes_calmly() -> None:
    standing = TargetHealth()
    standing.rouse(1.0)
    standing.note_arrival(1.0)
    assert not standing.note_probe(1, DOWN, 1.0, POLICY)
    assert standing.outage is None
