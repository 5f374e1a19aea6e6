from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import structlog

from channels.alert import Audience, Target
from channels.targets.identity import MisconfiguredTarget, stand_in_id
from engine.delivery.poller import Poller
from engine.delivery.retry import DeliveryClock, Signal, WaitLimit
from engine.delivery.target_queue import TargetQueue, TargetQueues
from engine.health import Pulse
from engine.store import DeliveryState
from tests.support.patience import PATIENCE_SECONDS
from tests.unit.delivery.scripted_target import ScriptedTarget
from tests.unit.delivery.stage import POLICY, Stage

ANN = "mail/ann"
BOB = "mail/bob"
HOLD_SECONDS = 3_600.0


class Scene:
    """A poller in its thread, over one queue that nobody works on."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        timing = self.timing = DeliveryClock(stage.clock, stage.clock.wait)
        self.staffed = threading.Semaphore(0)
        self.stopping = Signal(timing)
        target = ScriptedTarget(ANN)
        self.queue = self._build_queue(ANN, target)
        self.queues = TargetQueues({ANN: target}, self._queue_of)
        self.poller = Poller(
            stage.store,
            self.queues,
            stage.metrics,
            timing,
            self.stopping,
            WaitLimit(stage.store, timing, HOLD_SECONDS),
        )
        self.thread = threading.Thread(target=self.poller.work)

    def stop(self) -> None:
        self.stopping.set()
        self.poller.poll_now()
        self.thread.join(PATIENCE_SECONDS)

    def _queue_of(self, target_id: str, target: Target) -> TargetQueue:
        return self.queue if target_id == ANN else self._build_queue(target_id, target)

    def _build_queue(self, target_id: str, target: Target) -> TargetQueue:
        fetch = self.stage.store.waiting
        return TargetQueue(target_id, target, POLICY, self.timing, fetch, self._spawn)

    def _spawn(self, queue: TargetQueue) -> None:
        self.staffed.release()


@pytest.fixture
def scene(stage: Stage) -> Iterator[Scene]:
    made = Scene(stage)
    yield made
    made.stop()


def test_a_queue_with_a_backlog_is_woken_at_the_start(scene: Scene) -> None:
    scene.stage.store_only(ANN)
    scene.thread.start()
    assert scene.staffed.acquire(timeout=PATIENCE_SECONDS)


def test_a_queue_without_a_backlog_is_left_alone(scene: Scene) -> None:
    scene.thread.start()
    scene.stage.clock.await_sleeper(1.0)
    assert not scene.staffed.acquire(blocking=False)


def test_the_hold_of_an_earlier_run_is_restored_and_that_of_a_gone_target_dropped(
    scene: Scene,
) -> None:
    store = scene.stage.store
    store.hold(ANN, "mail", "unauthorized", "401", 7)
    store.hold("pager/1", "pager", "unauthorized", "401", 7)
    scene.thread.start()
    store.await_that(lambda: [hold.target_id for hold in store.holds()] == [ANN])
    scene.stage.clock.await_sleeper(1.0)
    assert scene.queue.hold is not None
    assert scene.queue.hold.since_us == 7
    assert scene.stage.metric("channel_held", channel="mail") == 1


def test_the_deliveries_of_a_gone_target_are_dead_and_counted(scene: Scene) -> None:
    stage = scene.stage
    alerts = [stage.store_only("pager/1") for _ in range(3)]
    with structlog.testing.capture_logs() as logs:
        scene.thread.start()
        for alert in alerts:
            stage.store.await_state(alert, "pager/1", DeliveryState.DEAD)
        stage.clock.await_sleeper(1.0)
    assert [(log["event"], log["count"]) for log in logs] == [("delivery.channel_removed", 3)]
    dead = stage.metric("notifications_dead_total", channel="pager", reason="channel_removed")
    assert dead == 3


def test_what_waited_for_a_misconfigured_channel_passes_to_each_of_its_targets_once(
    scene: Scene,
) -> None:
    stage = scene.stage
    scene.queues.add({BOB: ScriptedTarget(BOB)})
    new = stage.store_only(stand_in_id("mail"))
    ann_has_it = stage.store_only(ANN, stand_in_id("mail"))
    (delivery,) = stage.store.waiting(ANN, 1)
    stage.store.mark_sent(delivery.delivery_id)
    with structlog.testing.capture_logs() as logs:
        scene.thread.start()
        stage.store.await_that(lambda: not stage.states(stand_in_id("mail")))
        stage.clock.await_sleeper(1.0)
    waiting, sent = DeliveryState.WAITING, DeliveryState.SENT
    assert stage.states(ANN) == {new: waiting, ann_has_it: sent}
    assert stage.states(BOB) == {new: waiting, ann_has_it: waiting}
    assert [(log["event"], log["count"]) for log in logs] == [("delivery.handed_over", 2)]
    assert scene.staffed.acquire(timeout=PATIENCE_SECONDS)


def test_what_waited_for_a_misconfigured_channel_reaches_nobody_who_has_it_by_another(
    scene: Scene,
) -> None:
    stage, copy = scene.stage, ScriptedTarget("copy/bob")
    bob = ScriptedTarget(BOB)
    copy.audience = Audience(frozenset({("mail", "ann@example.org"), ("mail", "bob@example.org")}))
    bob.audience = Audience(frozenset({("mail", "bob@example.org")}))
    scene.queues.add({BOB: bob, copy.label: copy})
    has_it = stage.store_only(copy.label, stand_in_id("mail"))
    new = stage.store_only(stand_in_id("mail"))
    scene.thread.start()
    stage.store.await_that(lambda: not stage.states(stand_in_id("mail")))
    assert stage.states(BOB) == {new: DeliveryState.WAITING}
    assert stage.states(ANN).keys() == {has_it, new}


def test_a_misconfigured_channel_keeps_what_waits_for_its_other_targets_for_hold_seconds(
    scene: Scene,
) -> None:
    stage = scene.stage
    broken = MisconfiguredTarget("pager", "the variable TOKEN is unset")
    scene.queues.add({broken.label: broken})
    alert = stage.store_only("pager/1")
    scene.thread.start()
    stage.clock.await_sleeper(1.0)
    assert stage.states("pager/1") == {alert: DeliveryState.WAITING}
    stage.clock.move_to(HOLD_SECONDS + 1.0)
    dead = stage.store.await_state(alert, "pager/1", DeliveryState.DEAD)
    assert dead.reason == "hold_expired"


def test_what_waited_for_a_channel_that_is_gone_whole_is_dead(scene: Scene) -> None:
    alert = scene.stage.store_only(stand_in_id("pager"))
    scene.thread.start()
    dead = scene.stage.store.await_state(alert, stand_in_id("pager"), DeliveryState.DEAD)
    assert dead.reason == "channel_removed"


def test_a_store_in_trouble_is_asked_again_and_said_once(scene: Scene) -> None:
    stage = scene.stage
    alert = stage.store_only("pager/1")
    stage.store.is_failing = True
    with structlog.testing.capture_logs() as logs:
        scene.thread.start()
        stage.clock.sleep_over(1.0)
        stage.clock.await_sleeper(2.0)
        stage.store.is_failing = False
        stage.clock.move_to(2.0)
        stage.store.await_state(alert, "pager/1", DeliveryState.DEAD)
    assert [log["event"] for log in logs][:1] == ["delivery.watch_waiting"]
    assert [log["event"] for log in logs].count("delivery.watch_waiting") == 1
    assert stage.metric("store_errors_total") == 2


def test_the_backlog_is_counted_every_five_seconds(scene: Scene) -> None:
    stage = scene.stage
    scene.thread.start()
    stage.clock.await_sleeper(1.0)
    assert stage.metric("deliveries_waiting", channel="mail") == 0
    stage.store_only(ANN)
    for second in range(1, 6):
        stage.clock.sleep_over(float(second))
    stage.clock.await_sleeper(6.0)
    assert stage.metric("deliveries_waiting", channel="mail") == 1


def test_the_poller_beats_at_each_round(scene: Scene) -> None:
    scene.thread.start()
    scene.stage.clock.await_sleeper(1.0)
    assert scene.poller.heartbeat.look() == Pulse("asking the store for what waits", 0.0)
    scene.stage.clock.move_to(1.0)
    scene.stage.clock.await_sleeper(2.0)
    # It has looked again at this time.
    assert scene.poller.heartbeat.look().age_seconds == 0.0
