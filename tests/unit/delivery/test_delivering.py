"""Deliveries reach their targets, each once, whatever hangs, fails or refuses beside them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import structlog

from channels.alert import SENT, Outcome, Priority
from engine.delivery import RetryPolicy
from engine.store import DeliveryState
from tests.support.patience import PATIENCE_SECONDS, await_that
from tests.unit.delivery.scripted_target import (
    BAD_TLS,
    DOWN,
    FORBIDDEN,
    LOCKED_OUT,
    REFUSED,
    UNCONFIRMED,
    Gate,
    asking,
    pausing,
)
from tests.unit.delivery.stage import Stage, delivery_threads

ANN = "mail:ann"
BOB = "mail:bob"
HOOK = "hook:1"
SENT_STATE, DEAD, WAITING = DeliveryState.SENT, DeliveryState.DEAD, DeliveryState.WAITING


def test_what_waits_from_an_earlier_run_is_sent_at_the_start(stage: Stage) -> None:
    stage.target(ANN)
    alert = stage.store_only(ANN)
    stage.start()
    assert stage.states(ANN) == {alert: SENT_STATE}


def test_a_sent_delivery_is_marked_and_counted(stage: Stage) -> None:
    target = stage.target(ANN)
    stage.start()
    alert = stage.add(ANN)
    assert (stage.delivery(alert, ANN).state, stage.delivery(alert, ANN).tries) == (SENT_STATE, 1)
    assert target.alert_ids == [alert]
    assert stage.metric("notifications_sent_total", channel="mail", rule_id="r1") == 1
    assert stage.metric("notification_send_time_seconds_count", channel="mail") == 1
    assert stage.metric("alert_latency_seconds_count") == 1


def test_each_target_of_an_alert_gets_it_once(stage: Stage) -> None:
    targets = [stage.target(name) for name in (ANN, BOB, HOOK)]
    stage.start()
    alert = stage.add(ANN, BOB, HOOK)
    assert [target.alert_ids for target in targets] == [[alert]] * 3
    assert len({target.calls[0].key for target in targets}) == 3


def test_one_target_sends_one_at_a_time_and_a_webhook_several(stage: Stage) -> None:
    everybody = threading.Barrier(4)

    def meet(alert_id: str) -> Outcome:
        everybody.wait(PATIENCE_SECONDS)
        return SENT

    mail, hook = stage.target(ANN), stage.target(HOOK, meet, concurrency=4)
    stage.start()
    alerts = stage.add_all(8, ANN, HOOK)
    assert (mail.most_at_once, hook.most_at_once) == (1, 4)
    assert sorted(hook.alert_ids) == mail.alert_ids == alerts


def test_each_delivery_reaches_send_sent_and_mark_in_turn(stage: Stage) -> None:
    stage.target(ANN)
    for _ in range(3):
        stage.store_only(ANN)
    stage.start()
    assert stage.kill_points == ["send", "sent", "mark"] * 3


def test_high_priority_goes_first_then_the_oldest(stage: Stage) -> None:
    target = stage.target(ANN)
    low = stage.store_only(ANN, priority=Priority.LOW)
    first, second = stage.store_only(ANN), stage.store_only(ANN)
    high = stage.store_only(ANN, priority=Priority.HIGH)
    stage.start()
    assert target.alert_ids == [high, first, second, low]


def test_an_urgent_arrival_is_the_next(stage: Stage) -> None:
    gate = Gate()
    target = stage.target(ANN, gate)
    lows = [stage.store_only(ANN, priority=Priority.LOW) for _ in range(5)]
    stage.start()
    high = stage.add(ANN, priority=Priority.HIGH)
    gate.open()
    stage.settle()
    assert target.alert_ids == [lows[0], high, *lows[1:]]


def test_a_send_that_raises_is_a_try_that_failed(stage: Stage) -> None:
    answers = iter([ValueError("a defect"), None])

    def fail(alert_id: str) -> Outcome:
        if (error := next(answers)) is not None:
            raise error
        return SENT

    stage.target(ANN, fail)
    stage.start()
    alert = stage.add(ANN)
    delivery = stage.delivery(alert, ANN)
    assert (delivery.reason, delivery.detail) == ("unknown", "ValueError: a defect")
    stage.pass_to(5.0)
    assert stage.states(ANN) == {alert: SENT_STATE}


# Workers.


def test_a_send_that_hangs_delays_no_other_target(stage: Stage) -> None:
    gate = Gate()
    hanging = stage.target(HOOK, gate)
    stage.target(ANN)
    stage.start()
    alerts = stage.add_all(20, HOOK, ANN)
    assert set(stage.states(ANN).values()) == {SENT_STATE}
    assert hanging.alert_ids == alerts[:1]


def test_targets_that_fail_and_hang_leave_half_of_the_workers_to_the_others(stage: Stage) -> None:
    answers = {f"hook:{number}": DOWN for number in range(10)}
    gate = Gate()
    for name in answers:
        stage.target(name, lambda alert_id: DOWN, concurrency=4)
    good = stage.target(ANN)
    stage.start(workers=8)
    stage.add(*answers)
    for name in answers:
        stage.target(name, gate, concurrency=4)
    stage.use(dict(stage.targets))
    stage.pass_to(6.0)
    assert Gate.count() == 4
    alerts = stage.add_all(20, ANN)
    assert good.alert_ids == alerts


def test_no_more_sends_are_in_flight_than_there_are_workers(stage: Stage) -> None:
    gate = Gate()
    names = [f"hook:{number}" for number in range(6)]
    for name in names:
        stage.target(name, gate, concurrency=4)
    stage.start(workers=5)
    stage.add_all(4, *names)
    assert Gate.count() == 5
    # The claimer has a thread of its own.
    assert len(delivery_threads()) == 6


def test_workers_that_a_target_has_nothing_for_are_free_for_the_next(stage: Stage) -> None:
    gate = Gate()
    names = [f"hook:{number}" for number in range(3)]
    for name in names:
        stage.target(name, gate, concurrency=2)
    stage.store_only(*names)
    stage.start(workers=3)
    assert Gate.count() == 3


def test_threads_are_started_as_they_are_needed(stage: Stage) -> None:
    for number in range(50):
        stage.target(f"mail:{number}")
    stage.start()
    stage.add("mail:7")
    stage.add("mail:8")
    assert len(delivery_threads()) == 2


def test_due_targets_are_served_in_rotation(stage: Stage) -> None:
    names = [f"mail:{number}" for number in range(4)]
    order: list[str] = []

    def take(name: str, alert_id: str) -> Outcome:
        order.append(name)
        return SENT

    for name in names:
        stage.target(name, partial(take, name))
    for _ in range(3):
        stage.store_only(*names)
    stage.start(workers=1)
    assert order == names * 3


@pytest.fixture
def no_threads_to_be_had() -> Iterator[Callable[[], None]]:
    """No thread can be started until what this gives is called."""

    def relent() -> None:
        threading.stack_size(0)

    threading.stack_size(1 << 45)
    yield relent
    relent()


def test_a_worker_that_cannot_be_started_is_started_later(
    stage: Stage, request: pytest.FixtureRequest
) -> None:
    stage.target(ANN)
    stage.start()
    relent: Callable[[], None] = request.getfixturevalue("no_threads_to_be_had")
    with structlog.testing.capture_logs() as logs:
        alert = stage.add(ANN, is_settled=False)
        stage.await_log(logs, "delivery.no_worker")
        relent()

        # Second by second: the claimer may lie down only after the first one.
        def is_sent_a_second_later() -> bool:
            stage.clock.move_to(stage.clock.monotonic() + 1.0)
            return stage.states(ANN)[alert] is SENT_STATE

        await_that(is_sent_a_second_later)
    assert [line["event"] for line in logs] == ["delivery.no_worker"]


# Tries.


def test_an_unavailable_target_is_tried_again_after_5_10_and_20_seconds(stage: Stage) -> None:
    answers = iter([DOWN, DOWN, DOWN, SENT])
    target = stage.target(ANN, lambda alert_id: next(answers))
    stage.start()
    with structlog.testing.capture_logs() as logs:
        alert = stage.add(ANN)
        stage.pass_to(35.0)
    delivery = stage.delivery(alert, ANN)
    assert (delivery.state, delivery.tries) == (SENT_STATE, 4)
    assert target.times == [0.0, 5.0, 15.0, 35.0]
    assert len({call.key for call in target.calls}) == 1
    assert [(log["event"], log["attempt"]) for log in logs] == [
        ("delivery.failed", number) for number in (1, 2, 3)
    ]
    assert stage.metric("notification_retries_total", channel="mail") == 3
    failed = stage.metric("notifications_failed_total", channel="mail", error_type="server_error")
    assert failed == 3


def test_a_retry_survives_a_restart_with_its_time(stage: Stage) -> None:
    answers = iter([DOWN, DOWN, SENT])
    target = stage.target(ANN, lambda alert_id: next(answers))
    stage.start()
    alert = stage.add(ANN)
    stage.pass_to(7.0)
    stage.stop()
    stage.start()
    stage.pass_to(15.0)
    assert target.times == [0.0, 5.0, 15.0]
    assert stage.delivery(alert, ANN).tries == 3


def test_a_longer_retry_after_is_obeyed_by_all_deliveries(stage: Stage) -> None:
    answers = iter([asking(60.0), SENT, SENT])
    target = stage.target(ANN, lambda alert_id: next(answers))
    stage.start()
    stage.add_all(2, ANN)
    stage.pass_to(60.0)
    assert target.times == [0.0, 60.0, 60.0]


def test_a_very_long_retry_after_holds_the_target_and_is_probed_after_five_minutes(
    stage: Stage,
) -> None:
    answers = iter([asking(10_000.0), asking(10_000.0), SENT])
    target = stage.target(ANN, lambda alert_id: next(answers))
    dispatcher = stage.start()
    stage.add(ANN)
    assert [hold.reason for hold in dispatcher.held()] == ["rate_limited"]
    stage.pass_to(600.0)
    assert target.times == [0.0, 300.0, 600.0]


def test_no_retries_at_all_may_be_asked_for(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: DOWN)
    dispatcher = stage.start(RetryPolicy(max_retries=0, jitter=0.0))
    stage.add(ANN)
    assert len(dispatcher.held()) == 1
    stage.pass_to(29.0)
    assert target.times == [0.0]


def test_others_go_on_while_one_message_waits_between_its_tries(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: DOWN if alert_id == "a0001" else SENT)
    stage.start()
    poison, *_ = stage.add_all(11, ANN)
    assert target.times == [0.0] * 11
    stage.pass_to(35.0)
    delivery = stage.delivery(poison, ANN)
    assert (delivery.state, delivery.tries, delivery.reason) == (DEAD, 4, "retries_exhausted")
    assert delivery.detail == "server_error: 500"
    assert stage.metric("notifications_dead_total", channel="mail", reason="retries_exhausted") == 1
    assert stage.metric("channel_holds_total", channel="mail") == 0


# A pause costs nothing.


def test_a_pause_before_a_send_costs_no_try_however_often(stage: Stage) -> None:
    answers = iter([*[pausing(20.0)] * 9, SENT])
    target = stage.target(ANN, lambda alert_id: next(answers))
    stage.start()
    with structlog.testing.capture_logs() as logs:
        alert = stage.add(ANN)
        stage.pass_to(180.0)
    assert target.times == [20.0 * count for count in range(10)]
    assert stage.delivery(alert, ANN).tries == 1
    assert {log["event"] for log in logs} == {"target.paused"}
    failed = stage.metric("notifications_failed_total", channel="mail", error_type="rate_limited")
    assert failed == stage.metric("notification_retries_total", channel="mail") == 0
    assert stage.metric("notification_send_time_seconds_count", channel="mail") == 1
    assert stage.metric("alert_latency_seconds_count") == 1


def test_a_pause_between_two_tries_leaves_the_number_of_tries(stage: Stage) -> None:
    answers = iter([DOWN, pausing(60.0), pausing(60.0), DOWN, pausing(60.0), DOWN, DOWN])
    target = stage.target(ANN, lambda alert_id: next(answers) if alert_id == "a0001" else SENT)
    stage.start()
    alert, _ = stage.add_all(2, ANN)
    stage.pass_to(215.0)
    delivery = stage.delivery(alert, ANN)
    assert (delivery.state, delivery.tries, delivery.reason) == (DEAD, 4, "retries_exhausted")
    own = [call.at for call in target.calls if call.alert_id == alert]
    assert own == [0.0, 5.0, 65.0, 125.0, 135.0, 195.0, 215.0]
    assert stage.metric("notification_retries_total", channel="mail") == 3


def test_after_a_pause_the_most_urgent_goes_first_and_others_never_wait(stage: Stage) -> None:
    answers = iter([pausing(60.0)])
    target = stage.target(ANN, lambda alert_id: next(answers, SENT))
    bob = stage.target(BOB)
    stage.start()
    low = stage.add(ANN, priority=Priority.LOW)
    high = stage.add(ANN, BOB, priority=Priority.HIGH)
    assert bob.alert_ids == [high]
    stage.pass_to(60.0)
    assert target.alert_ids == [low, high, low]


def test_pauses_without_an_end_hold_the_target_and_what_waits_there_expires(stage: Stage) -> None:
    stage.target(ANN, lambda alert_id: pausing(120.0))
    dispatcher = stage.start(hold_seconds=600.0)
    alerts = stage.add_all(2, ANN)
    stage.pass_to(240.0)
    assert [hold.reason for hold in dispatcher.held()] == ["rate_limited"]
    stage.pass_to(630.0)
    for alert in alerts:
        delivery = stage.delivery(alert, ANN)
        assert (delivery.state, delivery.tries, delivery.reason) == (DEAD, 0, "hold_expired")


# Refusals.


def test_a_refused_delivery_is_dead_at_once_and_loudly(stage: Stage) -> None:
    stage.target(ANN, lambda alert_id: REFUSED)
    stage.start()
    with structlog.testing.capture_logs() as logs:
        alert = stage.add(ANN)
    delivery = stage.delivery(alert, ANN)
    assert (delivery.state, delivery.tries) == (DEAD, 1)
    assert (delivery.reason, delivery.detail) == ("bad_request", "400")
    assert [(log["event"], log["log_level"]) for log in logs] == [("delivery.dead", "error")]
    assert stage.metric("notifications_dead_total", channel="mail", reason="bad_request") == 1
    failed = stage.metric("notifications_failed_total", channel="mail", error_type="bad_request")
    assert failed == 1


@pytest.mark.parametrize("refusal", [REFUSED, FORBIDDEN, LOCKED_OUT])
@pytest.mark.parametrize("is_warm", [False, True])
def test_fifty_refusals_of_everything_lose_nothing(
    stage: Stage, refusal: Outcome, is_warm: bool
) -> None:
    target = stage.target(ANN)
    dispatcher = stage.start()
    if is_warm:
        stage.add(ANN)
    target.script = lambda alert_id: refusal
    alerts = stage.add_all(50, ANN)
    stage.pass_to(20.0)
    assert len(dispatcher.held()) == 1
    assert {stage.states(ANN)[alert] for alert in alerts} == {WAITING}
    target.script = lambda alert_id: SENT
    stage.pass_to(80.0)
    assert {*stage.states(ANN).values()} == {SENT_STATE}


@pytest.mark.parametrize("refusal", [REFUSED, FORBIDDEN])
def test_six_refusals_among_sixty_hold_up_nobody_else(stage: Stage, refusal: Outcome) -> None:
    poison = {f"a{number:04}" for number in range(5, 61, 10)}
    target = stage.target(ANN, lambda alert_id: refusal if alert_id in poison else SENT)
    stage.start()
    alerts = stage.add_all(60, ANN)
    good = [alert for alert in alerts if alert not in poison]
    assert [each for each in target.alert_ids if each in good] == good
    assert stage.clock.monotonic() == 0.0
    stage.pass_to(60.0)
    dead = {alert for alert, state in stage.states(ANN).items() if state is DEAD}
    assert dead == poison
    assert {stage.delivery(alert, ANN).reason for alert in dead} == {str(refusal.reason)}
    assert stage.metric("channel_holds_total", channel="mail") == 0


def test_two_refusals_by_403_in_a_row_hold_up_the_others_for_a_moment_only(stage: Stage) -> None:
    poison = {"a0003", "a0004"}
    target = stage.target(ANN, lambda alert_id: FORBIDDEN if alert_id in poison else SENT)
    stage.start()
    stage.add_all(20, ANN)
    assert len({*target.alert_ids}) == 20
    stage.pass_to(60.0)
    assert {alert for alert, state in stage.states(ANN).items() if state is DEAD} == poison


# What may have arrived.


def test_a_slow_answer_is_two_messages_at_most(stage: Stage) -> None:
    target = stage.target("sms:ann", lambda alert_id: UNCONFIRMED)
    other = stage.target(ANN)
    stage.start()
    with structlog.testing.capture_logs() as logs:
        alert = stage.add("sms:ann", ANN)
        assert stage.delivery(alert, "sms:ann").reason == "unconfirmed"
        stage.pass_to(600.0)
    assert target.times == [0.0, 20.0]
    assert other.alert_ids == [alert]
    delivery = stage.delivery(alert, "sms:ann")
    assert (delivery.state, delivery.tries, delivery.reason) == (DEAD, 2, "unconfirmed")
    said = [(log["event"], log["note"]) for log in logs if "note" in log]
    assert [event for event, _ in said][:2] == ["delivery.failed", "delivery.dead"]
    assert {note for _, note in said} == {"it may have arrived"}


def test_a_gateway_that_never_confirms_gets_each_alert_twice_at_most(stage: Stage) -> None:
    target = stage.target("sms:ann", lambda alert_id: UNCONFIRMED)
    stage.start()
    alerts = stage.add_all(5, "sms:ann")
    stage.pass_to(900.0)
    assert sorted(target.alert_ids) == sorted(alerts * 2)
    assert {*stage.states("sms:ann").values()} == {DEAD}


def test_what_may_have_arrived_is_not_sent_sooner_when_its_target_is_held_and_woken(
    stage: Stage,
) -> None:
    answers = iter([UNCONFIRMED, BAD_TLS])
    target = stage.target("sms:ann", lambda alert_id: next(answers, SENT))
    stage.start()
    slow, other = stage.add_all(2, "sms:ann")
    stage.pass_to(5.0)
    stage.use(["sms:ann"])
    stage.pass_to(60.0)
    assert [(call.alert_id, call.at) for call in target.calls] == [
        *((slow, 0.0), (other, 0.0), (other, 5.0), (slow, 20.0)),
    ]


def test_a_service_that_knows_the_key_is_tried_as_often_as_ever(stage: Stage) -> None:
    answers = iter([UNCONFIRMED, UNCONFIRMED, SENT])
    target = stage.target(HOOK, lambda alert_id: next(answers))
    target.knows_idempotency_key = True
    stage.start()
    alert = stage.add(HOOK)
    stage.pass_to(15.0)
    assert stage.delivery(alert, HOOK).state is SENT_STATE
    assert target.times == [0.0, 5.0, 15.0]


# Held targets.


def test_a_target_that_takes_nothing_is_held_and_loses_nothing(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: DOWN)
    dispatcher = stage.start()
    alerts = stage.add_all(11, ANN)
    stage.pass_to(35.0)
    assert len(dispatcher.held()) == 1
    assert {*stage.states(ANN).values()} == {WAITING}
    # In an outage only so many are tried as show it: the others keep all their tries.
    assert {*target.alert_ids} == {*alerts[:2]}


def test_a_misconfigured_target_is_held_at_once_and_said_once(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: BAD_TLS)
    stage.start()
    with structlog.testing.capture_logs() as logs:
        alerts = stage.add_all(3, ANN)
        stage.pass_to(60.0)
    assert (target.alert_ids, target.times) == (alerts, [0.0, 30.0, 60.0])
    assert [log["event"] for log in logs] == ["target.held"]
    assert stage.metric("channel_holds_total", channel="mail") == 1
    assert stage.metric("channel_held", channel="mail") == 1
    # A probe costs no try.
    assert [stage.delivery(alert, ANN).tries for alert in alerts] == [1, 0, 0]


def test_each_probe_is_a_different_delivery_every_30_seconds_and_later_every_two_minutes(
    stage: Stage,
) -> None:
    target = stage.target(ANN, lambda alert_id: BAD_TLS)
    stage.start()
    alerts = stage.add_all(3, ANN)
    stage.pass_to(1_200.0)
    assert target.times == [*(30.0 * count for count in range(31)), 960.0, 1_080.0, 1_200.0]
    assert target.alert_ids == (alerts * 12)[:34]


def test_a_probe_that_is_taken_opens_the_target_and_the_backlog_drains(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: BAD_TLS)
    dispatcher = stage.start()
    alerts = stage.add_all(50, ANN)
    target.script = lambda alert_id: SENT
    with structlog.testing.capture_logs() as logs:
        stage.pass_to(30.0)
    assert {*stage.states(ANN).values()} == {SENT_STATE}
    assert dispatcher.held() == ()
    assert {*target.times} == {0.0, 30.0}
    assert sorted(target.alert_ids) == sorted([alerts[0], *alerts])
    assert stage.metric("channel_held", channel="mail") == 0
    assert [log["event"] for log in logs] == ["target.opened"]


def test_fresh_alerts_of_high_priority_pass_a_backlog_that_was_opened(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: BAD_TLS)
    stage.start()
    old = stage.add_all(10, ANN, priority=Priority.HIGH)
    gate = Gate()
    answers = iter([SENT, SENT])
    target.script = lambda alert_id: next(answers, None) or gate(alert_id)
    stage.pass_to(30.0)
    assert Gate.count() == 1
    fresh = stage.add(ANN, priority=Priority.HIGH)
    medium = stage.add(ANN)
    gate.open()
    stage.settle()
    order = target.alert_ids[4:]
    assert order[0] == fresh
    assert order[-1] == medium
    assert len(order) == len(old) - 3 + 2


def test_a_target_that_is_woken_has_what_failed_as_its_probe_too(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: DOWN)
    stage.start(RetryPolicy(max_retries=0, jitter=0.0))
    alerts = stage.add_all(2, ANN)
    target.script = lambda alert_id: SENT
    stage.use([ANN])
    assert stage.states(ANN) == dict.fromkeys(alerts, SENT_STATE)


def test_a_target_that_was_away_for_two_minutes_has_its_backlog_40_seconds_later(
    stage: Stage,
) -> None:
    target = stage.target(ANN, lambda alert_id: DOWN)
    stage.start()
    stage.add_all(100, ANN)
    stage.pass_to(120.0)
    target.script = lambda alert_id: SENT
    stage.pass_to(160.0)
    assert {*stage.states(ANN).values()} == {SENT_STATE}


def test_a_probe_that_is_refused_is_dead_and_opens_the_target(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: BAD_TLS)
    stage.start()
    first, second, third = stage.add_all(3, ANN)
    target.script = lambda alert_id: REFUSED if alert_id == second else SENT
    stage.pass_to(30.0)
    assert stage.states(ANN) == {first: SENT_STATE, second: DEAD, third: SENT_STATE}


def test_one_message_that_locks_the_channel_holds_up_the_others_for_a_moment_only(
    stage: Stage,
) -> None:
    target = stage.target(ANN, lambda alert_id: LOCKED_OUT if alert_id == "a0001" else SENT)
    stage.start()
    poison, second, *others = stage.add_all(5, ANN)
    # The second opinion opens the target, and the first one is alone with its refusal.
    assert target.alert_ids == [poison, second, poison, *others]
    assert target.times == [0.0] * 6
    assert stage.delivery(poison, ANN).state is DEAD
    assert stage.metric("channel_holds_total", channel="mail") == 1


def test_an_arrival_is_tried_at_once_when_only_one_message_ever_failed(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: DOWN if alert_id == "a0001" else SENT)
    dispatcher = stage.start()
    stage.add(ANN)
    stage.pass_to(40.0)
    assert len(dispatcher.held()) == 1
    other = stage.add(ANN)
    # The target is open again, and what failed before is tried at once as well.
    assert [(call.alert_id, call.at) for call in target.calls[-2:]] == [
        *((other, 40.0), ("a0001", 40.0)),
    ]
    assert dispatcher.held() == ()


def test_a_held_target_that_fails_for_another_reason_is_held_for_that_one(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: BAD_TLS)
    dispatcher = stage.start()
    with structlog.testing.capture_logs() as logs:
        alert = stage.add(ANN)
        (first,) = dispatcher.held()
        target.script = lambda alert_id: DOWN
        stage.pass_to(95.0)
    (hold,) = dispatcher.held()
    assert (hold.reason, hold.detail, hold.since_us) == ("server_error", "500", first.since_us)
    assert stage.delivery(alert, ANN).reason == "server_error"
    said = [(log["event"], log["reason"]) for log in logs]
    assert said == [("target.held", "tls"), ("target.still_held", "server_error")]


def test_what_waits_too_long_in_a_held_target_is_given_up(stage: Stage) -> None:
    stage.target(ANN, lambda alert_id: BAD_TLS)
    stage.start(hold_seconds=60.0)
    old = stage.add_all(3, ANN)
    stage.pass_to(45.0)
    young = stage.add(ANN)
    with structlog.testing.capture_logs() as logs:
        stage.pass_to(80.0)
    assert {stage.delivery(alert, ANN).reason for alert in old} == {"hold_expired"}
    assert stage.delivery(young, ANN).state is WAITING
    assert stage.metric("notifications_dead_total", channel="mail", reason="hold_expired") == 3
    assert [(log["event"], log["count"]) for log in logs] == [("delivery.expired", 3)]


def test_a_hold_survives_a_restart_which_probes_at_once(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: BAD_TLS)
    stage.start()
    stage.add_all(2, ANN)
    stage.stop()
    dispatcher = stage.start()
    assert len(target.calls) == 2
    assert [hold.target_id for hold in dispatcher.held()] == [ANN]
    assert stage.metric("channel_holds_total", channel="mail") == 1
    stage.stop()
    target.script = lambda alert_id: SENT
    stage.start()
    assert {*stage.states(ANN).values()} == {SENT_STATE}
    assert stage.clock.monotonic() == 0.0


# The store.


def test_an_engine_alone_takes_back_the_claims_of_one_that_was_killed_at_once(
    stage: Stage,
) -> None:
    stage.target(ANN, Gate())
    killed = stage.start()
    alert = stage.add(ANN)
    stage.freeze(killed)
    ann = stage.target(ANN)
    stage.start()
    assert ann.alert_ids == [alert]
    assert stage.clock.monotonic() == 0.0


def test_a_store_that_is_away_is_waited_for_without_sending_again(stage: Stage) -> None:
    gate = Gate()
    target = stage.target(ANN, gate)
    dispatcher = stage.start()
    alert, other = stage.add_all(2, ANN)
    with structlog.testing.capture_logs() as logs:
        stage.lock.is_locked = True
        gate.open()
        stage.pass_to(40.0)
        assert stage.delivery(alert, ANN).state is WAITING
        assert dispatcher.heartbeat.look().age_seconds <= 1.0
        stage.lock.is_locked = False
        stage.pass_to(41.0)
    assert stage.states(ANN) == {alert: SENT_STATE, other: SENT_STATE}
    assert target.alert_ids == [alert, other]
    assert [log["event"] for log in logs] == ["delivery.store_waiting"]
    assert stage.metric("store_errors_total") >= 40


def test_while_the_store_is_away_no_more_is_in_flight_than_there_are_workers(stage: Stage) -> None:
    target = stage.target(HOOK, concurrency=4)
    stage.start(workers=2)
    for _ in range(20):
        stage.store_only(HOOK)
    stage.lock.limit = 1
    stage.pass_to(10.0)
    assert len(target.calls) == 2
    stage.lock.limit, stage.lock.is_locked = None, False
    stage.pass_to(20.0)
    assert len(target.calls) == 20


def test_a_store_that_is_away_at_the_start_is_asked_again(stage: Stage) -> None:
    stage.target(ANN)
    alert = stage.store_only(ANN)
    stage.lock.is_locked = True
    stage.start()
    stage.pass_to(3.0)
    stage.lock.is_locked = False
    stage.pass_to(4.0)
    assert stage.states(ANN) == {alert: SENT_STATE}


def test_the_backlog_is_counted_by_channel_every_five_seconds(stage: Stage) -> None:
    gate = Gate()
    stage.target(ANN, gate)
    stage.target(BOB, gate)
    stage.target(HOOK)
    stage.start()
    stage.add_all(3, ANN, BOB)
    stage.pass_to(5.0)
    assert stage.metric("deliveries_waiting", channel="mail") == 6
    assert stage.metric("deliveries_waiting", channel="hook") == 0
