"""The deliveries of one target: which wait, which may be sent now, and whether it is held."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from channels.alert import Outcome, Target
from engine.delivery.retry import (
    LONGEST_WAIT_SECONDS,
    DeliveryClock,
    ReadTimes,
    RetryPolicy,
    Signal,
    TargetHealth,
)
from engine.store import Delivery, Hold

#: How many deliveries of one target may wait for another try at once; each costs a thread.
RETRYING: Final = 16
#: After how long a worker without work ends.
IDLE_SECONDS: Final = 60.0
#: How many deliveries are read from the store at a time.
PAGE: Final = 20

Spawn = Callable[["TargetQueue"], None]
"""Starts one more worker of the queue."""
Fetch = Callable[[str, int, Collection[int]], list[Delivery]]
"""Reads waiting deliveries from the store: target id, limit, ids to leave out."""


class TargetQueues:
    """Keeps one queue for each target in use, and those that are leaving while a send lasts."""

    def __init__(
        self, targets: Mapping[str, Target], build: Callable[[str, Target], TargetQueue]
    ) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._open = {target_id: build(target_id, target) for target_id, target in targets.items()}
        self._leaving: dict[str, TargetQueue] = {}

    def find(self, target_id: str) -> TargetQueue | None:
        """The queue in use for this target, if any."""
        return self._open.get(target_id)

    @property
    def in_use(self) -> tuple[TargetQueue, ...]:
        """Every queue in use."""
        return tuple(self._open.values())

    def add(self, targets: Mapping[str, Target]) -> None:
        """Open a queue for each of these targets that has none; the others stay as they are."""
        with self._lock:
            left = dict(self._leaving)
            new = {}
            for target_id, target in targets.items():
                if target_id in self._open:
                    continue
                queue = left.pop(target_id, None)
                if queue is None:
                    queue = self._build(target_id, target)
                else:
                    queue.open(target)
                new[target_id] = queue
            self._open, self._leaving = self._open | new, left

    def replace(self, targets: Mapping[str, Target]) -> tuple[TargetQueue, ...]:
        """Use these targets; returns the queues that are not used any more, still open.

        A target that comes back while its old queue has a send in flight gets the old queue again,
        so that its delivery is not sent twice.
        """
        with self._lock:
            former, left = self._open, dict(self._leaving)
            queues = {}
            for target_id, target in targets.items():
                queue = former.get(target_id) or left.pop(target_id, None)
                if queue is None:
                    queue = self._build(target_id, target)
                else:
                    queue.open(target)
                queues[target_id] = queue
            gone = {key: queue for key, queue in former.items() if key not in queues}
            self._open, self._leaving = queues, left | gone
        return tuple(gone.values())

    def claimed_of(self, target_id: str) -> frozenset[int]:
        """The deliveries that workers still have of a target that is not used any more."""
        queue = self._leaving.get(target_id)
        return queue.claimed if queue else frozenset()

    def forget_idle(self) -> None:
        """Drop the queues that are not used any more and have no send in flight."""
        with self._lock:
            self._leaving = {key: queue for key, queue in self._leaving.items() if queue.claimed}

    def close(self) -> None:
        """Close every queue."""
        with self._lock:
            for queue in (*self._open.values(), *self._leaving.values()):
                queue.close()


class TargetQueue:
    """The deliveries of one target; every method may be called from any thread."""

    def __init__(
        self,
        target_id: str,
        target: Target,
        policy: RetryPolicy,
        timing: DeliveryClock,
        fetch: Fetch,
        spawn: Spawn,
    ) -> None:
        self.target_id: Final = target_id
        self.channel: Final = target.channel
        self.current_target: Final = CurrentTarget(target)
        self.hold_lock: Final = threading.Lock()
        """Taken while a hold or its end is stored, so that they are stored in order."""
        self.read_times: Final = ReadTimes()
        self._policy = policy
        self._timing = timing
        self._fetch = fetch
        self._spawn = spawn
        self._changed = threading.Condition()
        self._waiting = WaitingDeliveries()
        self._health = TargetHealth()
        self._interrupt = Signal(timing)
        self._is_open = True
        self._sending: set[int] = set()
        self._retrying: set[int] = set()
        self._due = 0
        self._probing = False
        self._not_before = 0.0
        # For how long the target has asked for pauses since it last answered.
        self._paused_seconds = 0.0
        self._threads = 0
        self._idle = 0

    @property
    def hold(self) -> Hold | None:
        """The target's hold with its reason, or None."""
        return self._health.hold

    @property
    def claimed(self) -> frozenset[int]:
        """The ids of the deliveries that workers have."""
        with self._changed:
            return frozenset(self._waiting.claimed)

    def wake(self, read_at: Mapping[str, float]) -> None:
        """New deliveries are stored; `read_at` has when their events were read, by alert id.

        An empty `read_at` means that old ones wait: a worker is started only if there is none.
        """
        self.read_times.note(read_at)
        with self._changed:
            if read_at:
                self._health.note_arrival(self._timing.monotonic())
            if read_at or not self._threads:
                self._look_again()

    def try_now(self) -> None:
        """Something changed: look for deliveries, and probe a held target, at once."""
        with self._changed:
            self._health.try_now(self._timing.monotonic())
            self._not_before = self._paused_seconds = 0.0
            self._look_again()

    def restore(self, hold: Hold) -> bool:
        """Hold the target as before the restart; False when it is held or closed already."""
        with self._changed:
            if self._health.in_force is not None or not self._is_open:
                return False
            self._health.restore_hold(hold, self._timing.monotonic())
            self._waiting.reset()
            return True

    def explain(self, reason: str, detail: str) -> None:
        """Change the reason for which the target is held, if it is."""
        with self._changed:
            if self._health.in_force is not None:
                self._health.in_force.explain(reason, detail)

    def open(self, target: Target) -> None:
        """Send through `target` from now on."""
        self.current_target.replace(target)
        with self._changed:
            self._interrupt = self._interrupt if self._is_open else Signal(self._timing)
            self._is_open = True

    def close(self) -> bool:
        """Start no further send, and close the target when its last send ends.

        Returns whether the target was held; a closed queue forgets its hold.
        """
        with self._changed:
            was_held = self._health.in_force is not None
            self._is_open = False
            self._health.in_force = None
            self._interrupt.set()
            self._changed.notify_all()
        self.current_target.close()
        return was_held

    def claim_next(self) -> ClaimedDelivery | None:
        """Claim the next delivery, or wait for one; returns None when the worker is to end."""
        with self._changed:
            idle_until = self._timing.monotonic() + IDLE_SECONDS
            while self._is_open:
                if self._waiting.needs_page and self._may_start():
                    self._fetch_page()
                elif (claim := self._claim()) is not None:
                    return claim
                elif self._is_spare() and self._timing.monotonic() >= idle_until:
                    break
                else:
                    self._await_change(idle_until)
            self._threads -= 1
            return None

    def leave(self) -> None:
        """A worker ends by an error, or was not started."""
        with self._changed:
            self._threads -= 1

    def suspend(self, claim: ClaimedDelivery) -> None:
        """The delivery waits for its next try, and others may be sent."""
        with self._changed:
            self._retrying.add(claim.delivery_id)
            self._sending.discard(claim.delivery_id)
            self._add_worker()
            self._changed.notify_all()

    def resume(self, claim: ClaimedDelivery) -> bool:
        """Wait until the delivery may be sent again; False when it is interrupted."""
        with self._changed:
            if claim.delivery_id in self._sending:
                return True
            self._due += 1
            while not claim.interrupt.is_set() and not self._has_place():
                left = self._not_before - self._timing.monotonic()
                self._timing.wait(self._changed, left if left > 0 else None)
            self._due -= 1
            if claim.interrupt.is_set():
                self._changed.notify_all()
                return False
            self._sending.add(claim.delivery_id)
            return True

    def pause(self, claim: ClaimedDelivery, seconds: float) -> bool:
        """The delivery was not sent: its target asks all of them to wait for some seconds.

        Returns False where the target's pauses since its last answer are too long: it is to be
        held then.
        """
        with self._changed:
            self._paused_seconds += seconds
            if self._paused_seconds > LONGEST_WAIT_SECONDS:
                return False
            self._not_before = max(self._not_before, self._timing.monotonic() + seconds)
            self._sending.discard(claim.delivery_id)
            return True

    def note_failed(self, claim: ClaimedDelivery, outcome: Outcome) -> bool:
        """A try failed; returns whether that seems to be the fault of the message.

        If not, a `Retry-After` counts for all deliveries of the target.
        """
        with self._changed:
            self._paused_seconds = 0.0
            self._health.note_failed(claim.delivery_id)
            if self._health.is_suspect(claim.delivery_id):
                return True
            asked = min(outcome.retry_after_seconds or 0.0, LONGEST_WAIT_SECONDS)
            self._not_before = max(self._not_before, self._timing.monotonic() + asked)
            return False

    def gives_up(self, claim: ClaimedDelivery) -> bool:
        """Whether to give up the delivery, its tries used up: the target works for others."""
        with self._changed:
            others = self._health.new_failures(self._retrying - {claim.delivery_id})
            return not others and self._health.is_suspect(claim.delivery_id)

    def begin_hold(self, claim: ClaimedDelivery, hold: Hold, outcome: Outcome) -> bool:
        """Hold the target because of this delivery; False when it was held or closed before."""
        with self._changed:
            if claim.interrupt.is_set():
                return False
            failed = self._health.new_failures(self._retrying) | {claim.delivery_id}
            now = self._timing.monotonic()
            self._health.begin_hold(hold, outcome, failed, now, self._policy)
            self._interrupt.set()
            self._not_before = self._paused_seconds = 0.0
            self._waiting.reset()
            self._add_worker()
            self._changed.notify_all()
            return True

    def note_probe(self, claim: ClaimedDelivery, outcome: Outcome) -> bool:
        """The probe failed; returns whether that is to be reported."""
        with self._changed:
            now = self._timing.monotonic()
            return self._health.note_probe(claim.delivery_id, outcome, now, self._policy)

    def note_done(self, claim: ClaimedDelivery, *, is_sent: bool, is_answered: bool) -> bool:
        """The delivery's outcome is stored; returns whether that released a held target.

        `is_answered` says that the target took or refused it, which shows that the channel works.
        """
        with self._changed:
            self._paused_seconds = 0.0
            self._waiting.remove(claim.delivery_id)
            self._health.note_done(claim.delivery_id, is_sent=is_sent)
            if not is_answered or self._health.in_force is None:
                return False
            self._health.in_force = None
            self._interrupt = Signal(self._timing)
            self._waiting.reset()
            return True

    def finish(self, claim: ClaimedDelivery) -> None:
        """The worker is done with the delivery; without a stored outcome it goes on waiting."""
        with self._changed:
            self._waiting.put_back(claim.delivery_id)
            self._sending.discard(claim.delivery_id)
            self._retrying.discard(claim.delivery_id)
            self._probing &= not claim.is_probe
            self._add_worker()
            self._changed.notify_all()

    # All methods from here on are called with the lock held.

    def _look_again(self) -> None:
        if self._is_open:
            self._waiting.look_again()
            self._add_worker()
            self._changed.notify_all()

    def _add_worker(self) -> None:
        is_short = self._threads - len(self._retrying) < self.current_target.concurrency
        if self._is_open and self._idle == 0 and is_short and self._waiting.has_work:
            self._threads += 1
            self._spawn(self)

    def _has_place(self) -> bool:
        has_room = len(self._sending) < self.current_target.concurrency
        return has_room and self._timing.monotonic() >= self._not_before

    def _may_start(self) -> bool:
        if self._due or not self._has_place():
            return False
        in_force = self._health.in_force
        if in_force is not None:
            return not self._probing and self._timing.monotonic() >= in_force.probe_at
        failing = len(self._health.new_failures(self._retrying))
        return len(self._retrying) < RETRYING and failing <= self.current_target.concurrency

    def _fetch_page(self) -> None:
        in_force = self._health.in_force
        probed = in_force.probed if in_force else frozenset[int]()
        limit = 1 if in_force else PAGE
        exclude = probed | self._waiting.claimed
        self._waiting.begin_page()
        self._changed.release()
        page: list[Delivery] = []
        try:
            page = self._fetch(self.target_id, limit, exclude)
        finally:
            self._changed.acquire()
            is_next_round = bool(in_force and probed and not page)
            if in_force and is_next_round:
                in_force.probed.clear()
            self._waiting.end_page(page, has_more=len(page) == limit or is_next_round)
            self._changed.notify_all()

    def _claim(self) -> ClaimedDelivery | None:
        if not self._may_start() or (delivery := self._waiting.claim()) is None:
            return None
        self._sending.add(delivery.delivery_id)
        if (in_force := self._health.in_force) is not None:
            self._probing = True
            in_force.begin_probe(delivery.delivery_id)
        self._add_worker()
        return ClaimedDelivery(delivery, in_force is not None, self._interrupt)

    def _is_spare(self) -> bool:
        return self._idle > 0 or not self._waiting.has_work

    def _await_change(self, idle_until: float) -> None:
        now = self._timing.monotonic()
        times = [self._not_before]
        if self._is_spare():
            times.append(idle_until)
        if self._health.in_force is not None and self._waiting.has_work:
            times.append(self._health.in_force.probe_at)
        left = min((time - now for time in times if time > now), default=None)
        self._idle += 1
        try:
            self._timing.wait(self._changed, left)
        finally:
            self._idle -= 1


class CurrentTarget:
    """Lends a target for sends; a replaced one is closed when its last send has ended."""

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
        """Whether what is sent here reaches every recipient of the other target."""
        return self._target.audience.recipients >= other._target.audience.recipients

    @contextmanager
    def borrow(self) -> Iterator[Target]:
        """Lends the target for one send."""
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
        """Close the target as soon as no send uses it."""
        with self._lock:
            was_open, self._is_open = self._is_open, False
            is_over = was_open and id(self._target) not in self._users
        if is_over:
            self._target.close()


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery that a worker has; once `interrupt` is set, it starts no further try."""

    delivery: Delivery
    is_probe: bool
    interrupt: Signal

    @property
    def delivery_id(self) -> int:
        """The delivery's id in the store."""
        return self.delivery.delivery_id


class WaitingDeliveries:
    """A page of waiting deliveries; each is claimed once, until it is put back or removed."""

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
        """The store has new deliveries, perhaps more urgent than those of the page."""
        self._is_stale = True

    def begin_page(self) -> None:
        """The store is being read; nothing can be claimed until `end_page`."""
        self._page.clear()
        self._is_stale = False
        self.is_fetching = True

    def end_page(self, page: Sequence[Delivery], *, has_more: bool) -> None:
        """The store has given this page; `has_more` says whether it may have more."""
        self.is_fetching = False
        self._page.extend(page)
        self._has_more = has_more

    def claim(self) -> Delivery | None:
        """Claims and returns the most urgent delivery of the page, if any."""
        if not self._page:
            return None
        delivery = self._page.popleft()
        self.claimed.add(delivery.delivery_id)
        return delivery

    def remove(self, delivery_id: int) -> None:
        """A claimed delivery does not wait any more: its outcome is stored."""
        self.claimed.discard(delivery_id)

    def put_back(self, delivery_id: int) -> None:
        """If the delivery is still claimed, it goes on waiting."""
        if delivery_id in self.claimed:
            self.claimed.discard(delivery_id)
            self._is_stale = True

    def reset(self) -> None:
        """Drop the page: other deliveries are needed now."""
        self._page.clear()
        self._is_stale = True
