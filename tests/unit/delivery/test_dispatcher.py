from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
import structlog

from channels.alert import SENT, Outcome
from engine.errors import StoreUnavailableError
from engine.store import DeliveryState, Hold
from tests.unit.delivery.observed_store import ObservedStore
from tests.unit.delivery.scripted_target import DOWN, LOCKED_OUT, Gate, ScriptedTarget
from tests.unit.delivery.stage import Stage

ANN, BOB, HOOK = "mail/ann", "mail/bob", "hook/1"


def test_what_waits_from_an_earlier_run_is_sent_at_the_start(stage: Stage) -> None:
    stage.target(ANN)
    alert = stage.store_only(ANN)
    stage.start()
    stage.store.await_state(alert, ANN, DeliveryState.SENT)


def test_each_target_of_an_alert_gets_it_once(stage: Stage) -> None:
    targets = [stage.target(name) for name in (ANN, BOB, HOOK)]
    stage.start()
    alert = stage.add(ANN, BOB, HOOK)
    for target in targets:
        stage.store.await_state(alert, target.target_id, DeliveryState.SENT)
    assert [target.alert_ids for target in targets] == [[alert]] * 3
    assert len({target.calls[0].key for target in targets}) == 3


def test_one_target_sends_one_at_a_time_and_a_webhook_several(stage: Stage) -> None:
    everybody = threading.Barrier(4)

    def meet(alert_id: str) -> Outcome:
        everybody.wait(20)
        return SENT

    mail, hook = stage.target(ANN), stage.target(HOOK, meet, concurrency=4)
    stage.start()
    alerts = [stage.add(ANN, HOOK) for _ in range(8)]
    for alert in alerts:
        stage.store.await_state(alert, ANN, DeliveryState.SENT)
        stage.store.await_state(alert, HOOK, DeliveryState.SENT)
    assert mail.most_at_once == 1
    assert hook.most_at_once == 4
    assert sorted(hook.alert_ids) == alerts


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
    stage.clock.await_sleeper(1.0)
    relent: Callable[[], None] = request.getfixturevalue("no_threads_to_be_had")
    with structlog.testing.capture_logs() as logs:
        alert = stage.add(ANN)
    assert [line["event"] for line in logs] == ["delivery.no_worker"]
    relent()
    stage.clock.move_to(5.0)
    stage.store.await_state(alert, ANN, DeliveryState.SENT)


def test_a_send_that_hangs_delays_no_other_target(stage: Stage) -> None:
    gate = Gate()
    hanging = stage.target(HOOK, gate)
    stage.target(ANN)
    stage.start()
    alerts = [stage.add(HOOK, ANN) for _ in range(20)]
    for alert in alerts:
        stage.store.await_state(alert, ANN, DeliveryState.SENT)
    assert hanging.alert_ids == alerts[:1]
    gate.open()


def test_a_hold_survives_a_restart_which_probes_at_once(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: LOCKED_OUT)
    stage.start()
    first, second = stage.add(ANN), stage.add(ANN)
    stage.store.await_that(lambda: bool(stage.store.holds()))
    stage.stop()
    dispatcher = stage.start()
    target.await_calls(2)
    stage.clock.await_sleeper(30.0)
    assert [hold.target_id for hold in dispatcher.held()] == [ANN]
    assert stage.metric("channel_holds_total", channel="mail") == 1
    stage.stop()
    target.script = lambda alert_id: SENT
    stage.start()
    stage.store.await_state(first, ANN, DeliveryState.SENT)
    stage.store.await_state(second, ANN, DeliveryState.SENT)
    assert stage.clock.monotonic() == 0.0


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
    for second in range(1, 6):
        stage.clock.sleep_over(float(second))
    stage.store.await_that(lambda: stage.metric("deliveries_waiting", channel="mail") == 1)
    dispatcher.replace_targets({})
    stage.store.await_that(lambda: stage.metric("deliveries_waiting", channel="mail") == 0)
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


def test_stopping_ends_a_worker_that_waits_and_keeps_its_delivery(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: DOWN)
    dispatcher = stage.start()
    alert = stage.add(ANN)
    stage.clock.await_sleeper(5.0)
    # In real time, of which the manual clock gives none: it ends by the event alone.
    dispatcher.stop(10.0)
    assert target.alert_ids == [alert]
    delivery = stage.store.delivery(alert, ANN)
    assert (delivery.state, delivery.tries) == (DeliveryState.WAITING, 1)
    assert delivery_threads() == []


def test_stopping_waits_for_the_send_in_flight_and_marks_it(stage: Stage) -> None:
    gate = Gate()
    target = stage.target(ANN, gate)
    dispatcher = stage.start()
    alert, other = stage.add(ANN), stage.add(ANN)
    target.await_calls(1)
    stopping = threading.Thread(target=dispatcher.stop, args=(10.0,))
    stopping.start()
    gate.open()
    stopping.join(10.0)
    assert stage.states(ANN) == {alert: DeliveryState.SENT, other: DeliveryState.WAITING}
    assert target.closed == 1


def test_no_send_is_started_once_sending_is_to_end(stage: Stage) -> None:
    gate = Gate()
    target = stage.target(ANN, gate)
    dispatcher = stage.start()
    alert, other = stage.add(ANN), stage.add(ANN)
    target.await_calls(1)
    dispatcher.stop_sending()
    gate.open()
    stage.store.await_state(alert, ANN, DeliveryState.SENT)
    dispatcher.stop(10.0)
    assert stage.states(ANN)[other] is DeliveryState.WAITING


def test_stopping_gives_up_on_a_send_that_hangs(stage: Stage) -> None:
    gate = Gate()
    target = stage.target(ANN, gate)
    dispatcher = stage.start()
    stage.add(ANN)
    target.await_calls(1)
    with structlog.testing.capture_logs() as logs:
        dispatcher.stop(0.05)
    assert [log["event"] for log in logs] == ["delivery.unfinished"]
    assert target.closed == 0
    gate.open()
    target.await_closed()


def test_stopping_does_not_wait_for_a_store_that_cannot_be_written(stage: Stage) -> None:
    target = stage.target(ANN)
    dispatcher = stage.start()
    stage.store.is_failing = True
    stage.add(ANN)
    stage.clock.await_sleeper(1.0)
    target.await_calls(1)
    stage.store.await_that(lambda: stage.store.failures >= 1)
    dispatcher.stop(10.0)
    assert delivery_threads() == []


def test_no_worker_is_kept_for_a_target_without_work(stage: Stage) -> None:
    for number in range(50):
        stage.target(f"mail/{number}")
    stage.start()
    alert = stage.add("mail/7")
    stage.store.await_state(alert, "mail/7", DeliveryState.SENT)
    stage.clock.await_sleeper(60.0)
    assert len(delivery_threads()) == 2
    stage.clock.move_to(60.0)
    other = stage.add("mail/7")
    stage.store.await_state(other, "mail/7", DeliveryState.SENT)


def test_one_wake_reads_the_store_once(stage: Stage) -> None:
    stage.target(HOOK, concurrency=4)
    stage.start()
    for _ in range(5):
        stage.store.await_state(stage.add(HOOK), HOOK, DeliveryState.SENT)
    stage.stop()
    assert len(stage.store.pages) <= 6


def test_the_backlog_is_counted_by_channel(stage: Stage) -> None:
    gate = Gate()
    stage.target(ANN, gate)
    stage.target(BOB, gate)
    stage.target(HOOK)
    for _ in range(3):
        stage.store_only(ANN, BOB)
    stage.start()
    stage.clock.await_sleeper(1.0)
    assert stage.metric("deliveries_waiting", channel="mail") == 6
    assert stage.metric("deliveries_waiting", channel="hook") == 0
    gate.open()


def test_a_store_that_fails_at_the_start_is_asked_again(stage: Stage) -> None:
    stage.target(ANN)
    stage.store = LockedAtFirst(stage.store.store)
    alert = stage.store_only(ANN)
    stage.start()
    stage.clock.sleep_over(1.0)
    stage.store.await_state(alert, ANN, DeliveryState.SENT)


def delivery_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("delivery")]


class LockedAtFirst(ObservedStore):
    """A store whose holds can't be read the first time."""

    is_locked = True

    def holds(self) -> list[Hold]:
        was_locked, self.is_locked = self.is_locked, False
        if was_locked:
            raise StoreUnavailableError("locked")
        return super().holds()
