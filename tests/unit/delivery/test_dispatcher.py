"""Deliveries reach their targets, each once, whatever hangs beside them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
import structlog

from channels.alert import SENT, Outcome
from engine.errors import StoreUnavailableError
from engine.store import DeliveryState, Hold
from tests.support.patience import PATIENCE_SECONDS
from tests.unit.delivery.observed_store import ObservedStore
from tests.unit.delivery.scripted_target import LOCKED_OUT, Gate
from tests.unit.delivery.stage import Stage, delivery_threads

ANN = "mail/ann"
BOB = "mail/bob"
HOOK = "hook/1"


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
        stage.store.await_state(alert, target.label, DeliveryState.SENT)
    assert [target.alert_ids for target in targets] == [[alert]] * 3
    assert len({target.calls[0].key for target in targets}) == 3


def test_one_target_sends_one_at_a_time_and_a_webhook_several(stage: Stage) -> None:
    everybody = threading.Barrier(4)

    def meet(alert_id: str) -> Outcome:
        everybody.wait(PATIENCE_SECONDS)
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


class LockedAtFirst(ObservedStore):
    """A store whose holds can't be read the first time."""

    is_locked = True

    def holds(self) -> list[Hold]:
        was_locked, self.is_locked = self.is_locked, False
        if was_locked:
            raise StoreUnavailableError("locked")
        return super().holds()
