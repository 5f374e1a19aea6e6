"""Stopping: what is in flight ends, what waits is kept."""

from __future__ import annotations

import threading

import structlog

from engine.store import DeliveryState
from tests.support.patience import PATIENCE_SECONDS
from tests.unit.delivery.scripted_target import DOWN, Gate
from tests.unit.delivery.stage import Stage, await_no_threads

ANN = "mail/ann"


def test_stopping_ends_a_worker_that_waits_and_keeps_its_delivery(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: DOWN)
    dispatcher = stage.start()
    alert = stage.add(ANN)
    stage.clock.await_sleeper(5.0)
    # In real time, of which the manual clock gives none: it ends by the event alone.
    dispatcher.stop(PATIENCE_SECONDS)
    assert target.alert_ids == [alert]
    delivery = stage.store.delivery(alert, ANN)
    assert (delivery.state, delivery.tries) == (DeliveryState.WAITING, 1)
    await_no_threads()


def test_stopping_waits_for_the_send_in_flight_and_marks_it(stage: Stage) -> None:
    gate = Gate()
    target = stage.target(ANN, gate)
    dispatcher = stage.start()
    alert, other = stage.add(ANN), stage.add(ANN)
    target.await_calls(1)
    # First of all, or the worker may take the other one before the stop has begun.
    dispatcher.stop_sending()
    stopping = threading.Thread(target=dispatcher.stop, args=(PATIENCE_SECONDS,))
    stopping.start()
    gate.open()
    stopping.join(PATIENCE_SECONDS)
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
    dispatcher.stop(PATIENCE_SECONDS)
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
    dispatcher.stop(PATIENCE_SECONDS)
    await_no_threads()
