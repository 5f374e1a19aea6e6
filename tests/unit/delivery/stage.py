"""A dispatcher on the real store with scripted targets and a clock that the test moves."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from channels.alert import Alert, Priority, Target
from engine.clock import Clock, SystemClock
from engine.delivery import Dispatcher, RetryPolicy
from engine.delivery.poller import POLL_SECONDS
from engine.metrics import Metrics
from engine.store import DeliveryState, FreshAlert, NewAlert, OpenMode, Store, open_store
from tests.support.patience import PATIENCE_SECONDS, await_that
from tests.unit.delivery.manual_clock import ManualClock
from tests.unit.delivery.observed_store import ObservedStore
from tests.unit.delivery.scripted_target import Script, ScriptedTarget

POLICY = RetryPolicy(jitter=0.0)


def channel_of(target_id: str) -> str:
    """The channel of "mail/ann", and of the target that stands in for what can't be made of it."""
    return re.split("[/:]", target_id)[0]


class Stage:
    """What a delivery test needs; a context manager that stops and closes everything."""

    def __init__(self, folder: Path, *, in_real_time: bool = False) -> None:
        """`in_real_time`: by the machine's clock instead of the test's."""
        self._url = f"sqlite:///{folder / 'alerts.db'}"
        self.clock = ManualClock()
        self._in_real_time = in_real_time
        self.metrics = Metrics()
        self.targets: dict[str, Target] = {}
        self.store = ObservedStore(self._open(OpenMode.ENGINE))
        self.dispatcher: Dispatcher | None = None
        self.kill_points: list[str] = []
        self._made = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self.store.store.close()

    def target(
        self, name: str, script: Script | None = None, concurrency: int = 1
    ) -> ScriptedTarget:
        """A target "mail/ann" of the channel "mail", for the next start."""
        target = ScriptedTarget(name, concurrency=concurrency, monotonic=self.clock.monotonic)
        if script is not None:
            target.script = script
        self.targets[name] = target
        return target

    def start(self, policy: RetryPolicy = POLICY, **options: Any) -> Dispatcher:
        """Start to deliver through all targets made; the poller has polled for the first time.

        A target that was held before that would be probed at once.
        """
        options.setdefault("kill_point", self.kill_points.append)
        clock: Clock = SystemClock() if self._in_real_time else self.clock
        if not self._in_real_time:
            options["wait"] = self.clock.wait
        self.dispatcher = Dispatcher(
            self.store, dict(self.targets), policy, self.metrics, clock, **options
        )
        self.dispatcher.start()
        if not self._in_real_time:
            self.clock.await_sleeper(self.clock.monotonic() + POLL_SECONDS)
        return self.dispatcher

    def stop(self, timeout_seconds: float = PATIENCE_SECONDS) -> None:
        """Stop to deliver; the store stays open."""
        if self.dispatcher is not None:
            self.dispatcher.stop(timeout_seconds)
            self.dispatcher = None

    def add(self, *targets: str, priority: Priority = Priority.MEDIUM) -> str:
        """Store an alert for these targets and tell the dispatcher; the alert's id."""
        alert_id = self.store_only(*targets, priority=priority)
        if self.dispatcher is not None:
            routes = tuple((channel_of(target), target) for target in targets)
            self.dispatcher.wake([FreshAlert(alert_id, routes, self.clock.monotonic())])
        return alert_id

    def store_only(self, *targets: str, priority: Priority = Priority.MEDIUM) -> str:
        """Store an alert for these targets; the alert's id."""
        with self._lock:
            self._made += 1
            made = self._made
        alert = Alert(f"a{made:04}", "r1", "A rule", priority, "text", "", "")
        routes = tuple((channel_of(target), target) for target in targets)
        digest = blake2b(alert.alert_id.encode(), digest_size=16).digest()
        self.store.store.save([NewAlert(alert, digest, None, made, routes)])
        return alert.alert_id

    def redeliver(self, ask: Callable[[Store], object]) -> None:
        """Let another process do something to the store."""
        with self._open(OpenMode.TOOL) as other:
            ask(other)

    def states(self, target_id: str) -> dict[str, DeliveryState]:
        """The state of every delivery to a target, by alert id."""
        return {
            stored.alert.alert_id: each.state
            for stored in self.store.store.alerts(10_000)
            for each in stored.deliveries
            if each.target_id == target_id
        }

    def metric(self, name: str, **labels: str) -> float:
        """A sample's value, 0 when there is none."""
        return self.metrics.registry.get_sample_value(f"alert_engine_{name}", labels) or 0.0

    def await_metric(self, value: float, name: str, **labels: str) -> None:
        """Wait until the sample has this value: it is counted a moment after it is stored."""
        await_that(lambda: self.metric(name, **labels) == value)

    def pass_time_until(self, is_so: Callable[[], bool]) -> None:
        """Let one second after the other pass, each when somebody sleeps until then."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        second = int(self.clock.monotonic())
        while not is_so():
            assert time.monotonic() < deadline
            second += 1
            self.clock.sleep_over(float(second))

    def _open(self, mode: OpenMode) -> Store:
        clock = time.time if self._in_real_time else self.clock.epoch
        return open_store(self._url, mode, clock=clock)


def await_no_threads() -> None:
    """Wait until no thread delivers: one whose work is done may need a moment to end."""
    await_that(lambda: not delivery_threads(), delivery_threads)


def delivery_threads() -> list[str]:
    """The names of the threads that deliver."""
    return [each.name for each in threading.enumerate() if each.name.startswith("delivery")]
