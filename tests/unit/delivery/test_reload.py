"""Reloads and redeliveries: targets come, go, are renamed, corrected, switched off and woken."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from channels.alert import SENT, Audience
from channels.targets.identity import MisconfiguredTarget, stand_in_id
from engine.store import DeliveryState
from tests.unit.delivery.scripted_target import BAD_TLS, DOWN, Gate, ScriptedTarget, asking
from tests.unit.delivery.stage import Stage

ANN = "mail:ann"
BOB = "mail:bob"
CAT = "mail:cat"
SENT_STATE, DEAD, WAITING = DeliveryState.SENT, DeliveryState.DEAD, DeliveryState.WAITING
UNSET, TYPO = "the variable TOKEN is unset", "this is not a URL"


def held(stage: Stage, *names: str) -> None:
    """These targets fail, and are held."""
    for name in names:
        stage.target(name, lambda alert_id: BAD_TLS)


def test_a_target_that_is_added_takes_deliveries_before_the_others_are_replaced(
    stage: Stage,
) -> None:
    ann = stage.target(ANN)
    dispatcher = stage.start()
    bob = stage.target(BOB)
    dispatcher.add_targets({ANN: ScriptedTarget(ANN), BOB: bob})
    alert = stage.add(ANN, BOB)
    assert (ann.alert_ids, bob.alert_ids) == ([alert], [alert])
    assert (ann.closed, bob.closed) == (0, 0)


def test_a_reload_probes_a_held_target_at_once_with_the_new_secret(stage: Stage) -> None:
    old = stage.target(ANN, lambda alert_id: BAD_TLS)
    stage.start()
    alert = stage.add(ANN)
    new = stage.target(ANN)
    stage.use([ANN])
    assert stage.states(ANN) == {alert: SENT_STATE}
    assert (old.alert_ids, new.alert_ids) == ([alert], [alert])
    assert (old.closed, new.closed) == (1, 0)


def test_a_reload_probes_at_once_what_alone_failed(stage: Stage) -> None:
    stage.target(ANN, lambda alert_id: DOWN)
    stage.start()
    alert = stage.add(ANN)
    stage.pass_to(40.0)
    stage.target(ANN)
    stage.use([ANN])
    assert stage.states(ANN) == {alert: SENT_STATE}


def test_a_reload_that_mends_nothing_says_so_once_and_goes_on_probing(stage: Stage) -> None:
    held(stage, ANN)
    stage.start()
    with structlog.testing.capture_logs() as logs:
        stage.add(ANN)
        new = stage.target(ANN, lambda alert_id: BAD_TLS)
        stage.use([ANN])
        stage.pass_to(60.0)
    assert new.times == [0.0, 30.0, 60.0]
    assert [log["event"] for log in logs] == ["target.held", "target.still_held"]


def test_retry_after_is_obeyed_over_reloads(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: asking(60.0))
    stage.start()
    stage.add_all(3, ANN)
    for second in range(10, 60, 10):
        stage.pass_to(float(second))
        stage.use([ANN])
    assert target.times == [0.0]
    stage.pass_to(60.0)
    assert target.times == [0.0, 60.0]


def test_a_hold_for_a_very_long_retry_after_is_not_probed_sooner_by_a_reload(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: asking(10_000.0))
    stage.start()
    stage.add(ANN)
    stage.pass_to(100.0)
    stage.use([ANN])
    stage.pass_to(299.0)
    assert target.times == [0.0]
    stage.pass_to(300.0)
    assert target.times == [0.0, 300.0]


def test_a_redelivery_by_another_process_is_seen_within_a_second(stage: Stage) -> None:
    target = stage.target(ANN)
    stage.start()
    alert = stage.add(ANN)
    stage.in_another_process(lambda store: store.archive.redeliver([alert]))
    stage.pass_to(1.0)
    assert target.alert_ids == [alert, alert]


def test_a_redelivery_wakes_a_held_target(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: BAD_TLS)
    stage.start()
    alert = stage.add(ANN)
    target.script = lambda alert_id: SENT
    stage.in_another_process(lambda store: store.archive.redeliver(channel="mail"))
    stage.pass_to(1.0)
    assert stage.states(ANN) == {alert: SENT_STATE}
    assert target.times == [0.0, 1.0]


def test_a_redelivery_that_mends_nothing_leaves_the_hold_in_the_store(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: BAD_TLS)
    stage.start()
    stage.add(ANN)
    stage.in_another_process(lambda store: store.archive.redeliver(channel="mail"))
    stage.pass_to(31.0)
    assert target.times == [0.0, 1.0, 31.0]
    assert [hold.target_id for hold in stage.store.deliveries.held()] == [ANN]


# A target's identity is its recipient.


def test_a_target_that_stays_keeps_its_deliveries(stage: Stage) -> None:
    held(stage, ANN, BOB)
    stage.start()
    alert = stage.add(ANN, BOB)
    ann = stage.target(ANN)
    stage.use([BOB, ANN])
    assert ann.alert_ids == [alert]
    assert stage.states(BOB) == {alert: WAITING}


def test_what_waited_for_a_target_that_was_swapped_goes_to_the_new_one(stage: Stage) -> None:
    held(stage, ANN)
    bob = stage.target(BOB)
    stage.start()
    stage.pass_to(60.0)
    alerts = stage.add_all(3, ANN, BOB)
    cat = stage.target(CAT)
    with structlog.testing.capture_logs() as logs:
        stage.use([CAT, BOB])
    assert cat.alert_ids == bob.alert_ids == alerts
    assert stage.states(ANN) == {}
    said = [(log["event"], log["count"], log["targets"]) for log in logs]
    assert said == [("delivery.handed_over", 3, [CAT])]


def test_a_corrected_address_gets_what_waited_for_the_wrong_one(stage: Stage) -> None:
    held(stage, "hook:localhos")
    stage.start()
    alert = stage.add("hook:localhos")
    stage.pass_to(700.0)
    right = stage.target("hook:localhost")
    stage.use(["hook:localhost"])
    assert right.alert_ids == [alert]


def test_a_swap_by_two_saves_passes_on_as_well(stage: Stage) -> None:
    held(stage, ANN)
    stage.start()
    alert = stage.add(ANN)
    stage.pass_to(60.0)
    bob = stage.target(BOB)
    stage.use([ANN, BOB])
    stage.pass_to(120.0)
    stage.use([BOB])
    assert bob.alert_ids == [alert]


def test_a_swap_is_remembered_over_a_kill(stage: Stage) -> None:
    held(stage, ANN)
    stage.start()
    alert = stage.add(ANN)
    stage.pass_to(60.0)
    stage.stop()
    bob = stage.target(BOB)
    # The process ended between this and the rest of a reload.
    stage.store.deliveries.register({BOB: ("mail", 1)})
    stage.start(targets={BOB: bob})
    assert bob.alert_ids == [alert]


def test_what_waited_for_a_recipient_that_was_only_removed_ends_as_removed(stage: Stage) -> None:
    held(stage, ANN)
    bob = stage.target(BOB)
    stage.start()
    alerts = stage.add_all(2, ANN, BOB)
    with structlog.testing.capture_logs() as logs:
        stage.use([BOB])
    assert {stage.delivery(each, ANN).reason for each in alerts} == {"target_removed"}
    assert bob.alert_ids == alerts
    assert [(log["event"], log["count"]) for log in logs] == [("delivery.target_removed", 2)]
    assert stage.metric("notifications_dead_total", channel="mail", reason="target_removed") == 2
    assert stage.store.deliveries.held() == []
    assert stage.metric("channel_held", channel="mail") == 0


def test_a_channel_that_is_renamed_keeps_what_waits_for_its_recipients(stage: Stage) -> None:
    held(stage, ANN, BOB)
    stage.start()
    alert = stage.add(ANN, BOB)
    ann, bob = stage.target("post:ann"), stage.target("post:bob")
    stage.use(["post:ann", "post:bob"])
    assert ann.alert_ids == bob.alert_ids == [alert]
    assert stage.delivery(alert, "post:ann").channel == "post"


def test_a_channel_that_is_gone_has_nothing_waiting(stage: Stage) -> None:
    held(stage, ANN)
    target = stage.targets[ANN]
    assert isinstance(target, ScriptedTarget)
    stage.start()
    alerts = stage.add_all(3, ANN)
    stage.target("pager:1")
    with structlog.testing.capture_logs() as logs:
        stage.use(["pager:1"])
    assert {stage.delivery(each, ANN).reason for each in alerts} == {"channel_removed"}
    assert [(log["event"], log["count"]) for log in logs] == [("delivery.channel_removed", 3)]
    stage.pass_to(5.0)
    assert stage.metric("deliveries_waiting", channel="mail") == 0
    assert stage.metric("channel_held", channel="mail") == 0
    assert target.closed == 1


def test_an_alert_for_a_target_that_a_reload_just_removed_is_dead(stage: Stage) -> None:
    stage.target(ANN)
    stage.start()
    stage.use({})
    alert = stage.add(ANN)
    stage.pass_to(5.0)
    assert stage.states(ANN) == {alert: DEAD}


def test_a_channel_that_is_switched_off_keeps_what_waits_until_it_is_on_again(
    stage: Stage,
) -> None:
    held(stage, ANN)
    stage.start()
    alert = stage.add(ANN)
    stage.use({}, switched_off={"mail"})
    stage.pass_to(600.0)
    assert stage.states(ANN) == {alert: WAITING}
    ann = stage.target(ANN)
    stage.use([ANN])
    assert ann.alert_ids == [alert]


def test_a_channel_that_is_switched_off_keeps_it_for_hold_seconds(stage: Stage) -> None:
    held(stage, ANN)
    stage.start(hold_seconds=60.0)
    alert = stage.add(ANN)
    stage.use({}, switched_off={"mail"})
    stage.pass_to(90.0)
    assert stage.delivery(alert, ANN).reason == "hold_expired"


def test_nothing_is_settled_while_replicas_have_other_rules(stage: Stage) -> None:
    held(stage, ANN)
    agree: list[bool] = []
    stage.start(replicas_agree=lambda: bool(agree))
    alert = stage.add(ANN)
    bob = stage.target(BOB)
    stage.pass_to(60.0)
    stage.use([BOB])
    stage.pass_to(120.0)
    assert stage.states(ANN) == {alert: WAITING}
    agree.append(True)
    stage.pass_to(125.0)
    assert bob.alert_ids == [alert]


def test_a_store_of_a_former_version_is_carried_over(stage: Stage, tmp_path: Path) -> None:
    alert = stage.store_only("mail:ann-2")
    with closing(sqlite3.connect(tmp_path / "alerts.db")) as connection, connection:
        connection.execute("REPLACE INTO meta (name, value) VALUES ('former_ids', 1)")
    ann = stage.target(ANN)
    stage.start(former_ids={"mail:ann-2": ANN})
    assert ann.alert_ids == [alert]
    assert not stage.store.deliveries.has_former_ids()


# Sends in flight.


def test_a_send_in_flight_outlives_the_removal_of_its_target(stage: Stage) -> None:
    gate = Gate()
    target = stage.target(ANN, gate)
    stage.start()
    in_flight, waiting = stage.add_all(2, ANN)
    stage.use({})
    assert stage.states(ANN) == {in_flight: WAITING, waiting: DEAD}
    assert target.closed == 0
    gate.open()
    stage.settle()
    assert stage.states(ANN) == {in_flight: SENT_STATE, waiting: DEAD}
    target.await_closed()


def test_a_target_that_comes_back_does_not_send_again_what_is_in_flight(stage: Stage) -> None:
    gate = Gate()
    old = stage.target(ANN, gate)
    stage.start()
    alert = stage.add(ANN)
    stage.use({})
    new = stage.target(ANN)
    stage.use([ANN])
    gate.open()
    stage.settle()
    other = stage.add(ANN)
    assert (old.alert_ids, new.alert_ids) == ([alert], [other])
    old.await_closed()


def test_a_target_that_is_used_again_stays_open(stage: Stage) -> None:
    target = stage.target(ANN)
    stage.start()
    stage.use([ANN])
    stage.add(ANN)
    assert target.closed == 0


# Channels with faults.


def test_what_waited_for_a_misconfigured_channel_passes_to_each_of_its_targets_once(
    stage: Stage,
) -> None:
    stand_in = stand_in_id("mail")
    stage.targets[stand_in] = MisconfiguredTarget("mail", UNSET)
    ann = stage.target(ANN)
    dispatcher = stage.start()
    ann_has_it = stage.add(ANN, stand_in)
    new = stage.add(stand_in)
    assert [hold.detail for hold in dispatcher.held()] == [UNSET]
    assert stage.delivery(new, stand_in).detail == UNSET
    bob = stage.target(BOB)
    with structlog.testing.capture_logs() as logs:
        stage.use([ANN, BOB])
    assert ann.alert_ids == bob.alert_ids == [ann_has_it, new]
    assert [(log["event"], log["count"]) for log in logs] == [("delivery.handed_over", 2)]
    assert stage.states(stand_in) == {}
    assert dispatcher.held() == ()


def test_it_reaches_nobody_who_has_it_by_another_target(stage: Stage) -> None:
    stand_in = stand_in_id("mail")
    stage.targets[stand_in] = MisconfiguredTarget("mail", UNSET)
    copy = stage.target("copy:bob")
    copy.audience = Audience(frozenset({("test", "ann"), ("test", "bob")}))
    stage.start()
    has_it = stage.add("copy:bob", stand_in)
    new = stage.add(stand_in)
    bob = stage.target(BOB)
    stage.use(["copy:bob", BOB])
    assert bob.alert_ids == [new]
    assert copy.alert_ids == [has_it]


def test_a_misconfigured_channel_keeps_what_waits_for_its_other_targets_for_hold_seconds(
    stage: Stage,
) -> None:
    held(stage, ANN)
    stage.start(hold_seconds=60.0)
    alert = stage.add(ANN)
    stage.use({stand_in_id("mail"): MisconfiguredTarget("mail", UNSET)})
    stage.pass_to(50.0)
    assert stage.states(ANN) == {alert: WAITING}
    stage.pass_to(90.0)
    assert stage.delivery(alert, ANN).reason == "hold_expired"


def test_a_target_that_comes_back_from_a_fault_gets_what_waited_for_it(stage: Stage) -> None:
    held(stage, ANN)
    stage.start()
    alert = stage.add(ANN)
    stage.use({stand_in_id("mail"): MisconfiguredTarget("mail", UNSET)})
    ann = stage.target(ANN)
    stage.use([ANN])
    assert ann.alert_ids == [alert]


def test_a_reload_with_another_fault_says_so_of_the_held_channel(stage: Stage) -> None:
    stand_in = stand_in_id("pager")
    dispatcher = stage.start()
    stage.use({stand_in: MisconfiguredTarget("pager", UNSET)})
    alert = stage.add(stand_in)
    (first,) = dispatcher.held()
    stage.pass_to(60.0)
    stage.use({stand_in: MisconfiguredTarget("pager", TYPO)})
    (hold,) = dispatcher.held()
    assert (hold.reason, hold.detail, hold.since_us) == ("misconfigured", TYPO, first.since_us)
    assert stage.delivery(alert, stand_in).detail == TYPO
    assert stage.states(stand_in) == {alert: WAITING}
    assert stage.metric("channel_held", channel="pager") == 1


@pytest.mark.parametrize("name", ["pager:1", stand_in_id("pager")])
def test_deliveries_of_a_channel_that_is_gone_at_the_start_are_dead(
    stage: Stage, name: str
) -> None:
    ann = stage.target(ANN)
    lost, kept = stage.store_only(name), stage.store_only(ANN)
    stage.start()
    assert stage.delivery(lost, name).reason == "channel_removed"
    assert ann.alert_ids == [kept]
