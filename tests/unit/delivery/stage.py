"""Dispatchers on a real store with scripted targets and a clock that the test moves."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from channels.alert import Alert, Priority, Target
from engine.clock import Clock, SystemClock
from engine.delivery import Dispatcher, RetryPolicy
from engine.errors import StoreUnavailableError
from engine.metrics import Metrics
from engine.store import (
    Ask,
    Batch,
    Deliveries,
    DeliveryState,
    FreshAlert,
    GroupPlace,
    NewAlert,
    OpenMode,
    Store,
    StoredDelivery,
    open_store,
)
from tests.support.patience import PATIENCE_SECONDS, await_that
from tests.unit.delivery.manual_clock import ManualClock
from tests.unit.delivery.scripted_target import Gate, Script, ScriptedTarget

POLICY = RetryPolicy(jitter=0.0)
#: How long the clock stands still at most between two steps of `pass_to`.
STEP_SECONDS = 1.0


def channel_of(target_id: str) -> str:
    """The channel of "mail:ann", and of the target that stands in for what can't be made of it."""
    return target_id.partition(":")[0]


class Lock:
    """A store that can be made to fail: another process has it, and does not let go."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries
        self.is_locked = False
        #: How many more turns it takes; None for no limit.
        self.limit: int | None = None

    def __getattr__(self, name: str) -> Any:
        if self.limit is not None and name == "turn":
            self.is_locked = self.limit == 0
            self.limit = max(0, self.limit - 1)
        if self.is_locked:
            raise StoreUnavailableError("the disk is full")
        return getattr(self._deliveries, name)


class Stage:
    """What a delivery test needs; a context manager that stops and closes everything."""

    def __init__(self, folder: Path, *, url: str = "", in_real_time: bool = False) -> None:
        """`in_real_time`: by the machine's clock instead of the test's."""
        self._url = url or f"sqlite:///{folder / 'alerts.db'}"
        self.clock = ManualClock()
        self._in_real_time = in_real_time
        self.metrics = Metrics()
        self.targets: dict[str, Target] = {}
        self.store = self.open_store(OpenMode.ENGINE)
        self.lock = Lock(self.store.deliveries)
        self.dispatchers: list[Dispatcher] = []
        self.kill_points: list[str] = []
        self._others: list[Store] = []
        self._frozen: list[Dispatcher] = []
        self._thaw = threading.Event()
        self._made = 0
        self._made_lock = threading.Lock()

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *exc: object) -> None:
        Gate.open_all()
        self.dispatchers += self._frozen
        self._thaw.set()
        self.stop()
        for store in (*self._others, self.store):
            store.close()

    def target(
        self, name: str, script: Script | None = None, concurrency: int = 1
    ) -> ScriptedTarget:
        """A target "mail:ann" of the channel "mail", for the next start."""
        target = ScriptedTarget(name, concurrency=concurrency, monotonic=self.clock.monotonic)
        if script is not None:
            target.script = script
        self.targets[name] = target
        return target

    def start(self, policy: RetryPolicy = POLICY, **options: Any) -> Dispatcher:
        """Start to deliver through all targets made, as a new process, and let it come to rest."""
        self.store.deliveries._run_us = None
        return self._start(self.lock, policy, options)

    def start_another(self, policy: RetryPolicy = POLICY, **options: Any) -> Dispatcher:
        """Start a second dispatcher on the same store, as another replica has it."""
        other = self.open_store(OpenMode.TOOL)
        self._others.append(other)
        # On one SQLite file, and as if it were PostgreSQL: it may not take the other's claims.
        other.deliveries.is_shared = True
        return self._start(other.deliveries, policy, options)

    def _start(self, deliveries: Any, policy: RetryPolicy, options: dict[str, Any]) -> Dispatcher:
        options.setdefault("kill_point", self.kill_points.append)
        options.setdefault("owner", str(uuid.uuid4()))
        targets = options.pop("targets", self.targets)
        clock: Clock = SystemClock() if self._in_real_time else self.clock
        if not self._in_real_time:
            options["wait"] = self._wait
        dispatcher = Dispatcher(deliveries, dict(targets), policy, self.metrics, clock, **options)
        self.dispatchers.append(dispatcher)
        dispatcher.start()
        self.settle()
        return dispatcher

    def stop(self, timeout_seconds: float = PATIENCE_SECONDS) -> None:
        """Stop to deliver; the store stays open."""
        while self.dispatchers:
            self.dispatchers.pop().stop(timeout_seconds)

    def freeze(self, dispatcher: Dispatcher) -> None:
        """Halt the process of this dispatcher, as SIGSTOP does; its sends hang in a Gate."""
        self.dispatchers.remove(dispatcher)
        self._frozen.append(dispatcher)

    def thaw(self, dispatcher: Dispatcher) -> None:
        """Let the process of this dispatcher go on."""
        self._frozen.remove(dispatcher)
        self.dispatchers.append(dispatcher)
        self._thaw.set()

    def add(
        self, *targets: str, priority: Priority = Priority.MEDIUM, is_settled: bool = True
    ) -> str:
        """Store an alert for these targets and tell the dispatchers; the alert's id."""
        (alert_id,) = self.add_all(1, *targets, priority=priority, is_settled=is_settled)
        return alert_id

    def add_all(
        self,
        count: int,
        *targets: str,
        priority: Priority = Priority.MEDIUM,
        is_settled: bool = True,
    ) -> list[str]:
        """Store so many alerts, tell the dispatchers once, and let them come to rest."""
        ids = [self.store_only(*targets, priority=priority) for _ in range(count)]
        routes = tuple((channel_of(target), target) for target in targets)
        for dispatcher in self.dispatchers:
            dispatcher.wake([FreshAlert(each, routes, self.clock.monotonic()) for each in ids])
        if is_settled:
            self.settle()
        return ids

    def store_only(
        self,
        *targets: str,
        priority: Priority = Priority.MEDIUM,
        place: GroupPlace | None = None,
    ) -> str:
        """Store an alert for these targets, with its place in a group of each; the alert's id."""
        with self._made_lock:
            self._made += 1
            made = self._made
        alert = Alert(f"a{made:04}", "r1", "A rule", priority, "text", "", "")
        routes = tuple((channel_of(target), target) for target in targets)
        digest = blake2b(alert.alert_id.encode(), digest_size=16).digest()
        places = {} if place is None else dict.fromkeys(targets, place)
        new = NewAlert(alert, digest, None, made, routes, places=places)
        self.store.stream.decide(Ask((), {}), lambda past: Batch([new], {}))
        return alert.alert_id

    def use(self, targets: Mapping[str, Target] | Iterable[str], **options: Any) -> None:
        """Reload: use these targets (or those of these names) and no others; come to rest."""
        if not isinstance(targets, Mapping):
            targets = {name: self.targets[name] for name in targets}
        for dispatcher in self.dispatchers:
            dispatcher.use(targets, **options)
        self.settle()

    def in_another_process(self, ask: Callable[[Store], object]) -> None:
        """Let another process do something to the store."""
        with self.open_store(OpenMode.TOOL) as other:
            ask(other)

    def states(self, target_id: str) -> dict[str, DeliveryState]:
        """The state of every delivery to a target, by alert id."""
        return {
            stored.alert.alert_id: each.state
            for stored in self.store.archive.alerts(10_000)
            for each in stored.deliveries
            if each.target_id == target_id
        }

    def delivery(self, alert_id: str, target_id: str) -> StoredDelivery:
        """The delivery of this alert to this target as the store has it."""
        stored = self.store.archive.alert(alert_id)
        assert stored is not None
        return next(each for each in stored.deliveries if each.target_id == target_id)

    def await_state(self, alert_id: str, target_id: str, state: DeliveryState) -> StoredDelivery:
        """Wait until the delivery is in this state."""
        await_that(lambda: self.delivery(alert_id, target_id).state is state)
        return self.delivery(alert_id, target_id)

    def await_log(self, logs: Sequence[Any], event: str, count: int = 1) -> None:
        """Wait until so many lines have this event."""
        await_that(lambda: sum(log["event"] == event for log in logs) >= count, lambda: logs)

    def metric(self, name: str, **labels: str) -> float:
        """A sample's value, 0 when there is none."""
        return self.metrics.registry.get_sample_value(f"alert_engine_{name}", labels) or 0.0

    def settle(self) -> None:
        """Wait until nothing more happens without the clock: all sleep, or hang in a Gate."""
        if not self._in_real_time:
            await_that(self._is_at_rest, self._describe, step_seconds=0.0005)

    def pass_to(self, seconds: float) -> None:
        """Let the time be `seconds` since the start, with all that is due until then."""
        self.settle()
        while (now := self.clock.monotonic()) < seconds:
            untils = [self._wakes_at(each) for each in self.dispatchers]
            self.clock.move_to(min([seconds, now + STEP_SECONDS, *untils]))
            self.settle()

    def leap(self, seconds: float) -> None:
        """Let so many seconds pass at once, and then what is due."""
        self.clock.move_to(self.clock.monotonic() + seconds)
        self.settle()

    def _wakes_at(self, dispatcher: Dispatcher) -> float:
        changed = dispatcher._claimer._changed
        return self.clock.sleeps_until(changed) or float("inf")

    def _is_at_rest(self) -> bool:
        sending = 0
        for dispatcher in self.dispatchers:
            claimer = dispatcher._claimer
            with claimer._changed:
                sending += len(claimer._in_flight) - len(claimer._finished)
                is_asleep = self.clock.sleeps_until(claimer._changed) is not None
                is_idle = is_asleep and not claimer._is_due
            if dispatcher._thread.is_alive() and not is_idle:
                return False
        sending += sum(each._claimer.in_flight for each in self._frozen)
        return sending == Gate.count()

    def _describe(self) -> str:
        return f"in flight {[each._claimer.in_flight for each in self.dispatchers]}, {Gate.hanging}"

    def _wait(self, condition: threading.Condition, seconds: float | None) -> None:
        self.clock.wait(condition, seconds)
        if any(each._claimer._changed is condition for each in self._frozen):
            self._thaw.wait(PATIENCE_SECONDS)

    def open_store(self, mode: OpenMode) -> Store:
        """The store of this test, once more."""
        clock = time.time if self._in_real_time else self.clock.epoch
        return open_store(self._url, mode, clock=clock)


def delivery_threads() -> list[str]:
    """The names of the threads that deliver."""
    return [each.name for each in threading.enumerate() if each.name.startswith("delivery")]


def await_no_threads() -> None:
    """Wait until no thread delivers: one whose work is done may need a moment to end."""
    await_that(lambda: not delivery_threads(), delivery_threads)
