"""Sends stored deliveries: a queue for each target, workers for each queue, and one poller.

All threads of delivery start here.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

import structlog

from channels.alert import Reason, Target
from channels.targets.identity import MisconfiguredTarget
from engine.clock import Clock
from engine.delivery.poller import Poller
from engine.delivery.retry import (
    DeliveryClock,
    RetryPolicy,
    Signal,
    Wait,
    WaitLimit,
    store_retrying,
)
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
        """`hold_seconds` bounds how long a delivery waits for a held target while the engine runs.

        `kill_point` is called with `send` just before a send, with `sent` just after it and with
        `mark` once its outcome is stored. `wait` is how to wait by `clock`.
        """
        self._store = store
        self._policy = policy
        self._metrics = metrics
        self._timing = DeliveryClock(clock, wait)
        self._wait_limit = WaitLimit(store, self._timing, hold_seconds)
        self._kill_point = kill_point
        self._stopping = Signal(self._timing)
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._queues = TargetQueues(targets, self._build_queue)
        self._poller = Poller(
            store, self._queues, metrics, self._timing, self._stopping, self._wait_limit
        )

    def start(self) -> None:
        """Begin to deliver; what waits in the store is sent, and held targets are probed."""
        self._start_thread("delivery-watch", self._poller.work)

    def wake(self, fresh: Iterable[FreshAlert]) -> None:
        """These alerts were stored: send their deliveries."""
        read_at: dict[str, dict[str, float]] = defaultdict(dict)
        for alert in fresh:
            for _, target_id in alert.targets:
                read_at[target_id][alert.alert_id] = alert.read_at
        for target_id, times in read_at.items():
            queue = self._queues.find(target_id)
            if queue is not None:
                queue.wake(times)
            else:
                self._poller.poll_now()

    def add_targets(self, targets: Mapping[str, Target]) -> None:
        """Use these targets too; to be called before the first alert for a new one is stored."""
        self._queues.add(targets)

    def replace_targets(self, targets: Mapping[str, Target]) -> None:
        """Use these targets, and no others, from now on; those that are held are probed at once."""
        for queue in self._queues.replace(targets):
            if queue.close():
                self._metrics.channel_held.labels(queue.channel).dec()
        for target_id, target in targets.items():
            kept = self._queues.find(target_id)
            if kept is not None and isinstance(target, MisconfiguredTarget):
                self._hold(kept, target)
        self._poller.poll_now()

    def held(self) -> tuple[Hold, ...]:
        """The targets that are held now, and why."""
        holds = (queue.hold for queue in self._queues.in_use)
        return tuple(hold for hold in holds if hold is not None)

    @property
    def heartbeat(self) -> Heartbeat:
        """The heartbeat of the poller's thread."""
        return self._poller.heartbeat

    def stop_sending(self) -> None:
        """Start no further send; those in flight go on."""
        self._stopping.set()
        self._poller.poll_now()
        self._queues.close()

    def stop(self, timeout_seconds: float) -> None:
        """Start no further send, and wait for those in flight, at most `timeout_seconds`.

        The seconds are real ones. What is not sent by then goes on waiting in the store.
        """
        self.stop_sending()
        deadline = time.monotonic() + timeout_seconds
        with self._lock:
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if unfinished := sum(thread.is_alive() for thread in threads):
            log.warning("delivery.unfinished", sends=unfinished)

    def _build_queue(self, target_id: str, target: Target) -> TargetQueue:
        queue = TargetQueue(
            target_id, target, self._policy, self._timing, self._fetch, self._start_worker
        )
        if isinstance(target, MisconfiguredTarget):
            self._hold(queue, target)
        return queue

    def _hold(self, queue: TargetQueue, target: MisconfiguredTarget) -> None:
        """Hold the target from the start; if it is held already, take its faults as the reason."""
        now_us, reason = self._timing.now_us(), Reason.MISCONFIGURED
        if queue.restore(Hold(queue.target_id, target.channel, reason, target.detail, now_us)):
            self._metrics.channel_held.labels(target.channel).inc()
        else:
            queue.explain(reason, target.detail)

    def _start_worker(self, queue: TargetQueue) -> None:
        worker = Worker(
            queue,
            self._store,
            self._policy,
            self._metrics,
            self._timing,
            self._stopping,
            wait_limit=self._wait_limit,
            kill_point=self._kill_point,
        )
        try:
            self._start_thread(f"delivery-{queue.channel}", worker.work)
        except RuntimeError as error:
            # The system gives no thread now; the poller tries again while deliveries wait.
            queue.leave()
            log.error("delivery.no_worker", target_id=queue.target_id, error=str(error))

    def _start_thread(self, name: str, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._threads.discard(threading.current_thread())

        # A daemon, because a send that hangs must not keep the process from ending.
        thread = threading.Thread(target=run, name=name, daemon=True)
        with self._lock:
            # Under one lock, because `stop` can only join threads that were started.
            thread.start()
            self._threads.add(thread)

    def _fetch(self, target_id: str, limit: int, exclude: Collection[int]) -> list[Delivery]:
        retrying = store_retrying(self._stopping)
        page: list[Delivery] | None = retrying(self._store.waiting, target_id, limit, exclude)
        return page or []
