"""Alerts of one group go as one message, which is sent, retried and given up as a whole."""

from __future__ import annotations

from itertools import chain, repeat

from channels.alert import SENT, Grouping, MessageKind, Priority, Terms
from engine.delivery import RetryPolicy
from engine.store import DeliveryState, GroupPlace
from engine.store.database import both
from tests.unit.delivery.scripted_target import DOWN, REFUSED, Gate, ScriptedTarget
from tests.unit.delivery.stage import Stage

MAIL = "mail:ann"
HOOK = "hook:a"
GROUPED = Terms(grouping=Grouping(("plate.normalized_text",), 10.0, 1.0))
CAR = GroupPlace("car", 10.0)
PATIENT = RetryPolicy(max_retries=9, base_seconds=100.0, jitter=0.0)


def grouped(stage: Stage, name: str = MAIL, concurrency: int = 1) -> ScriptedTarget:
    target = stage.target(name, concurrency=concurrency)
    target.terms = GROUPED
    return target


def store_car(stage: Stage) -> list[str]:
    """Store three alerts of one group."""
    return [stage.store_only(MAIL, place=CAR) for _ in range(3)]


def redeliver(stage: Stage, *alert_ids: str) -> None:
    stage.store.archive.redeliver(alert_ids)
    stage.dispatchers[0].wake(())
    stage.settle()


def test_what_is_due_takes_all_of_its_group_with_it(stage: Stage) -> None:
    mail, hook = grouped(stage), stage.target(HOOK)
    stage.start()
    first = stage.store_only(MAIL, place=CAR)
    stage.pass_to(6.0)
    second = stage.store_only(MAIL, place=CAR)
    other = stage.store_only(MAIL, place=GroupPlace("another car", 10.0))
    single = stage.store_only(HOOK)
    stage.pass_to(9.0)
    assert (mail.calls, hook.alert_ids) == ([], [single])
    stage.pass_to(12.0)
    assert [call.alert_ids for call in mail.calls] == [(first, second)]
    stage.pass_to(20.0)
    assert [call.alert_ids for call in mail.calls] == [(first, second), (other,)]


def test_an_urgent_alert_takes_its_group_with_it_at_once(stage: Stage) -> None:
    mail = grouped(stage)
    stage.start()
    slow = stage.store_only(MAIL, place=CAR)
    urgent = stage.store_only(MAIL, priority=Priority.HIGH, place=GroupPlace("car", 1.0))
    stage.pass_to(3.0)
    assert [call.alert_ids for call in mail.calls] == [(urgent, slow)]


def test_a_message_shares_its_end(stage: Stage) -> None:
    mail = grouped(stage)
    ids, alone = store_car(stage), stage.store_only(MAIL)
    stage.start()
    stage.pass_to(11.0)
    shown = [stage.delivery(each, MAIL) for each in ids]
    assert {(each.state, each.message_id, each.kind, each.message_alerts) for each in shown} == {
        (DeliveryState.SENT, shown[0].delivery_id, MessageKind.GROUP, 3)
    }
    assert {each.tries for each in shown} == {1}
    single = stage.delivery(alone, MAIL)
    assert (single.message_id, single.kind) == (0, MessageKind.SINGLE)
    assert stage.metric("notifications_sent_total", channel="mail", rule_id="r1") == 4
    assert stage.metric("messages_total", channel="mail", kind="group") == 1
    assert stage.metric("messages_total", channel="mail", kind="single") == 1
    assert len(mail.calls) == 2


def test_a_retry_has_the_same_alerts_and_key(stage: Stage) -> None:
    mail = grouped(stage)
    ids = store_car(stage)
    answers = chain([DOWN], repeat(SENT))
    mail.script = lambda alert_id: next(answers)
    stage.start()
    stage.pass_to(11.0)
    late = stage.store_only(MAIL, place=GroupPlace("car", 0.0))
    stage.pass_to(30.0)
    tries = [call for call in mail.calls if len(call.alert_ids) > 1]
    assert [call.alert_ids for call in tries] == [tuple(ids)] * 2
    assert tries[0].key == tries[1].key
    assert mail.alert_ids.count(late) == 1


def test_after_a_kill_the_same_message_is_sent_again(stage: Stage) -> None:
    mail = grouped(stage)
    ids = store_car(stage)
    mail.script = Gate()
    stage.start()
    stage.pass_to(11.0)
    stage.freeze(stage.dispatchers[0])
    mail.script = lambda alert_id: SENT
    extra = stage.store_only(MAIL, place=GroupPlace("car", 0.0))
    stage.start()
    stage.pass_to(14.0)
    several = [call for call in mail.calls if len(call.alert_ids) > 1]
    assert [call.alert_ids for call in several] == [tuple(ids)] * 2
    assert several[0].key == several[1].key
    assert mail.alert_ids.count(extra) == 1
    assert stage.states(MAIL) == dict.fromkeys([*ids, extra], DeliveryState.SENT)


def test_a_redelivery_sends_one_alert_alone(stage: Stage) -> None:
    mail = grouped(stage)
    ids = store_car(stage)
    stage.start()
    stage.pass_to(11.0)
    for alert_id in ids[:2]:
        mail.calls.clear()
        redeliver(stage, alert_id)
        assert [call.alert_ids for call in mail.calls] == [(alert_id,)]
    shown = stage.delivery(ids[2], MAIL)
    assert (shown.state, shown.kind) == (DeliveryState.SENT, MessageKind.GROUP)


def test_a_refused_message_is_dead_as_a_whole(stage: Stage) -> None:
    mail = grouped(stage)
    ids = store_car(stage)
    mail.script = lambda alert_id: REFUSED
    stage.start()
    stage.pass_to(11.0)
    assert stage.states(MAIL) == dict.fromkeys(ids, DeliveryState.DEAD)
    assert stage.metric("notifications_dead_total", channel="mail", reason="bad_request") == 3
    mail.script = lambda alert_id: SENT
    mail.calls.clear()
    redeliver(stage, ids[1])
    assert [call.alert_ids for call in mail.calls] == [(ids[1],)]
    # What is asked for without an id is a group again.
    redeliver(stage)
    assert [call.alert_ids for call in mail.calls] == [(ids[1],), (ids[0], ids[2])]


def test_refusals_that_hold_a_target_bring_their_members_back(stage: Stage) -> None:
    mail = grouped(stage)
    ids = [
        stage.store_only(MAIL, place=GroupPlace(str(car), 1.0)) for car in range(3) for _ in "ab"
    ]
    mail.script = lambda alert_id: REFUSED
    stage.start()
    stage.pass_to(5.0)
    assert set(stage.states(MAIL).values()) == {DeliveryState.WAITING}
    mail.script = lambda alert_id: SENT
    stage.pass_to(60.0)
    assert stage.states(MAIL) == dict.fromkeys(ids, DeliveryState.SENT)


def test_a_removed_target_dissolves_its_messages(stage: Stage) -> None:
    mail = grouped(stage)
    ids = store_car(stage)
    mail.script = lambda alert_id: DOWN
    stage.start(PATIENT)
    stage.pass_to(11.0)
    assert {stage.delivery(each, MAIL).message_alerts for each in ids} == {3}
    stage.use({})
    stage.pass_to(40.0)
    shown = [stage.delivery(each, MAIL) for each in ids]
    assert {(each.state, each.reason, each.message_id) for each in shown} == {
        (DeliveryState.DEAD, "channel_removed", 0)
    }


def test_a_successor_gets_what_a_message_still_owes(stage: Stage) -> None:
    mail = grouped(stage)
    ids = store_car(stage)
    mail.script = lambda alert_id: DOWN
    stage.start(PATIENT)
    stage.pass_to(11.0)
    other = grouped(stage, "mail:bob")
    stage.use({"mail:bob": other})
    stage.pass_to(40.0)
    assert [call.alert_ids for call in other.calls] == [tuple(ids)]
    assert stage.states("mail:bob") == dict.fromkeys(ids, DeliveryState.SENT)


def test_members_of_a_lead_that_the_version_before_has_sent_are_not_lost(stage: Stage) -> None:
    mail = grouped(stage)
    ids = store_car(stage)
    mail.script = lambda alert_id: DOWN
    stage.start(PATIENT)
    stage.pass_to(11.0)
    sent = both("UPDATE deliveries SET state = 'sent' WHERE lead_id = 0 AND kind = 'group'")
    stage.store.deliveries._writer.transact(lambda transaction: transaction.run(sent))
    mail.script = lambda alert_id: SENT
    stage.pass_to(40.0)
    assert stage.states(MAIL) == dict.fromkeys(ids, DeliveryState.SENT)


def test_several_groups_at_once_are_as_many_messages(stage: Stage) -> None:
    hook = grouped(stage, HOOK, concurrency=3)
    cars = [
        tuple(stage.store_only(HOOK, place=GroupPlace(str(car), 1.0)) for _ in range(2))
        for car in range(5)
    ]
    stage.start()
    stage.pass_to(3.0)
    assert sorted(call.alert_ids for call in hook.calls) == sorted(cars)


def test_two_replicas_send_a_group_once(stage: Stage) -> None:
    mail = grouped(stage)
    stage.start()
    stage.start_another()
    ids = store_car(stage)
    stage.pass_to(15.0)
    assert [call.alert_ids for call in mail.calls] == [tuple(ids)]


def test_a_message_that_waited_too_long_is_given_up_as_a_whole(stage: Stage) -> None:
    mail = grouped(stage)
    ids = store_car(stage)
    mail.script = lambda alert_id: DOWN
    stage.start(RetryPolicy(max_retries=0, jitter=0.0), hold_seconds=60.0)
    stage.pass_to(50.0)
    assert {stage.delivery(each, MAIL).message_alerts for each in ids} == {3}
    stage.pass_to(100.0)
    assert {
        (stage.delivery(each, MAIL).state, stage.delivery(each, MAIL).reason) for each in ids
    } == {(DeliveryState.DEAD, "hold_expired")}
    assert stage.metric("notifications_dead_total", channel="mail", reason="hold_expired") == 3
