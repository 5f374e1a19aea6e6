"""The composition root: builds the engine from its settings, and runs it as a process.

`Engine` starts the parts, and stops them in order. `serve` gives it the first rules and the
signals: SIGTERM and SIGINT stop it, SIGHUP loads the rules again. `kill_point_at` is for the crash
tests, which kill the process at a step.
"""

from __future__ import annotations

import os
import platform
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from enum import StrEnum
from hashlib import blake2b
from importlib.metadata import version
from itertools import chain
from types import FrameType
from typing import Final

import structlog

from channels.alert import MessageKind, Reason
from channels.redact import redact
from channels.targets.identity import former_ids
from engine.cameras.sightings import Sightings
from engine.cameras.watch import CameraWatch, Parts
from engine.cel.values.values import FailureKind
from engine.clock import Clock, SystemClock
from engine.dead_letters.office import DeadLetterOffice
from engine.dead_letters.producer import DeadLetterProducer
from engine.delivery import Dispatcher, RetryPolicy
from engine.errors import (
    AlertEngineError,
    RegistryUnavailableError,
    SettingsError,
    StoreError,
    StoreUnavailableError,
)
from engine.health import (
    LOST_SECONDS,
    STUCK_SECONDS,
    Check,
    Heartbeat,
    Stage,
    find_stuck_threads,
)
from engine.logs.setup import flush_logs, lost_lines
from engine.metrics import Metrics
from engine.pipeline.active_rules import longest_cooldown, prepare, row_counts, targets_of
from engine.pipeline.cooldown import Cooldown
from engine.pipeline.event_log import EventLog
from engine.pipeline.loop import Loop
from engine.pipeline.pipeline import Pipeline
from engine.pipeline.silences import StoredSilences
from engine.reload.last_good import last_good_of
from engine.reload.loader import open_rules, rule_source_of
from engine.reload.recorder import RuleRecorder
from engine.reload.watcher import RulesHealth, RuleWatcher, log_misconfigured, log_warnings
from engine.rules import RuleSet
from engine.rules.load import collect_and_freeze, collector_paused, frozen_afterwards
from engine.schema import EventSchema
from engine.schema.event import CurrentInstants
from engine.service.housekeeping import Housekeeper
from engine.service.http import StoreProbe, WebPort
from engine.service.replicas import Replicas
from engine.settings import Settings
from engine.store import Hold, Instance, open_store, why_temporary
from engine.stream.consumer import Consumer
from engine.stream.decoder import Decoder
from engine.stream.ends import StreamEnds
from engine.stream.registry import SchemaRegistry
from engine.stream.state import StreamState, names

log = structlog.get_logger(__name__)

#: How long sends in flight may take to end, while the consumer leaves its group.
STOP_SECONDS: Final = 5.0
#: A record waits for its schema for a minute at most while the registry works. When partitions wait
#: longer, the engine is not ready.
HELD_LONG_SECONDS: Final = 120.0
#: After so long the process is ended, whatever blocks its end: a locked store, a disk that hangs.
LONGEST_STOP_SECONDS: Final = 9.0
#: How long a process that is ended at once waits for its last log lines.
LAST_LINES_SECONDS: Final = 0.3


class Engine:
    """All parts of the engine; a context manager that starts and stops them. `run` is the loop."""

    def __init__(self, settings: Settings, schema: EventSchema, rule_set: RuleSet) -> None:
        self.settings = settings
        self.schema = schema
        self.rule_set = rule_set
        self.metrics = Metrics()
        self.rules_health = RulesHealth(self.metrics, len(rule_set.rules))
        self.stop = threading.Event()
        self.heartbeat = Heartbeat()
        #: The heartbeats of the other threads, by name.
        self.threads: dict[str, Heartbeat] = {}
        #: What tells this engine from all others that ever run on the store.
        self.instance_id = f"{platform.node()}-{uuid.uuid4().hex[:8]}"
        self._version = version("alpr-alert-engine")
        self._clock: Clock = SystemClock()
        self._stop_by = 0.0
        self._sightings = Sightings()
        self._stack = ExitStack()

    def __enter__(self) -> Engine:
        with ExitStack() as stack:
            self._build(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _build(self, stack: ExitStack) -> None:
        settings = self.settings
        kill_point = kill_point_at(settings.kill_point)
        self._prepare_metrics(self.rule_set)
        self.metrics.prepare_fields(self.schema.promises.fields)
        password = settings.state_password.reveal()
        self.store = stack.enter_context(open_store(settings.state_url, password=password))
        if not self.store.is_shared:
            # No other engine has this file: what is noted there was killed.
            if self.store.instances.all():
                self.store.cameras.readings_lost()
            self.store.instances.forget_all()
        else:
            # Before a beat forgets those that were killed long ago.
            self.store.cameras.notes(self.instance_id)
        self.replicas = Replicas(self.store.instances, self._describe, self.metrics)
        self._store_probe = StoreProbe(self.store.archive.check_writable)
        self._key = self.store.key
        targets = targets_of(self.rule_set, self._key)
        self._rules_digest = _digest_of(self.rule_set, targets)
        self.dispatcher = Dispatcher(
            self.store.deliveries,
            targets,
            RetryPolicy(settings.max_retries, settings.retry_delay_base_seconds),
            self.metrics,
            self._clock,
            owner=self.instance_id,
            workers=settings.delivery_workers,
            claim_seconds=settings.claim_seconds,
            hold_seconds=settings.hold_seconds,
            switched_off=self.rule_set.switched_off,
            former_ids=self._former_ids(),
            # Asked anew each time: another engine may have begun just before.
            replicas_agree=self.replicas.beat,
            kill_point=kill_point,
        )
        stack.callback(self._stop_delivery)
        self.loop = self._build_loop(stack, kill_point)
        # Before it stores an alert: the others must know of its rules by then.
        self.replicas.beat()
        self.recorder = RuleRecorder(self.store.rule_sets, self.instance_id)
        self.recorder.use(self.rule_set)
        self.recorder.record()
        self.housekeeper = stack.enter_context(
            Housekeeper(
                self.store,
                self.metrics,
                self.replicas,
                settings.retention_seconds,
                longest_cooldown(self.rule_set),
                settings.dlq_keep.age_seconds,
                self.recorder,
            )
        )
        # Behind the housekeeper: what was seen last is noted before this engine leaves.
        self.cameras = stack.enter_context(self._build_watch())
        self.threads["cameras"] = self.cameras.heartbeat
        self.threads["delivery"] = self.dispatcher.heartbeat
        self.threads["housekeeper"] = self.housekeeper.heartbeat
        self.heartbeat.beat(Stage.STARTING)
        self.web = stack.enter_context(
            WebPort(
                settings.metrics_host,
                settings.metrics_port,
                self._exposition,
                self.checks,
                self.life,
            )
        )
        # Last: an engine that fails to start again and again must not send each time.
        self.dispatcher.start()

    def _stored_silences(self) -> StoredSilences:
        """The silences for one thread: each that asks has its own."""
        return StoredSilences(
            self.store.silences, self.schema, self._clock.monotonic, self.rule_set.costs
        )

    def _build_watch(self) -> CameraWatch:
        settings, clock = self.settings, self._clock
        watch = CameraWatch(
            Parts(
                self.store.cameras,
                self._sightings,
                lambda: StreamEnds(settings),
                self._stored_silences().current,
                self.dispatcher.wake,
                self.metrics,
                clock,
            ),
            self.instance_id,
            settings.retention_seconds,
            is_shared=self.store.is_shared,
        )
        watch.use(self.pipeline.in_force)
        return watch

    def _former_ids(self) -> Mapping[str, str]:
        """The targets' ids, by those that the version before has stored."""
        targets = chain.from_iterable(self.rule_set.channels.values())
        return former_ids(targets, self._key)

    def _describe(self) -> Instance:
        """What this engine says of itself in the store."""
        partitions = self.consumer.state.partitions
        return Instance(
            instance_id=self.instance_id,
            host=platform.node(),
            version=self._version,
            rules_digest=self._rules_digest,
            partitions=tuple(names(partitions)),
            lag=sum(self.consumer.lag().values()),
        )

    def _build_loop(self, stack: ExitStack, kill_point: Callable[[str], None]) -> Loop:
        settings, clock = self.settings, self._clock
        registry = SchemaRegistry(
            settings.schema_registry_url.reveal(), settings.schema_registry_options.reveal()
        )
        stack.callback(registry.close)
        cooldown = Cooldown(timer=clock.monotonic)
        stack.callback(self._save_counts, cooldown)
        self.pipeline = Pipeline(
            Decoder(
                self.schema,
                registry,
                settings.event_timezone,
                CurrentInstants(clock.now, settings.max_alert_age_seconds),
            ),
            cooldown,
            self.store.stream,
            self.metrics,
            clock,
            max_alert_age_seconds=settings.max_alert_age_seconds,
            write_log=EventLog(clock, log_plates=settings.log_plates).write,
            kill_point=kill_point,
            heartbeat=self.heartbeat,
            silences=self._stored_silences().current,
            on_seen=self._sightings.add,
        )
        self.pipeline.use(prepare(self.rule_set, self._key))
        producer = DeadLetterProducer(settings) if settings.enable_dlq else None
        if producer is not None:
            stack.callback(producer.close)
        self.office = DeadLetterOffice(
            producer,
            self.store.letters,
            self.metrics,
            clock,
            self.stop.is_set,
            settings.dlq_keep.size_bytes,
            heartbeat=self.heartbeat,
        )
        self.consumer = Consumer(settings)
        stack.callback(self.consumer.close)
        return Loop(
            self.consumer,
            self.pipeline,
            self.office,
            self.dispatcher.wake,
            self.metrics,
            clock,
            self.stop,
            batch_size=settings.batch_size,
            kill_point=kill_point,
            heartbeat=self.heartbeat,
        )

    def _save_counts(self, cooldown: Cooldown) -> None:
        try:
            self.store.stream.save_suppressed(cooldown.carried)
        except StoreError as error:
            log.warning("suppressed_counts.lost", error=str(error))

    def use(self, rule_set: RuleSet) -> None:
        """Put another rule set in force between two batches; one thread at a time may call it.

        An error is raised before anything is changed.
        """
        with collector_paused():
            prepared, targets = prepare(rule_set, self._key), targets_of(rule_set, self._key)
        self._prepare_metrics(rule_set)
        # New targets first, old ones last: a delivery to an unknown target would be dead.
        self.dispatcher.add_targets(targets)
        self.rule_set, self._rules_digest = rule_set, _digest_of(rule_set, targets)
        self.recorder.use(rule_set)
        if self._tell_replicas():
            self.recorder.record()
        self.pipeline.use(prepared)
        self.cameras.use(prepared)
        self.dispatcher.use(targets, rule_set.switched_off)
        self.housekeeper.longest_cooldown_seconds = longest_cooldown(rule_set)

    def _tell_replicas(self) -> bool:
        """Whether the store has taken it."""
        try:
            self.replicas.beat()
        except StoreError as error:
            # While it takes no writes, no alert is stored either; the next beat tells them.
            log.debug("replicas.not_told", error=str(error))
            return False
        return True

    def _prepare_metrics(self, rule_set: RuleSet) -> None:
        rules = rule_set.rules
        notified = [(channel, rule.rule_id) for rule in rules for channel in rule.notify]
        priorities = [(rule.rule_id, str(rule.priority)) for rule in rules]
        if rule_set.cameras is not None:
            self.metrics.prepare_cameras(rule_set.cameras.notify)
        scheduled = [rule.rule_id for rule in rules if rule.schedule is not None]
        self.metrics.prepare(priorities, notified, [str(kind) for kind in FailureKind], scheduled)
        self.metrics.show_watchlists(row_counts(rule_set))
        for channel in rule_set.channels:
            self.metrics.prepare_channel(channel, map(str, Reason), map(str, MessageKind))

    def run(self) -> None:
        """Consume until `stop` is set."""
        log.info(
            "engine.started",
            version=self._version,
            rules=len(self.rule_set.rules),
            channels=sorted(self.rule_set.channels),
            topics=self.settings.kafka_topics,
            port=self.web.port,
        )
        try:
            self.loop.run()
        finally:
            log.info("engine.stopping")
            # Sends in flight may end while the group is left.
            self.dispatcher.stop_sending()
            self._stop_by = self._clock.monotonic() + STOP_SECONDS

    def _stop_delivery(self) -> None:
        self.dispatcher.stop(max(0.0, self._stop_by - self._clock.monotonic()))

    def checks(self) -> Mapping[str, Check]:
        """The checks of `/readyz`, by name."""
        obstacle = self.loop.obstacle
        held = self.dispatcher.held()
        found = {
            "consuming": self._consuming_check(obstacle),
            "store": self._store_check(obstacle),
            "rules": self.rules_health.check(),
            "channels": self._channels_check(held),
            "threads": self._threads_check(),
        }
        if refusal := self.office.refusal:
            detail = f"{self.settings.dlq_topic} takes no letters, the store keeps them: {refusal}"
            found["dead_letters"] = Check(False, detail, is_essential=False)
        return found

    def life(self) -> Check:
        """The check of `/healthz`: bad where the loop hangs so long that only a restart helps."""
        stuck = self.heartbeat.find_stuck(LOST_SECONDS)
        return Check(True) if stuck is None else Check(False, f"loop {stuck}")

    def _consuming_check(self, obstacle: AlertEngineError | None) -> Check:
        stream = self.consumer.state
        what = str(obstacle) if obstacle is not None else stream.detail
        # A loop that hangs does not renew its state and obstacle.
        stuck = self.heartbeat.find_stuck(STUCK_SECONDS)
        if stuck is not None:
            return Check(False, f"{stuck}; before that: {what}")
        if stream.is_consuming and isinstance(obstacle, RegistryUnavailableError):
            return self._held_check(obstacle, stream)
        is_consuming = stream.is_consuming and obstacle is None
        if is_consuming and stream.missing_topics:
            # The topics that exist are read.
            is_any_there = not stream.missing_topics.issuperset(self.settings.kafka_topics)
            return Check(False, what, is_essential=not is_any_there)
        return Check(is_consuming, what)

    def _held_check(self, obstacle: AlertEngineError, stream: StreamState) -> Check:
        """Partitions that wait for a schema: not ready only where all wait, or one for too long."""
        held, now = self.loop.held_since, self._clock.monotonic()
        longest = max((now - since for since in held.values()), default=0.0)
        is_all = held.keys() >= stream.partitions
        return Check(
            False,
            f"{len(held)} of {len(stream.partitions)} partitions wait for {longest:.0f} s: "
            f"{obstacle}",
            is_essential=is_all or longest > HELD_LONG_SECONDS,
            facts={"waiting": names(held)},
        )

    def _threads_check(self) -> Check:
        stuck = find_stuck_threads(self.threads)
        detail = "; ".join(f"{name} {pulse}" for name, pulse in stuck.items())
        return Check(not stuck, detail or "all at work", is_essential=False)

    def _channels_check(self, held: Sequence[Hold]) -> Check:
        misconfigured = {
            channel: [redact(str(fault)) for fault in faults]
            for channel, faults in self.rule_set.misconfigured.items()
        }
        return Check(
            not held,
            "held: " + ", ".join(f"{each.target_id} ({each.reason})" for each in held)
            if held
            else "all open",
            is_essential=False,
            facts={"misconfigured": misconfigured} if misconfigured else {},
        )

    def _store_check(self, obstacle: AlertEngineError | None) -> Check:
        # The probe's small row may fit where a batch of alerts does not.
        if isinstance(obstacle, StoreUnavailableError):
            return Check(False, str(obstacle))
        return self._store_probe.check()

    def _exposition(self) -> bytes:
        checks = self.checks()
        consuming = checks["consuming"]
        self.metrics.consuming.set(consuming.is_good or not consuming.is_essential)
        self.metrics.store_writable.set(checks["store"].is_good)
        self.metrics.show_lost_lines(lost_lines())
        for name, heartbeat in {"loop": self.heartbeat, **self.threads}.items():
            self.metrics.heartbeat_age.labels(name).set(heartbeat.look().age_seconds)
        return self.metrics.exposition()


def _digest_of(rule_set: RuleSet, target_ids: Iterable[str]) -> str:
    """A digest of what decides where alerts go, the same in all engines that have the same."""
    # Variables make targets too, so that the same files may name others.
    rules = "\n".join((rule_set.digest, *sorted(target_ids)))
    return blake2b(rules.encode(), digest_size=6).hexdigest()


def serve(settings: Settings, *, strict: bool = False) -> int:
    """Run the service until SIGTERM or SIGINT; a second signal ends the process at once.

    SIGHUP loads the rules again. Where they hold faults at the start, the last good ones are used,
    unless `strict`. Returns the exit code 0; raises what keeps the engine from starting.
    """
    # Until the engine runs. Process 1 of a container ignores a SIGTERM without a handler.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    asked: list[int] = []
    signal.signal(signal.SIGHUP, lambda number, frame: asked.append(number))
    source, kept, clock = rule_source_of(settings), last_good_of(settings), SystemClock()
    with frozen_afterwards():
        opening = open_rules(source, kept, clock, strict=strict)
    log_warnings(opening.rule_set)
    log_misconfigured(opening.rule_set)
    _warn_of_temporary_state(settings.state_url)
    engine = Engine(settings, source.schema, opening.rule_set)

    def use(rule_set: RuleSet) -> None:
        engine.use(rule_set)
        collect_and_freeze()

    watcher = RuleWatcher(source, opening, use, engine.rules_health, kept, clock)
    engine.threads["rules"] = watcher.heartbeat
    # Frees the first rule set, and its watchlists, when another one is in force.
    del opening

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        if engine.stop.is_set():
            flush_logs(LAST_LINES_SECONDS)
            os._exit(128 + number)
        engine.stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    signal.signal(signal.SIGHUP, lambda number, frame: watcher.ask())
    if asked:
        watcher.ask()
    threading.Thread(target=_end_late, args=(engine.stop,), name="last-word", daemon=True).start()
    with engine, watcher:
        engine.run()
    log.info("engine.stopped")
    return 0


class KillPoint(StrEnum):
    """Where on an event's way a test can kill the process."""

    READ = "read"
    MATCH = "match"
    STORE = "store"
    COMMIT = "commit"
    SEND = "send"
    SENT = "sent"
    MARK = "mark"


def kill_point_at(spec: str) -> Callable[[str], None]:
    """Returns the function that the steps call by their names; it kills the process at one of them.

    `spec` is the name of a KillPoint, or `name:count` for the count-th time it is reached. With an
    empty one the function does nothing. Raises SettingsError for anything else.
    """
    if not spec:
        return lambda name: None
    chosen, _, count = spec.partition(":")
    number = int(count) if count.isdigit() else 0 if count else 1
    if chosen not in tuple(KillPoint) or number < 1:
        known = ", ".join(KillPoint)
        raise SettingsError(
            (f"ALERT_ENGINE_FAULT_POINT: {spec!r} is not one of {known}, or one with :count",)
        )
    remaining = [number]
    lock = threading.Lock()

    def kill_point(name: str) -> None:
        if name != chosen:
            return
        with lock:
            remaining[0] -= 1
            if remaining[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return kill_point


def _warn_of_temporary_state(state_url: str) -> None:
    if reason := why_temporary(state_url):
        log.warning(
            "state.temporary", reason=reason, remedy="mount a named volume or a folder at /data"
        )


def _end_late(stop: threading.Event) -> None:
    """End the process if it has not stopped `LONGEST_STOP_SECONDS` after it was asked to."""
    stop.wait()
    time.sleep(LONGEST_STOP_SECONDS)
    log.error("engine.cut_short", remedy="none: what it had not finished is done after the restart")
    flush_logs(LAST_LINES_SECONDS)
    os._exit(1)
