"""Reloads and redeliveries: targets come, go and are woken."""

from __future__ import annotations

import structlog

from channels.alert import SENT
from channels.targets.identity import MisconfiguredTarget
from engine.store import DeliveryState
from tests.unit.delivery.scripted_target import DOWN, LOCKED_OUT, Gate, ScriptedTarget
from tests.unit.delivery.stage import Stage

ANN = "mail/ann"
BOB = "mail/bob"


def test_a_target_that_is_added_takes_deliveries_before_the_others_are_replaced(
    stage: Stage,
) -> None:
    ann = stage.target(ANN)
    dispatcher = stage.start()
    bob = stage.target(BOB)
    dispatcher.add_targets({ANN: ScriptedTarget(ANN), BOB: bob})
    alert = stage.add(ANN, BOB)
    stage.store.await_state(alert, BOB, DeliveryState.SENT)
    stage.store.await_state(alert, ANN, DeliveryState.SENT)
    assert (ann.alert_ids, bob.alert_ids) == ([alert], [alert])
    assert (ann.closed, bob.closed) == (0, 0)


def test_a_channel_that_is_gone_has_nothing_waiting(stage: Stage) -> None:
    stage.target(ANN, lambda alert_id: LOCKED_OUT)
    dispatcher = stage.start()
    stage.add(ANN)
    stage.pass_time_until(lambda: stage.metric("deliveries_waiting", channel="mail") == 1)
    dispatcher.replace_targets({})
    # A delivery that a worker still has in hand is settled at the next look, or at a later one.
    stage.pass_time_until(lambda: stage.metric("deliveries_waiting", channel="mail") == 0)
    assert stage.store.backlogs() == []


def test_a_reload_probes_a_held_target_at_once_with_the_new_secret(stage: Stage) -> None:
    old = stage.target(ANN, lambda alert_id: LOCKED_OUT)
    dispatcher = stage.start()
    alert = stage.add(ANN)
    stage.clock.await_sleeper(30.0)
    new = stage.target(ANN)
    dispatcher.replace_targets(dict(stage.targets))
    stage.store.await_state(alert, ANN, DeliveryState.SENT)
    assert (len(old.calls), len(new.calls)) == (1, 1)
    assert (old.closed, new.closed) == (1, 0)


def test_a_reload_that_mends_nothing_says_so_once_and_goes_on_probing(stage: Stage) -> None:
    stage.target(ANN, lambda alert_id: LOCKED_OUT)
    dispatcher = stage.start()
    with structlog.testing.capture_logs() as logs:
        stage.add(ANN)
        stage.clock.await_sleeper(30.0)
        new = stage.target(ANN, lambda alert_id: LOCKED_OUT)
        dispatcher.replace_targets(dict(stage.targets))
        new.await_calls(1)
        stage.clock.sleep_over(30.0)
        new.await_calls(2)
        stage.clock.await_sleeper(90.0)
        stage.stop()
    assert [log["event"] for log in logs] == ["target.held", "target.still_held"]
    assert [hold.target_id for hold in stage.store.holds()] == [ANN]


def test_a_reload_frees_a_held_target_that_nothing_waits_for(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: LOCKED_OUT)
    dispatcher = stage.start(hold_seconds=10.0)
    stage.add(ANN)
    stage.clock.sleep_over(30.0)
    target.await_calls(2)
    stage.store.await_that(lambda: not stage.store.backlogs())
    new = stage.target(ANN)
    dispatcher.replace_targets(dict(stage.targets))
    alert = stage.add(ANN)
    stage.store.await_state(alert, ANN, DeliveryState.SENT)
    assert new.times == [30.0]


def test_a_redelivery_by_another_process_is_seen_within_a_second(stage: Stage) -> None:
    target = stage.target(ANN)
    stage.start()
    alert = stage.add(ANN)
    stage.store.await_state(alert, ANN, DeliveryState.SENT)
    stage.clock.await_sleeper(1.0)
    stage.redeliver(lambda store: store.redeliver([alert]))
    stage.clock.sleep_over(1.0)
    target.await_calls(2)
    assert target.alert_ids == [alert, alert]


def test_a_redelivery_wakes_a_held_target(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: LOCKED_OUT)
    stage.start()
    alert = stage.add(ANN)
    stage.clock.await_sleeper(30.0)
    stage.clock.await_sleeper(1.0)
    target.script = lambda alert_id: SENT
    stage.redeliver(lambda store: store.redeliver(channel="mail"))
    stage.clock.sleep_over(1.0)
    stage.store.await_state(alert, ANN, DeliveryState.SENT)
    assert target.times == [0.0, 1.0]


def test_a_redelivery_that_mends_nothing_leaves_the_hold_in_the_store(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: LOCKED_OUT)
    stage.start()
    stage.add(ANN)
    stage.clock.await_sleeper(30.0)
    stage.clock.await_sleeper(1.0)
    stage.redeliver(lambda store: store.redeliver(channel="mail"))
    stage.clock.move_to(1.0)
    target.await_calls(2)
    stage.store.await_that(lambda: bool(stage.store.holds()))
    stage.clock.await_sleeper(31.0)


def test_deliveries_of_a_target_that_is_gone_are_dead(stage: Stage) -> None:
    stage.target(ANN)
    lost = stage.store_only("pager/1")
    kept = stage.store_only(ANN)
    stage.start()
    delivery = stage.store.await_state(lost, "pager/1", DeliveryState.DEAD)
    stage.store.await_state(kept, ANN, DeliveryState.SENT)
    assert delivery.reason == "channel_removed"
    stage.stop()
    dead = stage.metric("notifications_dead_total", channel="pager", reason="channel_removed")
    assert dead == 1


def test_a_reload_that_removes_a_held_target_ends_its_hold(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: LOCKED_OUT)
    dispatcher = stage.start()
    alert = stage.add(ANN)
    stage.clock.await_sleeper(30.0)
    dispatcher.replace_targets({})
    stage.store.await_state(alert, ANN, DeliveryState.DEAD)
    target.await_closed()
    stage.stop()
    assert stage.store.holds() == []
    assert stage.metric("channel_held", channel="mail") == 0


def test_a_send_in_flight_outlives_the_removal_of_its_target(stage: Stage) -> None:
    gate = Gate()
    target = stage.target(ANN, gate)
    dispatcher = stage.start()
    in_flight, waiting = stage.add(ANN), stage.add(ANN)
    target.await_calls(1)
    dispatcher.replace_targets({})
    stage.store.await_state(waiting, ANN, DeliveryState.DEAD)
    gate.open()
    stage.store.await_state(in_flight, ANN, DeliveryState.SENT)
    target.await_closed()


def test_a_target_that_comes_back_does_not_send_again_what_is_in_flight(stage: Stage) -> None:
    gate = Gate()
    old = stage.target(ANN, gate)
    dispatcher = stage.start()
    alert = stage.add(ANN)
    old.await_calls(1)
    dispatcher.replace_targets({})
    new = stage.target(ANN)
    dispatcher.replace_targets(dict(stage.targets))
    gate.open()
    stage.store.await_state(alert, ANN, DeliveryState.SENT)
    other = stage.add(ANN)
    stage.store.await_state(other, ANN, DeliveryState.SENT)
    assert (old.alert_ids, new.alert_ids) == ([alert], [other])
    old.await_closed()


def test_an_alert_for_a_target_that_a_reload_just_removed_is_dead(stage: Stage) -> None:
    stage.target(ANN)
    dispatcher = stage.start()
    dispatcher.replace_targets({})
    alert = stage.add(ANN)
    stage.store.await_state(alert, ANN, DeliveryState.DEAD)


UNSET, TYPO = "the variable TOKEN is unset", "this is not a URL"


def waiting_detail(stage: Stage, target_id: str) -> tuple[str, str]:
    """What `alerts show` says of the delivery to a target of the newest alert."""
    (stored,) = stage.store.store.alerts(1)
    (delivery,) = [each for each in stored.deliveries if each.target_id == target_id]
    return delivery.reason, delivery.detail


def test_a_reload_with_another_fault_says_so_of_the_held_channel(stage: Stage) -> None:
    broken = MisconfiguredTarget("pager", UNSET)
    name = broken.label
    dispatcher = stage.start()
    dispatcher.replace_targets({name: broken})
    alert = stage.add(name)
    stage.store.await_that(lambda: [hold.detail for hold in stage.store.holds()] == [UNSET])
    assert waiting_detail(stage, name) == ("misconfigured", UNSET)
    with structlog.testing.capture_logs() as logs:
        dispatcher.replace_targets({name: MisconfiguredTarget("pager", TYPO)})
        assert [hold.detail for hold in dispatcher.held()] == [TYPO]
        stage.store.await_that(lambda: [hold.detail for hold in stage.store.holds()] == [TYPO])
        stage.store.await_that(
            lambda: ("target.still_held", TYPO) in [(log["event"], log["detail"]) for log in logs]
        )
    assert waiting_detail(stage, name) == ("misconfigured", TYPO)
    assert stage.states(name) == {alert: DeliveryState.WAITING}
    assert stage.metric("channel_held", channel="pager") == 1


def test_a_reload_with_another_fault_changes_a_stored_hold_for_which_nothing_waits(
    stage: Stage,
) -> None:
    broken = MisconfiguredTarget("pager", UNSET)
    name = broken.label
    stage.store.hold(name, "pager", "misconfigured", UNSET, 7)
    # From the start: the first look drops the holds of targets that are not there.
    stage.targets[name] = broken
    dispatcher = stage.start()
    dispatcher.replace_targets({name: MisconfiguredTarget("pager", TYPO)})
    stage.store.await_that(
        lambda: [(hold.detail, hold.since_us) for hold in stage.store.holds()] == [(TYPO, 7)]
    )
    assert [hold.detail for hold in dispatcher.held()] == [TYPO]
    assert stage.metric("channel_held", channel="pager") == 1


def test_a_held_target_that_fails_for_another_reason_is_held_for_that_one(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: LOCKED_OUT)
    dispatcher = stage.start()
    with structlog.testing.capture_logs() as logs:
        stage.add(ANN)
        stage.clock.await_sleeper(30.0)
        (first,) = dispatcher.held()
        target.script = lambda alert_id: DOWN
        for second in (30.0, 90.0):
            stage.clock.sleep_over(second)
        target.await_calls(3)
        stage.store.await_that(
            lambda: [hold.reason for hold in stage.store.holds()] == ["server_error"]
        )
        stage.clock.await_sleeper(210.0)
        (hold,) = dispatcher.held()
        stage.stop()
    assert (hold.reason, hold.detail, hold.since_us) == ("server_error", "500", first.since_us)
    assert waiting_detail(stage, ANN) == ("server_error", "500")
    said = [(log["event"], log["reason"]) for log in logs]
    assert said == [("target.held", "unauthorized"), ("target.still_held", "server_error")]
