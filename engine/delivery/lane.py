"""The way to one target: who may send now, who waits for another try, and whether it is held.

A lane knows no channel and writes no store. A delivery is claimed before it leaves the lane and
stays claimed until it is finished, so that no two workers ever have the same one. A delivery that
waits between its tries lends its place to the others; they go on unless so many of them begin to
fail that the target itself seems to be down.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final

from channels.alert import Outcome, Target
from engine.delivery.outlet import Outlet
from engine.delivery.policy import RetryPolicy
from engine.delivery.queue import PAGE, Fetch, Queue, Task
from engine.delivery.standing import Standing
from engine.delivery.timing import ReadTimes, Signal, Timing
from engine.store import Delivery, Hold

RETRYING: Final = 16
"""So many deliveries of one target may wait for another try at once; each costs a thread."""
IDLE_SECONDS: Final = 60.0

Spawn = Callable[["Lane"], None]
"""Starts one more worker of the lane."""


class Lane:
    """The deliveries of one target; every method may be called from any thread."""

    def __init__(
        self, target: Target, policy: RetryPolicy, timing: Timing, fetch: Fetch, spawn: Spawn
    ) -> None:
        self.target_id: Final = target.target_id
        self.channel: Final = target.channel
        self.outlet: Final = Outlet(target)
        self.turning: Final = threading.Lock()
        """Held while a hold or its end goes to the store, so that they arrive in order."""
        self.read_times: Final = ReadTimes()
        self._policy = policy
        self._timing = timing
        self._fetch = fetch
        self._spawn = spawn
        self._changed = threading.Condition()
        self._queue = Queue()
        self._standing = Standing()
        self._interrupt = Signal(timing)
        self._is_open = True
        self._sending: set[int] = set()
        self._retrying: set[int] = set()
        self._due = 0
        self._probing = False
        self._not_before = 0.0
        # So long the target has asked to be left alone since it last answered.
        self._paused_seconds = 0.0
        self._threads = 0
        self._idle = 0

    @property
    def hold(self) -> Hold | None:
        """Why and since when the target is held."""
        return self._standing.hold

    @property
    def claimed(self) -> frozenset[int]:
        """The deliveries that workers have in hand."""
        with self._changed:
            return frozenset(self._queue.claimed)

    def wake(self, read_at: Mapping[str, float]) -> None:
        """New deliveries are stored; `read_at` has when their events were read, by alert id.

        Without any: old ones wait, and the last worker may have died.
        """
        self.read_times.note(read_at)
        with self._changed:
            if read_at:
                self._standing.note_arrival(self._timing.monotonic())
            if read_at or not self._threads:
                self._look_again()

    def rouse(self) -> None:
        """Somebody changed something: look for deliveries and probe a held target at once."""
        with self._changed:
            self._standing.rouse(self._timing.monotonic())
            self._not_before = self._paused_seconds = 0.0
            self._look_again()

    def restore(self, hold: Hold) -> bool:
        """The target was held when the engine stopped; False when it is held anew already."""
        with self._changed:
            if self._standing.outage is not None or not self._is_open:
                return False
            self._standing.restore_outage(hold, self._timing.monotonic())
            self._queue.reset()
            return True

    def explain(self, reason: str, detail: str) -> None:
        """This is why the target, if it is held, is held now."""
        with self._changed:
            if self._standing.outage is not None:
                self._standing.outage.explain(reason, detail)

    def open(self, target: Target) -> None:
        """Send through `target` from now on."""
        self.outlet.replace(target)
        with self._changed:
            self._interrupt = self._interrupt if self._is_open else Signal(self._timing)
            self._is_open = True

    def close(self) -> bool:
        """Start nothing more, and let go of the target when its last send ends.

        Whether the target was held; a closed lane forgets that.
        """
        with self._changed:
            was_held = self._standing.outage is not None
            self._is_open = False
            self._standing.outage = None
            self._interrupt.set()
            self._changed.notify_all()
        self.outlet.close()
        return was_held

    def next_task(self) -> Task | None:
        """Claim the next delivery, or wait for one; None when the worker is to end."""
        with self._changed:
            patience = self._timing.monotonic() + IDLE_SECONDS
            while self._is_open:
                if self._queue.needs_page and self._may_start():
                    self._fetch_page()
                elif (task := self._claim()) is not None:
                    return task
                elif self._is_spare() and self._timing.monotonic() >= patience:
                    break
                else:
                    self._rest(patience)
            self._threads -= 1
            return None

    def leave(self) -> None:
        """A worker ends by an error instead of by `next_task`."""
        with self._changed:
            self._threads -= 1

    def suspend(self, task: Task) -> None:
        """The task waits for its next try, others may send."""
        with self._changed:
            self._retrying.add(task.delivery_id)
            self._sending.discard(task.delivery_id)
            self._staff()
            self._changed.notify_all()

    def resume(self, task: Task) -> bool:
        """Wait for a place to send from; False when the task is interrupted."""
        with self._changed:
            if task.delivery_id in self._sending:
                return True
            self._due += 1
            while not task.interrupt.is_set() and not self._has_place():
                left = self._not_before - self._timing.monotonic()
                self._timing.wait(self._changed, left if left > 0 else None)
            self._due -= 1
            if task.interrupt.is_set():
                self._changed.notify_all()
                return False
            self._sending.add(task.delivery_id)
            return True

    def pause(self, task: Task, seconds: float) -> bool:
        """The task was not sent, since its target asks all deliveries to wait so many seconds.

        False where the target has asked for too long since it last answered, and is to be held.
        """
        with self._changed:
            self._paused_seconds += seconds
            if self._paused_seconds > self._policy.longest_wait_seconds:
                return False
            self._not_before = max(self._not_before, self._timing.monotonic() + seconds)
            self._sending.discard(task.delivery_id)
            return True

    def note_failed(self, task: Task, outcome: Outcome) -> bool:
        """The task's try failed; whether that seems to be the message's own fault.

        If it does not, a `Retry-After` is asked of all deliveries.
        """
        with self._changed:
            self._paused_seconds = 0.0
            self._standing.note_failed(task.delivery_id)
            if self._standing.is_suspect(task.delivery_id):
                return True
            asked = min(outcome.retry_after_seconds or 0.0, self._policy.longest_wait_seconds)
            self._not_before = max(self._not_before, self._timing.monotonic() + asked)
            return False

    def gives_up(self, task: Task) -> bool:
        """Whether the task, its tries used up, failed while its target works for others."""
        with self._changed:
            others = self._standing.fresh(self._retrying - {task.delivery_id})
            return not others and self._standing.is_suspect(task.delivery_id)

    def begin_hold(self, task: Task, hold: Hold, outcome: Outcome) -> bool:
        """Hold the target because of the task; False when it was held or closed before."""
        with self._changed:
            if task.interrupt.is_set():
                return False
            failed = self._standing.fresh(self._retrying) | {task.delivery_id}
            now = self._timing.monotonic()
            self._standing.begin_outage(hold, outcome, failed, now, self._policy)
            self._interrupt.set()
            self._not_before = self._paused_seconds = 0.0
            self._queue.reset()
            self._staff()
            self._changed.notify_all()
            return True

    def note_probe(self, task: Task, outcome: Outcome) -> bool:
        """The probe failed; whether that is news."""
        with self._changed:
            now = self._timing.monotonic()
            return self._standing.note_probe(task.delivery_id, outcome, now, self._policy)

    def note_done(self, task: Task, *, is_sent: bool, is_answered: bool) -> bool:
        """The task is marked in the store; whether that opened a held target.

        `is_answered`: the target took or refused it, which shows that the channel works.
        """
        with self._changed:
            self._paused_seconds = 0.0
            self._queue.settle(task.delivery_id)
            self._standing.note_done(task.delivery_id, is_sent=is_sent)
            if not is_answered or self._standing.outage is None:
                return False
            self._standing.outage = None
            self._interrupt = Signal(self._timing)
            self._queue.reset()
            return True

    def finish(self, task: Task) -> None:
        """The task's worker has done with it; what is not marked goes on waiting."""
        with self._changed:
            self._queue.put_back(task.delivery_id)
            self._sending.discard(task.delivery_id)
            self._retrying.discard(task.delivery_id)
            self._probing &= not task.is_probe
            self._staff()
            self._changed.notify_all()

    # What follows is called with the lock held.

    def _look_again(self) -> None:
        if self._is_open:
            self._queue.look_again()
            self._staff()
            self._changed.notify_all()

    def _staff(self) -> None:
        is_short = self._threads - len(self._retrying) < self.outlet.concurrency
        if self._is_open and self._idle == 0 and is_short and self._queue.has_work:
            self._threads += 1
            self._spawn(self)

    def _has_place(self) -> bool:
        has_room = len(self._sending) < self.outlet.concurrency
        return has_room and self._timing.monotonic() >= self._not_before

    def _may_start(self) -> bool:
        if self._due or not self._has_place():
            return False
        outage = self._standing.outage
        if outage is not None:
            return not self._probing and self._timing.monotonic() >= outage.probe_at
        doubts = len(self._standing.fresh(self._retrying))
        return len(self._retrying) < RETRYING and doubts <= self.outlet.concurrency

    def _fetch_page(self) -> None:
        outage = self._standing.outage
        probed = outage.probed if outage else frozenset[int]()
        limit = 1 if outage else PAGE
        exclude = probed | self._queue.claimed
        self._queue.begin_page()
        self._changed.release()
        page: list[Delivery] = []
        try:
            page = self._fetch(self.target_id, limit, exclude)
        finally:
            self._changed.acquire()
            is_next_round = bool(outage and probed and not page)
            if outage and is_next_round:
                outage.probed.clear()
            self._queue.end_page(page, has_more=len(page) == limit or is_next_round)
            self._changed.notify_all()

    def _claim(self) -> Task | None:
        if not self._may_start() or (delivery := self._queue.claim()) is None:
            return None
        self._sending.add(delivery.delivery_id)
        if (outage := self._standing.outage) is not None:
            self._probing = True
            outage.begin_probe(delivery.delivery_id)
        self._staff()
        return Task(delivery, outage is not None, self._interrupt)

    def _is_spare(self) -> bool:
        return self._idle > 0 or not self._queue.has_work

    def _rest(self, patience: float) -> None:
        now = self._timing.monotonic()
        times = [self._not_before]
        if self._is_spare():
            times.append(patience)
        if self._standing.outage is not None and self._queue.has_work:
            times.append(self._standing.outage.probe_at)
        left = min((time - now for time in times if time > now), default=None)
        self._idle += 1
        try:
            self._timing.wait(self._changed, left)
        finally:
            self._idle -= 1
