"""Sends stored deliveries: a lane for each target, workers for each lane, and one watch thread.

All threads of delivery start here.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

import structlog

from channels.alert import Reason, Target
from channels.targets.misconfigured import MisconfiguredTarget
from engine.clock import Clock
from engine.delivery.hold import Patience
from engine.delivery.poller import Poller
from engine.delivery.retry import DeliveryClock, RetryPolicy, Signal, Wait, store_retrying
from engine.delivery.target_queue import TargetQueue, TargetQueues
from engine.delivery.worker import Worker
from engine.health import Heartbeat
from engine.metrics import Metrics
from engine.store import Delivery, DeliveryStore, FreshAlert, Hold

log = structlog.get_logger(__name__)


class Dispatcher:
    """Delivers what waits in the store through `targets`, by target id.

    Its methods may be called from any thread and never wait for a channel or, but for `stop`, for
    the store. A target is closed when it is replaced, removed or the dispatcher stops, as soon as
    its last send has ended.
    """

    def __init__(
        self,
        store: DeliveryStore,
        targets: Mapping[str, Target],
        policy: RetryPolicy,
        metrics: Metrics,
        clock: Clock,
        *,
        hold_seconds: float = 86_400.0,
        kill_point: Callable[[str], None] = lambda name: None,
        wait: Wait = threading.Condition.wait,
    ) -> None:
        """`hold_seconds` bounds how long a delivery waits in a held target while the engine runs.

        `kill_point` is called with `send` just before a send, with `sent` just after it and with
        `mark` just after its mark; `wait` waits by the clock.
        """
        self._store = store
        self._policy = policy
        self._metrics = metrics
        self._timing = DeliveryClock(clock, wait)
        self._patience = Patience(store, self._timing, hold_seconds)
        self._kill_point = kill_point
        self._stopping = Signal(self._timing)
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._roster = TargetQueues(targets, self._lane)
        self._watch = Poller(
            store, self._roster, metrics, self._timing, self._stopping, self._patience
        )

    def start(self) -> None:
        """Begin to deliver what waits already, and probe the targets that were held."""
        self._start_thread("delivery-watch", self._watch.work)

    def wake(self, fresh: Iterable[FreshAlert]) -> None:
        """These alerts are in the store now."""
        read_at: dict[str, dict[str, float]] = defaultdict(dict)
        for alert in fresh:
            for _, target_id in alert.routes:
                read_at[target_id][alert.alert_id] = alert.read_at
        for target_id, times in read_at.items():
            lane = self._roster.find(target_id)
            if lane is not None:
                lane.wake(times)
            else:
                self._watch.ask()

    def add_targets(self, targets: Mapping[str, Target]) -> None:
        """Take deliveries for these too, before the first alert for a new one is stored."""
        self._roster.add(targets)

    def replace_targets(self, targets: Mapping[str, Target]) -> None:
        """Send through these from now on, and probe those that are held at once."""
        for lane in self._roster.replace(targets):
            if lane.close():
                self._metrics.channel_held.labels(lane.channel).dec()
        for target_id, target in targets.items():
            kept = self._roster.find(target_id)
            if kept is not None and isinstance(target, MisconfiguredTarget):
                self._hold(kept, target)
        self._watch.ask()

    def held(self) -> tuple[Hold, ...]:
        """The targets that are held now, and why."""
        holds = (lane.hold for lane in self._roster.lanes)
        return tuple(hold for hold in holds if hold is not None)

    @property
    def heartbeat(self) -> Heartbeat:
        """Of the thread that takes up what waits."""
        return self._watch.heartbeat

    def stop_sending(self) -> None:
        """Start no further send; those in flight go on."""
        self._stopping.set()
        self._watch.ask()
        self._roster.close()

    def stop(self, timeout_seconds: float) -> None:
        """Start no further send; wait for those in flight, at most so long in real time.

        What is not sent by then goes on waiting in the store.
        """
        self.stop_sending()
        deadline = time.monotonic() + timeout_seconds
        with self._lock:
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if unfinished := sum(thread.is_alive() for thread in threads):
            log.warning("delivery.unfinished", sends=unfinished)

    def _lane(self, target: Target) -> TargetQueue:
        lane = TargetQueue(target, self._policy, self._timing, self._fetch, self._start_worker)
        if isinstance(target, MisconfiguredTarget):
            self._hold(lane, target)
        return lane

    def _hold(self, lane: TargetQueue, target: MisconfiguredTarget) -> None:
        """Hold the lane from the start, or, where it is held already, for these faults."""
        now_us, reason = self._timing.now_us(), Reason.MISCONFIGURED
        if lane.restore(Hold(target.target_id, target.channel, reason, target.detail, now_us)):
            self._metrics.channel_held.labels(target.channel).inc()
        else:
            lane.explain(reason, target.detail)

    def _start_worker(self, lane: TargetQueue) -> None:
        courier = Worker(
            lane,
            self._store,
            self._policy,
            self._metrics,
            self._timing,
            self._stopping,
            patience=self._patience,
            kill_point=self._kill_point,
        )
        try:
            self._start_thread(f"delivery-{lane.channel}", courier.work)
        except RuntimeError as error:
            # No thread is to be had just now; the watch tries again while deliveries wait.
            lane.leave()
            log.error("delivery.no_worker", target_id=lane.target_id, error=str(error))

    def _start_thread(self, name: str, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._threads.discard(threading.current_thread())

        # A daemon: a send that hangs for ever must not keep the process from ending.
        thread = threading.Thread(target=run, name=name, daemon=True)
        with self._lock:
            # Together: what `stop` joins must have been started.
            thread.start()
            self._threads.add(thread)

    def _fetch(self, target_id: str, limit: int, exclude: Collection[int]) -> list[Delivery]:
        retrying = store_retrying(self._stopping)
        page: list[Delivery] | None = retrying(self._store.waiting, target_id, limit, exclude)
        return page or []
