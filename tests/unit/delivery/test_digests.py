"""What is due at once beyond a number of messages goes as one, and nothing urgent is left out."""

from __future__ import annotations

from itertools import chain, repeat

import pytest

from channels.alert import SENT, Grouping, MessageKind, Priority, Terms
from engine.delivery import RetryPolicy
from engine.store import DeliveryState, GroupPlace
from engine.store.deliveries import MOST_MEMBERS, MOST_URGENT
from tests.unit.delivery.scripted_target import DOWN, UNCONFIRMED, ScriptedTarget
from tests.unit.delivery.stage import Stage

MAIL = "mail:ann"
HOOK = "hook:a"


def digested(
    stage: Stage, above: int = 20, name: str = MAIL, concurrency: int = 1
) -> ScriptedTarget:
    target = stage.target(name, concurrency=concurrency)
    target.terms = Terms(digest_above=above)
    return target


def sizes(target: ScriptedTarget) -> list[int]:
    return [len(call.alert_ids) for call in target.calls]


def store(stage: Stage, count: int, priority: Priority = Priority.MEDIUM) -> list[str]:
    return [stage.store_only(MAIL, priority=priority) for _ in range(count)]


def test_as_many_as_the_number_go_singly(stage: Stage) -> None:
    mail = digested(stage)
    ids = store(stage, 20)
    stage.start()
    assert mail.alert_ids == ids
    assert set(sizes(mail)) == {1}


def test_one_more_and_all_go_as_one(stage: Stage) -> None:
    mail = digested(stage)
    ids = store(stage, 21)
    stage.start()
    assert [call.alert_ids for call in mail.calls] == [tuple(ids)]
    shown = [stage.delivery(each, MAIL) for each in ids]
    assert {(each.kind, each.message_id, each.message_alerts) for each in shown} == {
        (MessageKind.DIGEST, shown[0].delivery_id, 21)
    }
    assert stage.metric("messages_total", channel="mail", kind="digest") == 1
    assert stage.metric("notifications_sent_total", channel="mail", rule_id="r1") == 21


def test_the_most_urgent_come_first(stage: Stage) -> None:
    mail = digested(stage, 2)
    low = store(stage, 3, Priority.LOW)
    high = store(stage, 2, Priority.HIGH)
    stage.start()
    assert [call.alert_ids for call in mail.calls] == [(*high, *low)]


def test_groups_count_once(stage: Stage) -> None:
    mail = stage.target(MAIL)
    mail.terms = Terms(Grouping(("plate.text",), 0.0, 0.0), digest_above=2)
    cars = [
        tuple(stage.store_only(MAIL, place=GroupPlace(car, 0.0)) for _ in range(4)) for car in "ab"
    ]
    stage.start()
    assert [call.alert_ids for call in mail.calls] == cars
    assert {call.bundle.kind for call in mail.calls if call.bundle} == {MessageKind.GROUP}
    mail.calls.clear()
    for car in "abc":
        for _ in range(2):
            stage.store_only(MAIL, place=GroupPlace(car, 0.0))
    stage.dispatchers[0].wake(())
    stage.settle()
    assert sizes(mail) == [6]
    assert mail.calls[0].bundle
    assert mail.calls[0].bundle.kind is MessageKind.DIGEST


def test_what_a_redelivery_asks_for_may_go_together_though_it_may_have_arrived(
    stage: Stage,
) -> None:
    mail = digested(stage)
    mail.script = lambda alert_id: UNCONFIRMED
    stage.start(RetryPolicy(max_retries=0, jitter=0.0))
    ids = stage.add_all(25, MAIL)
    assert stage.states(MAIL) == dict.fromkeys(ids, DeliveryState.DEAD)
    mail.script = lambda alert_id: SENT
    mail.calls.clear()
    stage.store.archive.redeliver()
    stage.dispatchers[0].wake(())
    stage.pass_to(60.0)
    assert sorted(chain.from_iterable(call.alert_ids for call in mail.calls)) == ids
    assert len(mail.calls) <= 2


def test_an_outage_ends_with_one_message(stage: Stage) -> None:
    mail = digested(stage)
    mail.script = lambda alert_id: DOWN
    stage.start(RetryPolicy(jitter=0.0, probe_seconds=1.0, longest_probe_seconds=1.0))
    ids = [stage.add(MAIL)]
    stage.pass_to(40.0)
    ids += stage.add_all(30, MAIL)
    stage.pass_to(65.0)
    # Each probe is another one of them, alone.
    assert set(sizes(mail)) == {1}
    assert len(set(mail.alert_ids)) > 20
    before = len(mail.calls)
    mail.script = lambda alert_id: SENT
    stage.pass_to(70.0)
    after = mail.calls[before:]
    # The probe that is taken, and all that waited with it.
    assert [len(call.alert_ids) for call in after] == [1, 30]
    assert stage.states(MAIL) == dict.fromkeys(ids, DeliveryState.SENT)


def test_what_may_have_arrived_is_in_no_digest(stage: Stage) -> None:
    mail = digested(stage, 2)
    answers = chain([DOWN], repeat(SENT))
    mail.script = lambda alert_id: next(answers)
    stage.start()
    first = stage.add(MAIL)
    rest = store(stage, 4)
    stage.dispatchers[0].wake(())
    stage.pass_to(30.0)
    assert mail.alert_ids.count(first) == 2
    assert sorted(sizes(mail)) == [1, 1, 4]
    assert stage.states(MAIL) == dict.fromkeys([first, *rest], DeliveryState.SENT)


@pytest.mark.slow
def test_a_message_is_bounded(stage: Stage) -> None:
    mail = digested(stage)
    urgent = store(stage, MOST_URGENT + 51, Priority.HIGH)
    others = store(stage, MOST_MEMBERS + 10)
    stage.start()
    assert max(sizes(mail)) <= MOST_MEMBERS + 1
    for call in mail.calls:
        assert sum(each in set(urgent) for each in call.alert_ids) <= MOST_URGENT + 1
    assert sum(sizes(mail)) == len(urgent) + len(others)
    # Urgent ones that were too many for the first message are the first of the second.
    assert set(mail.calls[0].alert_ids) | set(mail.calls[1].alert_ids) >= set(urgent)


def test_several_engines_send_each_alert_once(stage: Stage) -> None:
    mail = digested(stage, 5)
    stage.start()
    stage.start_another()
    ids = [each for _ in range(5) for each in stage.add_all(12, MAIL)]
    assert sorted(chain.from_iterable(call.alert_ids for call in mail.calls)) == sorted(ids)


def test_a_webhook_with_workers_to_spare_gets_one_digest(stage: Stage) -> None:
    hook = digested(stage, 3, HOOK, concurrency=4)
    ids = [stage.store_only(HOOK) for _ in range(10)]
    stage.start()
    assert [call.alert_ids for call in hook.calls] == [tuple(ids)]
