from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import structlog

from channels.alert import Target
from channels.targets.identity import Audience
from channels.targets.misconfigured import MisconfiguredTarget, stand_in_id
from engine.delivery.hold import Patience
from engine.delivery.poller import Poller
from engine.delivery.retry import DeliveryClock, Signal
from engine.delivery.target_queue import TargetQueue, TargetQueues
from engine.health import Pulse
from engine.store import DeliveryState
from tests.support.patience import PATIENCE_SECONDS
from tests.unit.delivery.scripted_target import ScriptedTarget
from tests.unit.delivery.stage import POLICY, Stage

ANN = "mail/ann"
BOB = "mail/bob"
HOLD_SECONDS = 3_600.0


class Watched:
    """A watch in its thread, over one lane that nobody works on."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        timing = self.timing = DeliveryClock(stage.clock, stage.clock.wait)
        self.staffed = threading.Semaphore(0)
        self.stopping = Signal(timing)
        target = ScriptedTarget(ANN)
        self.lane = self._lane(target)
        self.roster = TargetQueues({ANN: target}, self._lane_of)
        self.watch = Poller(
            stage.store,
            self.roster,
            stage.metrics,
            timing,
            self.stopping,
            Patience(stage.store, timing, HOLD_SECONDS),
        )
        self.thread = threading.Thread(target=self.watch.work)

    def stop(self) -> None:
        self.stopping.set()
        self.watch.ask()
        self.thread.join(PATIENCE_SECONDS)

    def _lane_of(self, target: Target) -> TargetQueue:
        return self.lane if target.target_id == ANN else self._lane(target)

    def _lane(self, target: Target) -> TargetQueue:
        return TargetQueue(target, POLICY, self.timing, self.stage.store.waiting, self._spawn)

    def _spawn(self, lane: TargetQueue) -> None:
        self.staffed.release()


@pytest.fixture
def watched(stage: Stage) -> Iterator[Watched]:
    made = Watched(stage)
    yield made
    made.stop()


def test_a_lane_with_a_backlog_is_woken_at_the_start(watched: Watched) -> None:
    watched.stage.store_only(ANN)
    watched.thread.start()
    assert watched.staffed.acquire(timeout=PATIENCE_SECONDS)


def test_a_lane_without_a_backlog_is_left_alone(watched: Watched) -> None:
    watched.thread.start()
    watched.stage.clock.await_sleeper(1.0)
    assert not watched.staffed.acquire(blocking=False)


def test_the_hold_of_an_earlier_run_is_restored_and_that_of_a_gone_target_dropped(
    watched: Watched,
) -> None:
    store = watched.stage.store
    store.hold(ANN, "mail", "unauthorized", "401", 7)
    store.hold("pager/1", "pager", "unauthorized", "401", 7)
    watched.thread.start()
    store.await_that(lambda: [hold.target_id for hold in store.holds()] == [ANN])
    watched.stage.clock.await_sleeper(1.0)
    assert watched.lane.hold is not None
    assert watched.lane.hold.since_us == 7
    assert watched.stage.metric("channel_held", channel="mail") == 1


def test_the_deliveries_of_a_gone_target_are_dead_and_counted(watched: Watched) -> None:
    stage = watched.stage
    alerts = [stage.store_only("pager/1") for _ in range(3)]
    with structlog.testing.capture_logs() as logs:
        watched.thread.start()
        for alert in alerts:
            stage.store.await_state(alert, "pager/1", DeliveryState.DEAD)
        stage.clock.await_sleeper(1.0)
    assert [(log["event"], log["count"]) for log in logs] == [("delivery.channel_removed", 3)]
    dead = stage.metric("notifications_dead_total", channel="pager", reason="channel_removed")
    assert dead == 3


def test_what_waited_for_a_misconfigured_channel_passes_to_each_of_its_targets_once(
    watched: Watched,
) -> None:
    stage = watched.stage
    watched.roster.add({BOB: ScriptedTarget(BOB)})
    new = stage.store_only(stand_in_id("mail"))
    ann_has_it = stage.store_only(ANN, stand_in_id("mail"))
    (delivery,) = stage.store.waiting(ANN, 1)
    stage.store.mark_sent(delivery.delivery_id)
    with structlog.testing.capture_logs() as logs:
        watched.thread.start()
        stage.store.await_that(lambda: not stage.states(stand_in_id("mail")))
        stage.clock.await_sleeper(1.0)
    waiting, sent = DeliveryState.WAITING, DeliveryState.SENT
    assert stage.states(ANN) == {new: waiting, ann_has_it: sent}
    assert stage.states(BOB) == {new: waiting, ann_has_it: waiting}
    assert [(log["event"], log["count"]) for log in logs] == [("delivery.handed_over", 2)]
    assert watched.staffed.acquire(timeout=PATIENCE_SECONDS)


def test_what_waited_for_a_misconfigured_channel_reaches_nobody_who_has_it_by_another(
    watched: Watched,
) -> None:
    stage, copy = watched.stage, ScriptedTarget("copy/bob")
    bob = ScriptedTarget(BOB)
    copy.reach = Audience(frozenset({("mail", "ann@example.org"), ("mail", "bob@example.org")}))
    bob.reach = Audience(frozenset({("mail", "bob@example.org")}))
    watched.roster.add({BOB: bob, copy.target_id: copy})
    has_it = stage.store_only(copy.target_id, stand_in_id("mail"))
    new = stage.store_only(stand_in_id("mail"))
    watched.thread.start()
    stage.store.await_that(lambda: not stage.states(stand_in_id("mail")))
    assert stage.states(BOB) == {new: DeliveryState.WAITING}
    assert stage.states(ANN).keys() == {has_it, new}


def test_a_misconfigured_channel_keeps_what_waits_for_its_other_targets_for_hold_seconds(
    watched: Watched,
) -> None:
    stage = watched.stage
    broken = MisconfiguredTarget("pager", "the variable TOKEN is unset")
    watched.roster.add({broken.target_id: broken})
    alert = stage.store_only("pager/1")
    watched.thread.start()
    stage.clock.await_sleeper(1.0)
    assert stage.states("pager/1") == {alert: DeliveryState.WAITING}
    stage.clock.move_to(HOLD_SECONDS + 1.0)
    dead = stage.store.await_state(alert, "pager/1", DeliveryState.DEAD)
    assert dead.reason == "hold_expired"


def test_what_waited_for_a_channel_that_is_gone_whole_is_dead(watched: Watched) -> None:
    alert = watched.stage.store_only(stand_in_id("pager"))
    watched.thread.start()
    dead = watched.stage.store.await_state(alert, stand_in_id("pager"), DeliveryState.DEAD)
    assert dead.reason == "channel_removed"


def test_a_store_in_trouble_is_asked_again_and_said_once(watched: Watched) -> None:
    stage = watched.stage
    alert = stage.store_only("pager/1")
    stage.store.is_failing = True
    with structlog.testing.capture_logs() as logs:
        watched.thread.start()
        stage.clock.sleep_over(1.0)
        stage.clock.await_sleeper(2.0)
        stage.store.is_failing = False
        stage.clock.move_to(2.0)
        stage.store.await_state(alert, "pager/1", DeliveryState.DEAD)
    assert [log["event"] for log in logs][:1] == ["delivery.watch_waiting"]
    assert [log["event"] for log in logs].count("delivery.watch_waiting") == 1
    assert stage.metric("store_errors_total") == 2


def test_the_backlog_is_counted_every_five_seconds(watched: Watched) -> None:
    stage = watched.stage
    watched.thread.start()
    stage.clock.await_sleeper(1.0)
    assert stage.metric("deliveries_waiting", channel="mail") == 0
    stage.store_only(ANN)
    for second in range(1, 6):
        stage.clock.sleep_over(float(second))
    stage.clock.await_sleeper(6.0)
    assert stage.metric("deliveries_waiting", channel="mail") == 1


def test_the_watch_beats_at_each_round(watched: Watched) -> None:
    watched.thread.start()
    watched.stage.clock.await_sleeper(1.0)
    assert watched.watch.heartbeat.look() == Pulse("asking the store for what waits", 0.0)
    watched.stage.clock.move_to(1.0)
    watched.stage.clock.await_sleeper(2.0)
    # It has looked again at this time.
    assert watched.watch.heartbeat.look().age_seconds == 0.0
