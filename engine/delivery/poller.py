"""Takes up what comes from outside the workers, in a thread of its own that sends nothing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import structlog

from channels.alert import Reason
from channels.targets.misconfigured import stand_in_id
from engine.delivery.hold import Patience
from engine.delivery.retry import DeliveryClock, Signal
from engine.delivery.target_queue import TargetQueue, TargetQueues
from engine.errors import StoreError
from engine.health import Heartbeat
from engine.metrics import Metrics
from engine.store import Backlog, DeliveryStore, Hold

log = structlog.get_logger(__name__)

WATCH_SECONDS: Final = 1.0
COUNT_SECONDS: Final = 5.0


class Poller:
    """Asks the store every second whether something has changed, and then wakes the lanes."""

    def __init__(
        self,
        store: DeliveryStore,
        roster: TargetQueues,
        metrics: Metrics,
        timing: DeliveryClock,
        stopping: Signal,
        patience: Patience,
    ) -> None:
        self._patience = patience
        self._store = store
        self._roster = roster
        self._metrics = metrics
        self._timing = timing
        self._stopping = stopping
        self._asked = threading.Condition()
        self._is_asked = True
        self._must_repeat = False
        self._has_restored = False
        self._token: int | None = None
        self._count_at = timing.monotonic()
        self._counted: set[str] = set()
        self.heartbeat = Heartbeat(timer=timing.monotonic)

    def ask(self) -> None:
        """Something has changed: look now."""
        with self._asked:
            self._is_asked = True
            self._asked.notify_all()

    def work(self) -> None:
        """Watch until the dispatcher stops; a store in trouble is asked again."""
        is_troubled = False
        while not self._stopping.is_set():
            self.heartbeat.beat("asking the store for what waits")
            try:
                self._look()
                is_troubled = False
            except StoreError as error:
                self._must_repeat = True
                self._metrics.store_errors.inc()
                if not is_troubled:
                    log.error("delivery.watch_waiting", error=str(error))
                is_troubled = True
            with self._asked:
                if not self._is_asked:
                    self._timing.wait(self._asked, WATCH_SECONDS)

    def _look(self) -> None:
        with self._asked:
            must_review, self._is_asked = self._is_asked or self._must_repeat, False
            self._must_repeat = False
        token, self._token = self._token, self._store.changes_token()
        if must_review or token != self._token:
            self._must_repeat = self._review()
            self._count_at = self._timing.monotonic()
        if self._timing.monotonic() >= self._count_at:
            backlogs = self._store.backlogs()
            self._count(backlogs)
            self._tend(backlogs)
            self._count_at = self._timing.monotonic() + COUNT_SECONDS
        self._patience.mind()

    def _review(self) -> bool:
        """Wake what has something to do; whether another review is needed soon."""
        holds = self._store.holds()
        self._restore(holds)
        for hold in holds:
            lane = self._roster.find(hold.target_id)
            if lane is None:
                self._store.release(hold.target_id)
            else:
                self._renew(lane, hold)
        backlogs = self._store.backlogs()
        waiting = {backlog.target_id for backlog in backlogs}
        for lane in self._roster.lanes:
            if lane.hold is not None or lane.target_id in waiting:
                lane.rouse()
        gone = [each for each in backlogs if self._roster.find(each.target_id) is None]
        is_unsettled = [self._settle_gone(backlog) for backlog in gone]
        self._roster.forget_idle()
        return any(is_unsettled)

    def _restore(self, holds: Iterable[Hold]) -> None:
        if self._has_restored:
            return
        for hold in holds:
            lane = self._roster.find(hold.target_id)
            if lane is not None and lane.restore(hold):
                self._metrics.channel_held.labels(lane.channel).inc()
        self._has_restored = True

    def _renew(self, lane: TargetQueue, stored: Hold) -> None:
        """Let the store have why the target is held now."""
        with lane.turning:
            now = lane.hold
            if now is not None and (now.reason, now.detail) != (stored.reason, stored.detail):
                self._store.hold(now.target_id, now.channel, now.reason, now.detail, now.since_us)

    def _settle_gone(self, backlog: Backlog) -> bool:
        """End or pass on what waits for a target that is gone; whether some is still in hand."""
        stand_in = stand_in_id(backlog.channel)
        if self._roster.find(stand_in) is not None:
            # Nobody knows which targets the channel will have once its definition is good.
            self._expire(backlog)
            return False
        heirs = [lane for lane in self._roster.lanes if lane.channel == backlog.channel]
        if backlog.target_id == stand_in and heirs:
            return self._hand_over(backlog, heirs)
        return self._remove(backlog)

    def _hand_over(self, backlog: Backlog, heirs: Sequence[TargetQueue]) -> bool:
        in_hand = self._roster.in_hand(backlog.target_id)
        target_ids = [lane.target_id for lane in heirs]
        lanes = self._roster.lanes
        same = {
            heir.target_id: [each.target_id for each in lanes if each.outlet.reaches(heir.outlet)]
            for heir in heirs
        }
        total = 0
        while count := self._store.hand_over(
            backlog.target_id, target_ids, same=same, exclude=in_hand
        ):
            total += count
        for lane in heirs:
            lane.rouse()
        if total:
            log.info(
                "delivery.handed_over",
                channel=backlog.channel,
                count=total,
                targets=target_ids,
            )
        return bool(in_hand)

    def _expire(self, backlog: Backlog) -> None:
        before_us = self._patience.over_before_us()
        self._give_up(backlog, Reason.HOLD_EXPIRED, "delivery.expired", before_us=before_us)

    def _remove(self, backlog: Backlog) -> bool:
        in_hand = self._roster.in_hand(backlog.target_id)
        self._give_up(backlog, Reason.CHANNEL_REMOVED, "delivery.channel_removed", exclude=in_hand)
        return bool(in_hand)

    def _give_up(
        self,
        backlog: Backlog,
        reason: Reason,
        event: str,
        *,
        before_us: int | None = None,
        exclude: Collection[int] = (),
    ) -> None:
        total = 0
        while count := self._store.mark_all_dead(
            backlog.target_id, reason, waiting_before_us=before_us, exclude=exclude
        ):
            total += count
        if total:
            self._metrics.notifications_dead.labels(backlog.channel, reason).inc(total)
            log.error(event, channel=backlog.channel, target_id=backlog.target_id, count=total)

    def _tend(self, backlogs: Iterable[Backlog]) -> None:
        for backlog in backlogs:
            lane = self._roster.find(backlog.target_id)
            # Its last worker may have died, or found no thread to run in.
            if lane is not None:
                lane.wake({})
            elif self._roster.find(stand_in_id(backlog.channel)) is not None:
                self._expire(backlog)

    def _count(self, backlogs: Iterable[Backlog]) -> None:
        waiting = Counter({lane.channel: 0 for lane in self._roster.lanes})
        for backlog in backlogs:
            waiting[backlog.channel] += backlog.count
        # A channel that is gone has nothing waiting, instead of what it had last.
        for channel in self._counted - waiting.keys():
            self._metrics.deliveries_waiting.labels(channel).set(0)
        self._counted = set(waiting)
        for channel, count in waiting.items():
            self._metrics.deliveries_waiting.labels(channel).set(count)
