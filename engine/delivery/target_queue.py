"""The deliveries of one target: which wait, who may send now, and whether the target is held."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from channels.alert import Outcome, Target
from channels.targets.identity import audience_of
from engine.delivery.hold import TargetHealth
from engine.delivery.retry import DeliveryClock, ReadTimes, RetryPolicy, Signal
from engine.store import Delivery, Hold


class TargetQueues:
    """Keeps one lane for each target, for as long as the target has anything to do."""

    def __init__(
        self, targets: Mapping[str, Target], build: Callable[[Target], TargetQueue]
    ) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._open = {target_id: build(target) for target_id, target in targets.items()}
        self._leaving: dict[str, TargetQueue] = {}

    def find(self, target_id: str) -> TargetQueue | None:
        """The lane in use for this target."""
        return self._open.get(target_id)

    @property
    def lanes(self) -> tuple[TargetQueue, ...]:
        """Every lane in use."""
        return tuple(self._open.values())

    def add(self, targets: Mapping[str, Target]) -> None:
        """Open a lane for each of these targets that has none; the others stay as they are."""
        with self._lock:
            left = dict(self._leaving)
            new = {}
            for target_id, target in targets.items():
                if target_id in self._open:
                    continue
                lane = left.pop(target_id, None)
                if lane is None:
                    lane = self._build(target)
                else:
                    lane.open(target)
                new[target_id] = lane
            self._open, self._leaving = self._open | new, left

    def replace(self, targets: Mapping[str, Target]) -> tuple[TargetQueue, ...]:
        """Use these targets; the lanes that are not needed any more, still open.

        A target that comes back while its old lane has a send in flight gets the old lane again,
        so that its delivery is not sent twice.
        """
        with self._lock:
            former, left = self._open, dict(self._leaving)
            lanes = {}
            for target_id, target in targets.items():
                lane = former.get(target_id) or left.pop(target_id, None)
                if lane is None:
                    lane = self._build(target)
                else:
                    lane.open(target)
                lanes[target_id] = lane
            gone = {key: lane for key, lane in former.items() if key not in lanes}
            self._open, self._leaving = lanes, left | gone
        return tuple(gone.values())

    def in_hand(self, target_id: str) -> frozenset[int]:
        """The deliveries of a target that is not used any more which a worker still has."""
        lane = self._leaving.get(target_id)
        return lane.claimed if lane else frozenset()

    def forget_idle(self) -> None:
        """Drop the lanes that have left for good."""
        with self._lock:
            self._leaving = {key: lane for key, lane in self._leaving.items() if lane.claimed}

    def close(self) -> None:
        """Close every lane."""
        with self._lock:
            for lane in (*self._open.values(), *self._leaving.values()):
                lane.close()


RETRYING: Final = 16
"""So many deliveries of one target may wait for another try at once; each costs a thread."""
IDLE_SECONDS: Final = 60.0

Spawn = Callable[["TargetQueue"], None]
"""Starts one more worker of the lane."""


class TargetQueue:
    """The deliveries of one target; every method may be called from any thread."""

    def __init__(
        self, target: Target, policy: RetryPolicy, timing: DeliveryClock, fetch: Fetch, spawn: Spawn
    ) -> None:
        self.target_id: Final = target.target_id
        self.channel: Final = target.channel
        self.outlet: Final = CurrentTarget(target)
        self.turning: Final = threading.Lock()
        """Held while a hold or its end goes to the store, so that they arrive in order."""
        self.read_times: Final = ReadTimes()
        self._policy = policy
        self._timing = timing
        self._fetch = fetch
        self._spawn = spawn
        self._changed = threading.Condition()
        self._queue = WaitingDeliveries()
        self._standing = TargetHealth()
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

    def next_task(self) -> ClaimedDelivery | None:
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

    def suspend(self, task: ClaimedDelivery) -> None:
        """The task waits for its next try, others may send."""
        with self._changed:
            self._retrying.add(task.delivery_id)
            self._sending.discard(task.delivery_id)
            self._staff()
            self._changed.notify_all()

    def resume(self, task: ClaimedDelivery) -> bool:
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

    def pause(self, task: ClaimedDelivery, seconds: float) -> bool:
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

    def note_failed(self, task: ClaimedDelivery, outcome: Outcome) -> bool:
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

    def gives_up(self, task: ClaimedDelivery) -> bool:
        """Whether the task, its tries used up, failed while its target works for others."""
        with self._changed:
            others = self._standing.fresh(self._retrying - {task.delivery_id})
            return not others and self._standing.is_suspect(task.delivery_id)

    def begin_hold(self, task: ClaimedDelivery, hold: Hold, outcome: Outcome) -> bool:
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

    def note_probe(self, task: ClaimedDelivery, outcome: Outcome) -> bool:
        """The probe failed; whether that is news."""
        with self._changed:
            now = self._timing.monotonic()
            return self._standing.note_probe(task.delivery_id, outcome, now, self._policy)

    def note_done(self, task: ClaimedDelivery, *, is_sent: bool, is_answered: bool) -> bool:
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

    def finish(self, task: ClaimedDelivery) -> None:
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

    def _claim(self) -> ClaimedDelivery | None:
        if not self._may_start() or (delivery := self._queue.claim()) is None:
            return None
        self._sending.add(delivery.delivery_id)
        if (outage := self._standing.outage) is not None:
            self._probing = True
            outage.begin_probe(delivery.delivery_id)
        self._staff()
        return ClaimedDelivery(delivery, outage is not None, self._interrupt)

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


class CurrentTarget:
    """Lends a target to senders; a replaced one is closed once nobody uses it any more."""

    def __init__(self, target: Target) -> None:
        self._lock = threading.Lock()
        self._target = target
        self._is_open = True
        self._users: dict[int, int] = {}

    @property
    def concurrency(self) -> int:
        """How many sends may run at once, at least one."""
        return max(1, self._target.concurrency)

    def reaches(self, other: CurrentTarget) -> bool:
        """Whether everybody whom the other reaches gets what is sent here."""
        return audience_of(self._target).recipients >= audience_of(other._target).recipients

    @contextmanager
    def borrow(self) -> Iterator[Target]:
        """The target in force, for one send."""
        with self._lock:
            target = self._target
            self._users[id(target)] = self._users.get(id(target), 0) + 1
        try:
            yield target
        finally:
            with self._lock:
                self._users[id(target)] -= 1
                is_free = self._users[id(target)] == 0
                if is_free:
                    del self._users[id(target)]
                is_over = is_free and (target is not self._target or not self._is_open)
            if is_over:
                target.close()

    def replace(self, target: Target) -> None:
        """Send through `target` from now on."""
        with self._lock:
            former, self._target = self._target, target
            self._is_open = True
            is_over = former is not target and id(former) not in self._users
        if is_over:
            former.close()

    def close(self) -> None:
        """Close the target as soon as nobody uses it."""
        with self._lock:
            was_open, self._is_open = self._is_open, False
            is_over = was_open and id(self._target) not in self._users
        if is_over:
            self._target.close()


PAGE: Final = 20

Fetch = Callable[[str, int, Collection[int]], list[Delivery]]
"""Reads waiting deliveries: target id, limit, ids to leave out."""


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """One claimed delivery; once `interrupt` is set its worker starts no further try."""

    delivery: Delivery
    is_probe: bool
    interrupt: Signal

    @property
    def delivery_id(self) -> int:
        """The delivery's id in the store."""
        return self.delivery.delivery_id


class WaitingDeliveries:
    """Hands out each waiting delivery once, until it is put back or settled."""

    def __init__(self) -> None:
        self.claimed: Final[set[int]] = set()
        self.is_fetching = False
        self._page: deque[Delivery] = deque()
        self._is_stale = False
        self._has_more = False

    @property
    def has_work(self) -> bool:
        """Whether there may be a delivery to claim."""
        return bool(self._page) or self._has_more or self._is_stale

    @property
    def needs_page(self) -> bool:
        """Whether the store should be read before the next claim."""
        return not self.is_fetching and (self._is_stale or (self._has_more and not self._page))

    def look_again(self) -> None:
        """The store has something new, perhaps more urgent than what is in the page."""
        self._is_stale = True

    def begin_page(self) -> None:
        """The store is about to be read; nothing can be claimed until `end_page`."""
        self._page.clear()
        self._is_stale = False
        self.is_fetching = True

    def end_page(self, page: Sequence[Delivery], *, has_more: bool) -> None:
        """What the store had, and whether it may have more."""
        self.is_fetching = False
        self._page.extend(page)
        self._has_more = has_more

    def claim(self) -> Delivery | None:
        """The most urgent delivery of the page, now claimed."""
        if not self._page:
            return None
        delivery = self._page.popleft()
        self.claimed.add(delivery.delivery_id)
        return delivery

    def settle(self, delivery_id: int) -> None:
        """A claimed delivery waits no longer: it is marked in the store."""
        self.claimed.discard(delivery_id)

    def put_back(self, delivery_id: int) -> None:
        """A delivery that is still claimed goes on waiting."""
        if delivery_id in self.claimed:
            self.claimed.discard(delivery_id)
            self._is_stale = True

    def reset(self) -> None:
        """Other deliveries than those in the page are wanted now."""
        self._page.clear()
        self._is_stale = True
