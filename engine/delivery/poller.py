"""Polls the store for what the queues don't know, in a thread of its own that sends nothing.

It finds redeliveries, holds of an earlier run, deliveries for targets that are gone, and workers
that died; it also counts what waits.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import structlog

from channels.alert import Reason
from channels.targets.misconfigured import stand_in_id
from engine.delivery.retry import DeliveryClock, Signal, WaitLimit
from engine.delivery.target_queue import TargetQueue, TargetQueues
from engine.errors import StoreError
from engine.health import Heartbeat
from engine.metrics import Metrics
from engine.store import Backlog, DeliveryStore, Hold

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 1.0
COUNT_SECONDS: Final = 5.0


class Poller:
    """Asks the store every second whether something has changed, and then wakes the queues."""

    def __init__(
        self,
        store: DeliveryStore,
        queues: TargetQueues,
        metrics: Metrics,
        timing: DeliveryClock,
        stopping: Signal,
        wait_limit: WaitLimit,
    ) -> None:
        self._wait_limit = wait_limit
        self._store = store
        self._queues = queues
        self._metrics = metrics
        self._timing = timing
        self._stopping = stopping
        self._condition = threading.Condition()
        self._must_poll = True
        self._must_repeat = False
        self._has_restored = False
        self._token: int | None = None
        self._count_at = timing.monotonic()
        self._counted: set[str] = set()
        self.heartbeat = Heartbeat(timer=timing.monotonic)

    def poll_now(self) -> None:
        """Poll at once: something has changed."""
        with self._condition:
            self._must_poll = True
            self._condition.notify_all()

    def work(self) -> None:
        """Poll until the dispatcher stops; a store that fails is asked again."""
        is_troubled = False
        while not self._stopping.is_set():
            self.heartbeat.beat("asking the store for what waits")
            try:
                self._poll()
                is_troubled = False
            except StoreError as error:
                self._must_repeat = True
                self._metrics.store_errors.inc()
                if not is_troubled:
                    log.error("delivery.watch_waiting", error=str(error))
                is_troubled = True
            with self._condition:
                if not self._must_poll:
                    self._timing.wait(self._condition, POLL_SECONDS)

    def _poll(self) -> None:
        with self._condition:
            must_review, self._must_poll = self._must_poll or self._must_repeat, False
            self._must_repeat = False
        token, self._token = self._token, self._store.changes_token()
        if must_review or token != self._token:
            self._must_repeat = self._review()
            self._count_at = self._timing.monotonic()
        if self._timing.monotonic() >= self._count_at:
            backlogs = self._store.backlogs()
            self._count(backlogs)
            self._wake_waiting(backlogs)
            self._count_at = self._timing.monotonic() + COUNT_SECONDS
        self._wait_limit.check_clock()

    def _review(self) -> bool:
        """Wake all queues that have something to do; returns whether to review again soon."""
        holds = self._store.holds()
        self._restore(holds)
        for hold in holds:
            queue = self._queues.find(hold.target_id)
            if queue is None:
                self._store.release(hold.target_id)
            else:
                self._update_hold(queue, hold)
        backlogs = self._store.backlogs()
        waiting = {backlog.target_id for backlog in backlogs}
        for queue in self._queues.in_use:
            if queue.hold is not None or queue.target_id in waiting:
                queue.try_now()
        gone = [each for each in backlogs if self._queues.find(each.target_id) is None]
        is_unfinished = [self._clear_gone(backlog) for backlog in gone]
        self._queues.forget_idle()
        return any(is_unfinished)

    def _restore(self, holds: Iterable[Hold]) -> None:
        if self._has_restored:
            return
        for hold in holds:
            queue = self._queues.find(hold.target_id)
            if queue is not None and queue.restore(hold):
                self._metrics.channel_held.labels(queue.channel).inc()
        self._has_restored = True

    def _update_hold(self, queue: TargetQueue, stored: Hold) -> None:
        """Store the reason for which the target is held now, if it is another one."""
        with queue.hold_lock:
            now = queue.hold
            if now is not None and (now.reason, now.detail) != (stored.reason, stored.detail):
                self._store.hold(now.target_id, now.channel, now.reason, now.detail, now.since_us)

    def _clear_gone(self, backlog: Backlog) -> bool:
        """Give up or pass on what waits for a target that is gone.

        Returns whether some of it is still being sent, and so has to wait for a later review.
        """
        stand_in = stand_in_id(backlog.channel)
        if self._queues.find(stand_in) is not None:
            # The channel is misconfigured: its targets are not known until that is corrected.
            self._expire(backlog)
            return False
        successors = [queue for queue in self._queues.in_use if queue.channel == backlog.channel]
        if backlog.target_id == stand_in and successors:
            return self._hand_over(backlog, successors)
        return self._remove(backlog)

    def _hand_over(self, backlog: Backlog, successors: Sequence[TargetQueue]) -> bool:
        claimed = self._queues.claimed_of(backlog.target_id)
        target_ids = [queue.target_id for queue in successors]
        queues = self._queues.in_use
        same = {
            new.target_id: [
                each.target_id for each in queues if each.current_target.reaches(new.current_target)
            ]
            for new in successors
        }
        total = 0
        while count := self._store.hand_over(
            backlog.target_id, target_ids, same=same, exclude=claimed
        ):
            total += count
        for queue in successors:
            queue.try_now()
        if total:
            log.info(
                "delivery.handed_over",
                channel=backlog.channel,
                count=total,
                targets=target_ids,
            )
        return bool(claimed)

    def _expire(self, backlog: Backlog) -> None:
        before_us = self._wait_limit.expired_before_us()
        self._give_up(backlog, Reason.HOLD_EXPIRED, "delivery.expired", before_us=before_us)

    def _remove(self, backlog: Backlog) -> bool:
        claimed = self._queues.claimed_of(backlog.target_id)
        self._give_up(backlog, Reason.CHANNEL_REMOVED, "delivery.channel_removed", exclude=claimed)
        return bool(claimed)

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

    def _wake_waiting(self, backlogs: Iterable[Backlog]) -> None:
        for backlog in backlogs:
            queue = self._queues.find(backlog.target_id)
            # Its last worker may have died, or the system gave it no thread.
            if queue is not None:
                queue.wake({})
            elif self._queues.find(stand_in_id(backlog.channel)) is not None:
                self._expire(backlog)

    def _count(self, backlogs: Iterable[Backlog]) -> None:
        waiting = Counter({queue.channel: 0 for queue in self._queues.in_use})
        for backlog in backlogs:
            waiting[backlog.channel] += backlog.count
        # A channel that is gone shows 0, and not its last count.
        for channel in self._counted - waiting.keys():
            self._metrics.deliveries_waiting.labels(channel).set(0)
        self._counted = set(waiting)
        for channel, count in waiting.items():
            self._metrics.deliveries_waiting.labels(channel).set(count)
