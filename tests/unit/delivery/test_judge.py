"""What each outcome makes of a delivery and its target, by the pure functions alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from channels.alert import SENT, Alert, Outcome, Priority
from engine.delivery.judge import Event, RetryPolicy, Verdict, judge
from engine.store import Claim, DeliveryState, Mark, TargetState
from tests.unit.delivery.scripted_target import (
    BAD_TLS,
    DOWN,
    FORBIDDEN,
    REFUSED,
    UNCONFIRMED,
    asking,
    pausing,
)

POLICY = RetryPolicy(jitter=0.0)
ALERT = Alert("a1", "r1", "A rule", Priority.LOW, "text", "", "")
WAITING, DEAD = DeliveryState.WAITING, DeliveryState.DEAD
SECOND = 1_000_000
START = 1_700_000_000 * SECOND


@dataclass
class Bench:
    """A target and its deliveries, as the store would have them, and the time."""

    policy: RetryPolicy = POLICY
    knows_key: bool = False
    now_us: int = START
    state: TargetState = field(default_factory=lambda: TargetState("mail:ann", "mail"))
    marks: dict[int, Mark] = field(default_factory=dict)

    def send(self, delivery_id: int, outcome: Outcome = SENT, after: float = 0.0) -> Verdict:
        """Send the delivery after so many seconds with this outcome."""
        self.now_us += round(after * SECOND)
        former = self.marks.get(delivery_id)
        if self.state.held_since_us:
            # The claimer sets it until the probe is judged.
            self.state.probe_at_us = self.now_us + 1
        claim = Claim(
            delivery_id,
            1,
            ALERT,
            "mail",
            "mail:ann",
            tries=former.tries if former else 0,
            failures=former.failures if former else 0,
            failed_us=former.failed_us if former else 0,
            waiting_since_us=START,
            priority_rank=1,
            reason=former.reason if former else "",
            detail="",
            is_probe=self.state.held_since_us > 0,
        )
        verdict = judge(
            claim,
            self.state,
            outcome,
            self.policy,
            self.now_us,
            knows_key=self.knows_key,
            newest_id=99,
        )
        self.marks[delivery_id] = verdict.mark
        return verdict

    @property
    def is_held(self) -> bool:
        return self.state.held_since_us > 0

    def seconds_to(self, time_us: int) -> float:
        """From now."""
        return (time_us - self.now_us) / SECOND


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_what_is_sent_is_sent_with_one_more_try(bench: Bench) -> None:
    verdict = bench.send(1)
    assert (verdict.mark.state, verdict.mark.tries, verdict.events) == (DeliveryState.SENT, 1, [])
    assert not verdict.is_failure


def test_what_fails_is_tried_again_after_5_10_and_20_seconds(bench: Bench) -> None:
    waits = [bench.seconds_to(bench.send(1, DOWN).mark.next_try_us) for _ in range(3)]
    assert waits == [5.0, 10.0, 20.0]
    assert bench.send(1, DOWN).events == [Event.HELD]


def test_jitter_only_adds_and_only_a_little() -> None:
    policy = RetryPolicy()
    waits = [policy.wait_seconds(2) for _ in range(50)]
    assert all(10.0 <= wait <= 10.5 for wait in waits)
    assert len(set(waits)) > 3


def test_a_wait_that_is_asked_for_counts_when_it_is_longer_and_for_the_whole_target(
    bench: Bench,
) -> None:
    assert bench.seconds_to(bench.send(1, asking(1.0)).mark.next_try_us) == 5.0
    assert bench.seconds_to(bench.state.not_before_us) == 1.0
    assert bench.seconds_to(bench.send(1, asking(60.0)).mark.next_try_us) == 60.0
    assert bench.seconds_to(bench.state.not_before_us) == 60.0


@pytest.mark.parametrize("asked", [301.0, 86_400.0, 1e12])
def test_a_target_that_asks_for_longer_is_held_and_probed_after_five_minutes(
    bench: Bench, asked: float
) -> None:
    assert bench.send(1, asking(asked)).events == [Event.HELD]
    assert bench.seconds_to(bench.state.not_before_us) == 300.0


def test_a_suspects_retry_after_concerns_nobody_else(bench: Bench) -> None:
    bench.send(1, DOWN)
    bench.send(2)
    verdict = bench.send(1, asking(1_000.0), after=5.0)
    assert not bench.is_held
    assert bench.state.not_before_us == 0
    assert bench.seconds_to(verdict.mark.next_try_us) == 300.0


def test_used_up_tries_are_the_messages_fault_if_another_was_taken_meanwhile(bench: Bench) -> None:
    for _ in range(3):
        bench.send(1, DOWN)
    bench.send(2)
    mark = bench.send(1, DOWN).mark
    assert (mark.state, mark.reason, mark.tries) == (DEAD, "retries_exhausted", 4)
    assert mark.detail == "server_error: 500"
    assert not bench.is_held


def test_used_up_tries_are_not_the_messages_fault_while_others_begin_to_fail(bench: Bench) -> None:
    for _ in range(3):
        bench.send(1, DOWN)
    bench.send(2)
    bench.send(3, DOWN)
    assert bench.send(1, DOWN).mark.state is WAITING
    assert bench.is_held


def test_a_failure_and_a_success_at_the_same_instant_are_kept_in_order(bench: Bench) -> None:
    bench.send(1)
    bench.send(2, DOWN)
    assert bench.state.failing == 1
    for _ in range(2):
        bench.send(2, DOWN)
    assert bench.send(2, DOWN).mark.state is WAITING


def test_a_clock_that_is_set_back_makes_no_message_innocent(bench: Bench) -> None:
    bench.send(1, DOWN)
    bench.now_us -= 3_600 * SECOND
    bench.send(1, DOWN)
    bench.send(2)
    bench.send(1, DOWN)
    assert bench.send(1, DOWN).mark.state is DEAD


def test_failures_are_counted_once_each_until_one_is_taken(bench: Bench) -> None:
    for delivery in (1, 2, 1):
        bench.send(delivery, DOWN)
    assert bench.state.failing == 2
    bench.send(3)
    assert bench.state.failing == 0


# Refusals.


def test_a_refused_message_is_dead_at_once_with_its_reason(bench: Bench) -> None:
    verdict = bench.send(1, REFUSED)
    mark = verdict.mark
    assert (mark.state, mark.tries, mark.reason, mark.detail) == (DEAD, 1, "bad_request", "400")
    assert verdict.events == [Event.DEAD]
    assert verdict.is_failure


def test_three_refused_in_a_row_hold_the_target_and_wait_again(bench: Bench) -> None:
    bench.send(1, REFUSED)
    bench.send(2, REFUSED)
    verdict = bench.send(3, REFUSED)
    assert verdict.mark.state is WAITING
    assert verdict.reopened == (1, 2)
    assert verdict.events == [Event.HELD]
    assert bench.seconds_to(bench.state.probe_at_us) == 30.0


def test_a_target_that_took_one_a_moment_ago_is_asked_about_six_more_at_once(bench: Bench) -> None:
    bench.send(1)
    for delivery in range(2, 5):
        bench.send(delivery, REFUSED, after=5.0)
    waits = []
    for delivery in range(5, 11):
        waits.append(bench.seconds_to(bench.state.probe_at_us))
        bench.send(delivery, REFUSED)
    assert waits == [0.0] * 6
    assert bench.seconds_to(bench.state.probe_at_us) == 30.0


def test_a_target_that_took_one_long_ago_is_not(bench: Bench) -> None:
    bench.send(1)
    for delivery in range(2, 5):
        bench.send(delivery, REFUSED, after=60.0)
    assert bench.seconds_to(bench.state.probe_at_us) == 30.0


def test_what_waits_for_a_target_that_opens_is_due_but_for_what_may_have_arrived(
    bench: Bench,
) -> None:
    refused, slow = bench.send(1, BAD_TLS), bench.send(2, UNCONFIRMED)
    failed = bench.send(3, FORBIDDEN)
    for each in (refused, slow, failed):
        each.wait_no_longer()
    assert [each.mark.next_try_us for each in (refused, failed)] == [0, 0]
    assert slow.mark.reason == "unconfirmed"
    dead = Bench().send(1, REFUSED)
    mark = dead.mark
    dead.wait_no_longer()
    assert dead.mark is mark


def test_one_that_is_taken_between_keeps_the_refused_ones_dead(bench: Bench) -> None:
    for delivery in range(1, 10):
        bench.send(delivery, REFUSED if delivery % 3 else SENT)
    assert not bench.is_held
    assert [each for each, mark in bench.marks.items() if mark.state is DEAD] == [1, 2, 4, 5, 7, 8]


def test_a_message_that_was_refused_before_others_were_taken_is_alone_when_it_is_refused_again(
    bench: Bench,
) -> None:
    for delivery in (1, 2, 3):
        bench.send(delivery, REFUSED)
    bench.send(4)
    assert not bench.is_held
    for delivery in (1, 2, 3):
        assert bench.send(delivery, REFUSED).mark.state is DEAD
    assert not bench.is_held


def test_a_403_amid_successes_waits_for_the_next_to_decide(bench: Bench) -> None:
    bench.send(1)
    verdict = bench.send(2, FORBIDDEN)
    assert (verdict.mark.state, verdict.events) == (WAITING, [Event.FAILED])
    assert bench.seconds_to(verdict.mark.next_try_us) == 5.0
    bench.send(3)
    mark = bench.send(2, FORBIDDEN, after=5.0).mark
    assert (mark.state, mark.reason) == (DEAD, "forbidden")


def test_a_403_again_with_none_taken_since_holds_the_target(bench: Bench) -> None:
    bench.send(1)
    bench.send(2, FORBIDDEN)
    assert bench.send(2, FORBIDDEN, after=5.0).events == [Event.HELD]


def test_a_403_before_anything_was_taken_holds_at_once_and_asks_for_a_second_opinion(
    bench: Bench,
) -> None:
    verdict = bench.send(1, FORBIDDEN)
    assert verdict.events == [Event.HELD]
    # Another one is due, but not this one.
    assert bench.state.probe_at_us == bench.now_us
    assert bench.seconds_to(verdict.mark.next_try_us) == 30.0
    bench.send(2, FORBIDDEN)
    assert bench.state.probe_at_us == bench.now_us
    bench.send(3, FORBIDDEN)
    assert bench.seconds_to(bench.state.probe_at_us) == 30.0
    bench.send(1, FORBIDDEN, after=30.0)
    assert bench.seconds_to(bench.state.probe_at_us) == 30.0


def test_refusals_of_two_kinds_are_refusals(bench: Bench) -> None:
    bench.send(1, FORBIDDEN)
    bench.send(2, REFUSED)
    assert bench.is_held
    assert bench.marks[2].state is WAITING
    assert bench.send(3).events == [Event.OPENED]
    assert bench.send(2, REFUSED).mark.state is DEAD


@pytest.mark.parametrize("is_warm", [False, True])
def test_what_concerns_every_message_holds_the_target_at_once(bench: Bench, is_warm: bool) -> None:
    if is_warm:
        bench.send(9)
    verdict = bench.send(1, BAD_TLS)
    assert verdict.events == [Event.HELD]
    assert verdict.begins_hold
    assert bench.seconds_to(bench.state.probe_at_us) == 30.0


# What may have arrived.


def test_what_may_have_arrived_is_tried_once_more_and_later(bench: Bench) -> None:
    verdict = bench.send(1, UNCONFIRMED)
    assert verdict.mark.state is WAITING
    assert bench.seconds_to(verdict.mark.next_try_us) == 20.0
    verdict = bench.send(1, UNCONFIRMED, after=20.0)
    assert (verdict.mark.state, verdict.mark.reason) == (DEAD, "unconfirmed")
    assert verdict.events == [Event.DEAD, Event.HELD]


def test_it_holds_no_target_that_takes_others(bench: Bench) -> None:
    bench.send(1, UNCONFIRMED)
    bench.send(2)
    assert bench.send(1, UNCONFIRMED, after=20.0).events == [Event.DEAD]


def test_it_is_not_sent_a_third_time_whatever_happens_between(bench: Bench) -> None:
    bench.send(1, UNCONFIRMED)
    verdict = bench.send(1, DOWN, after=20.0)
    assert (verdict.mark.state, verdict.mark.reason) == (WAITING, "unconfirmed")
    assert verdict.mark.detail == "server_error: 500"
    bench.send(2)
    mark = bench.send(1, UNCONFIRMED, after=10.0).mark
    assert (mark.state, mark.reason) == (DEAD, "unconfirmed")


def test_without_retries_it_is_not_tried_again() -> None:
    bench = Bench(RetryPolicy(max_retries=0))
    assert bench.send(1, UNCONFIRMED).mark.state is DEAD


def test_a_service_that_knows_the_key_is_tried_again_as_ever() -> None:
    bench = Bench(knows_key=True)
    waits = [bench.seconds_to(bench.send(1, UNCONFIRMED).mark.next_try_us) for _ in range(3)]
    assert waits == [5.0, 10.0, 20.0]


def test_probes_that_may_have_arrived_reach_nobody_a_third_time(bench: Bench) -> None:
    bench.send(9, BAD_TLS)
    assert bench.send(1, UNCONFIRMED).mark.state is WAITING
    assert bench.send(2, UNCONFIRMED).mark.state is WAITING
    assert bench.send(1, UNCONFIRMED).mark.state is DEAD
    assert bench.is_held


# Held targets.


def test_probes_come_every_30_seconds_for_15_minutes_and_then_up_to_every_two() -> None:
    waits = [RetryPolicy().probe_seconds_after(probes) for probes in range(40)]
    assert waits == [30.0] * 30 + [60.0] + [120.0] * 9


def test_a_probe_that_fails_costs_no_try_and_is_said_once(bench: Bench) -> None:
    bench.send(1, BAD_TLS)
    for delivery in (2, 3, 4):
        verdict = bench.send(delivery, BAD_TLS, after=30.0)
        assert verdict.events == []
        assert not verdict.is_failure
        assert verdict.mark.tries == 0
    assert bench.state.probes == 3


def test_a_probe_with_another_reason_is_said_and_the_hold_is_for_that_one(bench: Bench) -> None:
    bench.send(1, BAD_TLS)
    since_us = bench.state.held_since_us
    assert bench.send(2, DOWN, after=30.0).events == [Event.STILL_HELD]
    assert (bench.state.reason, bench.state.detail) == ("server_error", "500")
    assert bench.state.held_since_us == since_us


def test_the_first_probe_after_a_change_is_said(bench: Bench) -> None:
    bench.send(1, BAD_TLS)
    bench.state.is_changed = True
    assert bench.send(2, BAD_TLS).events == [Event.STILL_HELD]
    assert bench.send(3, BAD_TLS).events == []


def test_a_change_during_a_probe_makes_the_next_one_due_at_once() -> None:
    bench = Bench()
    bench.send(1, BAD_TLS)
    state = bench.state
    state.probe_at_us, state.is_changed = 0, True
    claim = bench.marks[1].claim
    probe = Claim(2, 1, ALERT, "mail", "mail:ann", 0, 0, 0, START, 1, "", "", is_probe=True)
    assert judge(probe, state, BAD_TLS, POLICY, bench.now_us).events == []
    assert (state.probe_at_us, state.is_changed, claim.delivery_id) == (0, True, 1)


def test_a_probe_that_is_taken_opens_the_target_and_what_waits_is_a_backlog(bench: Bench) -> None:
    bench.send(1, BAD_TLS)
    assert bench.send(2).events == [Event.OPENED]
    assert (bench.is_held, bench.state.backlog_id, bench.state.reason) == (False, 99, "")


def test_a_probe_that_is_refused_opens_a_target_that_was_away(bench: Bench) -> None:
    bench.send(1, BAD_TLS)
    verdict = bench.send(2, REFUSED)
    assert verdict.events == [Event.DEAD, Event.OPENED]
    assert bench.state.refused == (2,)


def test_a_send_from_before_the_hold_opens_it_when_it_is_taken(bench: Bench) -> None:
    bench.send(1, BAD_TLS)
    earlier = Claim(2, 1, ALERT, "mail", "mail:ann", 0, 0, 0, START, 1, "", "", is_probe=False)
    assert judge(earlier, bench.state, SENT, POLICY, bench.now_us).events == [Event.OPENED]


def test_a_send_from_before_the_hold_that_fails_changes_no_probe(bench: Bench) -> None:
    bench.send(1, BAD_TLS)
    due_us = bench.state.probe_at_us
    earlier = Claim(2, 1, ALERT, "mail", "mail:ann", 0, 0, 0, START, 1, "", "", is_probe=False)
    verdict = judge(earlier, bench.state, DOWN, POLICY, bench.now_us)
    assert (bench.state.probe_at_us, bench.state.probes) == (due_us, 0)
    assert (verdict.mark.tries, verdict.is_failure) == (1, True)


def test_where_one_message_alone_failed_another_is_probed_as_soon_as_there_is_one(
    bench: Bench,
) -> None:
    for after in (0.0, 5.0, 10.0, 20.0):
        verdict = bench.send(1, DOWN, after=after)
    assert bench.is_held
    assert bench.state.probe_at_us == bench.now_us
    assert bench.seconds_to(verdict.mark.next_try_us) == 30.0
    bench.send(1, DOWN, after=30.0)
    assert bench.state.probe_at_us == bench.now_us
    # Two have failed: it is not the message.
    bench.send(2, DOWN)
    assert bench.seconds_to(bench.state.probe_at_us) == 30.0


@pytest.mark.parametrize("outcome", [BAD_TLS, asking(400.0)])
def test_no_other_is_probed_at_once_where_the_target_is_at_fault_or_asked_to_wait(
    bench: Bench, outcome: Outcome
) -> None:
    bench.send(1, outcome)
    assert bench.seconds_to(bench.state.probe_at_us) == 30.0


# Pauses.


def test_a_pause_costs_no_try_and_counts_for_the_whole_target(bench: Bench) -> None:
    verdict = bench.send(1, pausing(20.0))
    assert (verdict.mark.tries, verdict.mark.failures, verdict.mark.next_try_us) == (0, 0, 0)
    assert (verdict.events, verdict.is_failure) == ([Event.PAUSED], False)
    assert bench.seconds_to(bench.state.not_before_us) == 20.0


def test_pauses_of_more_than_five_minutes_without_an_answer_hold_the_target(bench: Bench) -> None:
    for _ in range(2):
        assert bench.send(1, pausing(120.0), after=120.0).events == [Event.PAUSED]
    assert bench.send(1, pausing(120.0), after=120.0).events == [Event.HELD]


def test_an_answer_ends_the_sum_of_pauses(bench: Bench) -> None:
    for outcome in (pausing(200.0), DOWN, pausing(200.0)):
        verdict = bench.send(1, outcome)
    assert verdict.events == [Event.PAUSED]
