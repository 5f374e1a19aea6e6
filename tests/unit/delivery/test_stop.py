"""Stopping: what is in flight ends, what waits is kept."""

from __future__ import annotations

import threading

import structlog

from engine.store import DeliveryState
from tests.support.patience import PATIENCE_SECONDS
from tests.unit.delivery.scripted_target import DOWN, Gate
from tests.unit.delivery.stage import Stage, await_no_threads

ANN = "mail:ann"


def test_stopping_waits_for_no_retry_and_keeps_its_delivery(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: DOWN)
    stage.start()
    alert = stage.add(ANN)
    stage.stop()
    assert target.alert_ids == [alert]
    delivery = stage.delivery(alert, ANN)
    assert (delivery.state, delivery.tries) == (DeliveryState.WAITING, 1)
    await_no_threads()


def test_stopping_waits_for_the_send_in_flight_and_marks_it(stage: Stage) -> None:
    gate = Gate()
    target = stage.target(ANN, gate)
    dispatcher = stage.start()
    alert, other = stage.add_all(2, ANN)
    # First of all, or the next may be claimed before the stop has begun.
    dispatcher.stop_sending()
    stopping = threading.Thread(target=dispatcher.stop, args=(PATIENCE_SECONDS,))
    stopping.start()
    gate.open()
    stopping.join(PATIENCE_SECONDS)
    assert stage.states(ANN) == {alert: DeliveryState.SENT, other: DeliveryState.WAITING}
    assert target.closed == 1
    await_no_threads()


def test_stopping_gives_up_on_a_send_that_hangs(stage: Stage) -> None:
    gate = Gate()
    target = stage.target(ANN, gate)
    dispatcher = stage.start()
    stage.add(ANN)
    with structlog.testing.capture_logs() as logs:
        dispatcher.stop(0.05)
    assert [(log["event"], log["sends"]) for log in logs] == [("delivery.unfinished", 1)]
    assert target.closed == 0
    gate.open()
    target.await_closed()
    await_no_threads()


def test_stopping_does_not_wait_for_a_store_that_is_away(stage: Stage) -> None:
    gate = Gate()
    stage.target(ANN, gate)
    dispatcher = stage.start()
    stage.add(ANN)
    stage.lock.is_locked = True
    gate.open()
    stage.pass_to(2.0)
    dispatcher.stop(PATIENCE_SECONDS)
    await_no_threads()


def test_a_dispatcher_that_never_started_stops(stage: Stage) -> None:
    target = stage.target(ANN)
    dispatcher = stage.start()
    dispatcher.stop(PATIENCE_SECONDS)
    dispatcher.stop(PATIENCE_SECONDS)
    assert target.closed == 1
