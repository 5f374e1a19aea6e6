from __future__ import annotations

import structlog

from channels.alert import SENT, Outcome, Priority, Reason, Status
from engine.store import DeliveryState
from tests.unit.delivery.scripted_target import DOWN, LOCKED_OUT, REFUSED, Gate
from tests.unit.delivery.stage import POLICY, Stage, delivery_threads

ANN = "mail/ann"


def asking(seconds: float) -> Outcome:
    return Outcome(Status.UNAVAILABLE, Reason.RATE_LIMITED, "429", seconds)


def pausing(seconds: float) -> Outcome:
    return Outcome(Status.UNAVAILABLE, Reason.RATE_LIMITED, "a pause", seconds, is_unsent=True)


def test_a_sent_delivery_is_marked_and_counted(stage: Stage) -> None:
    target = stage.target(ANN)
    stage.start()
    alert = stage.add(ANN)
    delivery = stage.store.await_state(alert, ANN, DeliveryState.SENT)
    stage.stop()
    assert delivery.tries == 1
    assert target.alert_ids == [alert]
    assert stage.metric("notifications_sent_total", channel="mail", rule_id="r1") == 1
    assert stage.metric("notification_send_time_seconds_count", channel="mail") == 1
    assert stage.metric("alert_latency_seconds_count") == 1


def test_each_delivery_reaches_send_sent_and_mark_in_turn(stage: Stage) -> None:
    stage.target(ANN)
    alerts = [stage.store_only(ANN) for _ in range(3)]
    stage.start()
    stage.store.await_state(alerts[-1], ANN, DeliveryState.SENT)
    stage.stop()
    assert stage.kill_points == ["send", "sent", "mark"] * 3


def test_high_priority_goes_first_then_the_oldest(stage: Stage) -> None:
    target = stage.target(ANN)
    low = stage.store_only(ANN, priority=Priority.LOW)
    first = stage.store_only(ANN)
    second = stage.store_only(ANN)
    high = stage.store_only(ANN, priority=Priority.HIGH)
    stage.start()
    stage.store.await_state(low, ANN, DeliveryState.SENT)
    assert target.alert_ids == [high, first, second, low]


def test_an_urgent_arrival_overtakes_a_page_that_was_read_before(stage: Stage) -> None:
    gate = Gate()
    target = stage.target(ANN, gate)
    lows = [stage.store_only(ANN, priority=Priority.LOW) for _ in range(5)]
    stage.start()
    target.await_calls(1)
    high = stage.add(ANN, priority=Priority.HIGH)
    gate.open()
    stage.store.await_state(lows[-1], ANN, DeliveryState.SENT)
    assert target.alert_ids == [lows[0], high, *lows[1:]]


def test_a_refused_delivery_is_dead_at_once_and_loudly(stage: Stage) -> None:
    stage.target(ANN, lambda alert_id: REFUSED)
    stage.start()
    with structlog.testing.capture_logs() as logs:
        alert = stage.add(ANN)
        delivery = stage.store.await_state(alert, ANN, DeliveryState.DEAD)
        stage.stop()
    assert (delivery.tries, delivery.reason, delivery.detail) == (1, "bad_request", "400")
    assert [(log["event"], log["log_level"]) for log in logs] == [("delivery.dead", "error")]
    assert stage.metric("notifications_dead_total", channel="mail", reason="bad_request") == 1
    failed = stage.metric("notifications_failed_total", channel="mail", error_type="bad_request")
    assert failed == 1


def test_an_unavailable_target_is_tried_again_after_5_10_and_20_seconds(stage: Stage) -> None:
    answers = iter([DOWN, DOWN, DOWN, SENT])
    target = stage.target(ANN, lambda alert_id: next(answers))
    stage.start()
    alert = stage.add(ANN)
    for time in (5.0, 15.0, 35.0):
        stage.clock.sleep_over(time)
    delivery = stage.store.await_state(alert, ANN, DeliveryState.SENT)
    stage.stop()
    assert target.times == [0.0, 5.0, 15.0, 35.0]
    assert len({call.key for call in target.calls}) == 1
    assert delivery.tries == 4
    assert stage.metric("notification_retries_total", channel="mail") == 3
    failed = stage.metric("notifications_failed_total", channel="mail", error_type="server_error")
    assert failed == 3


def test_a_longer_retry_after_is_obeyed_by_all_deliveries(stage: Stage) -> None:
    answers = iter([asking(60.0), SENT, SENT])
    target = stage.target(ANN, lambda alert_id: next(answers))
    stage.start()
    alert = stage.add(ANN)
    stage.clock.await_sleeper(60.0)
    other = stage.add(ANN)
    stage.clock.sleep_over(60.0)
    stage.store.await_state(alert, ANN, DeliveryState.SENT)
    stage.store.await_state(other, ANN, DeliveryState.SENT)
    assert target.times == [0.0, 60.0, 60.0]


def test_a_shorter_retry_after_shortens_nothing(stage: Stage) -> None:
    answers = iter([asking(1.0), SENT])
    target = stage.target(ANN, lambda alert_id: next(answers))
    stage.start()
    alert = stage.add(ANN)
    stage.clock.sleep_over(5.0)
    stage.store.await_state(alert, ANN, DeliveryState.SENT)
    assert target.times == [0.0, 5.0]


def test_a_very_long_retry_after_holds_the_target_until_then(stage: Stage) -> None:
    answers = iter([asking(1_000.0), SENT, SENT])
    target = stage.target(ANN, lambda alert_id: next(answers))
    dispatcher = stage.start()
    alert = stage.add(ANN)
    stage.clock.await_sleeper(1_000.0)
    assert [hold.reason for hold in dispatcher.held()] == ["rate_limited"]
    stage.add(ANN)
    stage.clock.sleep_over(1_000.0)
    stage.store.await_state(alert, ANN, DeliveryState.SENT)
    assert target.times[:2] == [0.0, 1_000.0]


def test_a_pause_before_a_send_costs_no_try_however_often(stage: Stage) -> None:
    answers = iter([*[pausing(20.0)] * 9, SENT])
    target = stage.target(ANN, lambda alert_id: next(answers))
    stage.start()
    with structlog.testing.capture_logs() as logs:
        alert = stage.add(ANN)
        for count in range(1, 10):
            stage.clock.sleep_over(20.0 * count)
        delivery = stage.store.await_state(alert, ANN, DeliveryState.SENT)
        stage.stop()
    assert target.times == [20.0 * count for count in range(10)]
    assert delivery.tries == 1
    assert {log["event"] for log in logs} == {"target.paused"}
    failed = stage.metric("notifications_failed_total", channel="mail", error_type="rate_limited")
    assert failed == stage.metric("notification_retries_total", channel="mail") == 0
    assert stage.metric("notification_send_time_seconds_count", channel="mail") == 1
    assert stage.metric("alert_latency_seconds_count") == 1


def test_a_pause_between_two_tries_leaves_the_number_of_tries(stage: Stage) -> None:
    answers = iter([DOWN, pausing(60.0), pausing(60.0), DOWN, pausing(60.0), DOWN, DOWN])
    target = stage.target(ANN, lambda alert_id: next(answers) if alert_id == "a0001" else SENT)
    stage.start()
    alert = stage.add(ANN)
    stage.clock.await_sleeper(5.0)
    stage.store.await_state(stage.add(ANN), ANN, DeliveryState.SENT)
    for time in (5.0, 65.0, 125.0, 135.0, 195.0, 215.0):
        stage.clock.sleep_over(time)
    delivery = stage.store.await_state(alert, ANN, DeliveryState.DEAD)
    stage.stop()
    assert (delivery.tries, delivery.reason) == (4, "retries_exhausted")
    own = [call.at for call in target.calls if call.alert_id == alert]
    assert own == [0.0, 5.0, 65.0, 125.0, 135.0, 195.0, 215.0]
    assert stage.metric("notification_retries_total", channel="mail") == 3


def test_after_a_pause_the_most_urgent_goes_first_and_others_never_wait(stage: Stage) -> None:
    answers = iter([pausing(60.0)])
    target = stage.target(ANN, lambda alert_id: next(answers, SENT))
    stage.target("mail/bob")
    stage.start()
    low = stage.add(ANN, priority=Priority.LOW)
    stage.clock.await_sleeper(60.0)
    high = stage.add(ANN, "mail/bob", priority=Priority.HIGH)
    stage.store.await_state(high, "mail/bob", DeliveryState.SENT)
    stage.clock.sleep_over(60.0)
    stage.store.await_state(low, ANN, DeliveryState.SENT)
    assert target.alert_ids == [low, high, low]


def test_pauses_without_an_end_hold_the_target_and_what_waits_there_expires(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: pausing(120.0))
    dispatcher = stage.start(hold_seconds=600.0)
    first, second = stage.add(ANN), stage.add(ANN)
    for time in (120.0, 240.0):
        stage.clock.sleep_over(time)
    target.await_calls(3)
    stage.clock.await_sleeper(360.0)
    assert [hold.reason for hold in dispatcher.held()] == ["rate_limited"]
    for time in (360.0, 480.0, 600.0, 840.0):
        stage.clock.sleep_over(time)
    for alert in (first, second):
        delivery = stage.store.await_state(alert, ANN, DeliveryState.DEAD)
        assert (delivery.tries, delivery.reason) == (0, "hold_expired")


def test_a_very_long_pause_holds_the_target_until_its_end(stage: Stage) -> None:
    answers = iter([pausing(1_000.0), SENT])
    target = stage.target(ANN, lambda alert_id: next(answers))
    dispatcher = stage.start()
    alert = stage.add(ANN)
    stage.clock.await_sleeper(1_000.0)
    assert [hold.reason for hold in dispatcher.held()] == ["rate_limited"]
    stage.clock.sleep_over(1_000.0)
    delivery = stage.store.await_state(alert, ANN, DeliveryState.SENT)
    assert (delivery.tries, target.times) == (1, [0.0, 1_000.0])


def test_the_stop_waits_for_no_pause(live_stage: Stage) -> None:
    answers = iter([DOWN, *[pausing(200.0)] * 9])
    target = live_stage.target(ANN, lambda alert_id: next(answers))
    other = live_stage.target("mail/bob", lambda alert_id: pausing(200.0))
    live_stage.start(type(POLICY)(base_seconds=0.01, jitter=0.0))
    live_stage.add(ANN, "mail/bob")
    target.await_calls(2)
    other.await_calls(1)
    with structlog.testing.capture_logs() as logs:
        live_stage.stop(20.0)
    assert [log for log in logs if log["event"] == "delivery.unfinished"] == []
    assert delivery_threads() == []


def test_others_go_on_while_one_message_waits_between_its_tries(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: DOWN if alert_id == "a0001" else SENT)
    stage.start()
    poison = stage.add(ANN)
    stage.clock.await_sleeper(5.0)
    for _ in range(10):
        stage.store.await_state(stage.add(ANN), ANN, DeliveryState.SENT)
    assert target.times == [0.0] * 11
    for time in (5.0, 15.0, 35.0):
        stage.clock.sleep_over(time)
    delivery = stage.store.await_state(poison, ANN, DeliveryState.DEAD)
    assert (delivery.tries, delivery.reason) == (4, "retries_exhausted")
    assert delivery.detail == "server_error: 500"
    stage.await_metric(1, "notifications_dead_total", channel="mail", reason="retries_exhausted")
    assert stage.metric("channel_holds_total", channel="mail") == 0


def test_a_target_that_takes_nothing_is_held_and_loses_nothing(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: DOWN)
    stage.start()
    alerts = [stage.store_only(ANN) for _ in range(10)]
    stage.add(ANN)
    target.await_calls(2)
    for time in (5.0, 15.0, 35.0):
        stage.clock.sleep_over(time, 2)
    stage.store.await_that(lambda: bool(stage.store.holds()))
    stage.clock.await_sleeper(65.0)
    assert set(stage.states(ANN).values()) == {DeliveryState.WAITING}
    # In an in_force only so many are tried as show it: the others keep all their tries.
    assert set(target.alert_ids) == set(alerts[:2])


def test_a_misconfigured_target_is_held_at_once_and_said_once(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: LOCKED_OUT)
    with structlog.testing.capture_logs() as logs:
        stage.start()
        alerts = [stage.add(ANN) for _ in range(3)]
        stage.clock.sleep_over(30.0)
        target.await_calls(2)
        stage.clock.sleep_over(90.0)
        target.await_calls(3)
        stage.clock.await_sleeper(210.0)
        stage.stop()
    assert target.alert_ids == alerts
    assert [log["event"] for log in logs] == ["target.held"]
    assert stage.metric("channel_holds_total", channel="mail") == 1
    assert stage.metric("channel_held", channel="mail") == 1
    # A probe costs no try.
    assert [stage.store.delivery(alert, ANN).tries for alert in alerts] == [1, 0, 0]


def test_probes_come_at_growing_intervals_and_with_a_different_delivery_each(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: LOCKED_OUT)
    stage.start()
    first, second, third = (stage.add(ANN) for _ in range(3))
    times = [30.0, 90.0, 210.0, 450.0, 750.0, 1_050.0]
    for count, time in enumerate(times, start=2):
        stage.clock.sleep_over(time)
        target.await_calls(count)
    assert target.times == [0.0, *times]
    assert target.alert_ids == [first, second, third, first, second, third, first]


def test_a_probe_that_is_taken_opens_the_target_and_the_backlog_drains(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: LOCKED_OUT)
    dispatcher = stage.start()
    alerts = [stage.add(ANN) for _ in range(50)]
    stage.clock.await_sleeper(30.0)
    target.script = lambda alert_id: SENT
    stage.clock.move_to(30.0)
    for alert in alerts:
        stage.store.await_state(alert, ANN, DeliveryState.SENT)
    stage.stop()
    assert dispatcher.held() == ()
    assert stage.store.holds() == []
    assert set(target.times) == {0.0, 30.0}
    assert sorted(target.alert_ids) == sorted([alerts[0], *alerts])
    assert stage.metric("channel_held", channel="mail") == 0


def test_a_probe_that_is_refused_is_dead_and_opens_the_target(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: LOCKED_OUT)
    stage.start()
    first, second, third = (stage.add(ANN) for _ in range(3))
    stage.clock.await_sleeper(30.0)
    target.script = lambda alert_id: REFUSED if alert_id == second else SENT
    stage.clock.move_to(30.0)
    stage.store.await_state(second, ANN, DeliveryState.DEAD)
    stage.store.await_state(first, ANN, DeliveryState.SENT)
    stage.store.await_state(third, ANN, DeliveryState.SENT)


def test_one_message_that_locks_the_channel_stops_the_others_only_once(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: LOCKED_OUT if alert_id == "a0001" else SENT)
    stage.start()
    poison, *others = [stage.add(ANN) for _ in range(5)]
    stage.clock.sleep_over(30.0)
    for other in others:
        stage.store.await_state(other, ANN, DeliveryState.SENT)
    stage.store.await_state(stage.add(ANN), ANN, DeliveryState.SENT)
    for time in (35.0, 45.0, 65.0):
        stage.clock.sleep_over(time)
    stage.store.await_state(poison, ANN, DeliveryState.DEAD)
    assert stage.metric("channel_holds_total", channel="mail") == 1
    assert target.times[-1] == 65.0


def test_an_arrival_is_tried_at_once_when_only_one_message_ever_failed(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: DOWN if alert_id == "a0001" else SENT)
    stage.start()
    stage.add(ANN)
    for time in (5.0, 15.0, 35.0):
        stage.clock.sleep_over(time)
    stage.clock.await_sleeper(65.0)
    other = stage.add(ANN)
    stage.store.await_state(other, ANN, DeliveryState.SENT)
    assert target.calls[4].alert_id == other
    assert target.calls[4].at == 35.0


def test_what_waits_too_long_in_a_held_target_is_given_up(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: LOCKED_OUT)
    stage.start(hold_seconds=60.0)
    old = [stage.add(ANN) for _ in range(3)]
    stage.clock.sleep_over(30.0)
    target.await_calls(2)
    stage.clock.await_sleeper(90.0)
    young = stage.add(ANN)
    stage.clock.sleep_over(90.0)
    for alert in old:
        delivery = stage.store.await_state(alert, ANN, DeliveryState.DEAD)
        assert delivery.reason == "hold_expired"
    stage.clock.await_sleeper(210.0)
    assert stage.store.delivery(young, ANN).state is DeliveryState.WAITING
    assert stage.metric("notifications_dead_total", channel="mail", reason="hold_expired") == 3


def test_a_store_that_cannot_be_written_is_waited_for_without_sending_again(stage: Stage) -> None:
    target = stage.target(ANN)
    stage.start()
    stage.store.is_failing = True
    with structlog.testing.capture_logs() as logs:
        alert = stage.add(ANN)
        stage.store.await_that(lambda: stage.store.failures == 1)
        other = stage.add(ANN)
        # The worker, and the poller.
        stage.clock.sleep_over(1.0, 2)
        stage.store.await_that(lambda: stage.store.failures == 2)
        stage.store.is_failing = False
        stage.clock.sleep_over(2.0, 2)
        stage.store.await_state(alert, ANN, DeliveryState.SENT)
        stage.store.await_state(other, ANN, DeliveryState.SENT)
        stage.stop()
    assert target.alert_ids == [alert, other]
    assert [log["event"] for log in logs] == ["delivery.store_waiting"]
    assert stage.metric("store_errors_total") == 2


def test_no_retries_at_all_may_be_asked_for(stage: Stage) -> None:
    policy = type(POLICY)(max_retries=0, jitter=0.0)
    target = stage.target(ANN, lambda alert_id: DOWN)
    stage.start(policy)
    stage.add(ANN)
    stage.clock.await_sleeper(30.0)
    assert target.times == [0.0]
