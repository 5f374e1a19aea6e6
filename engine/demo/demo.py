"""The demo: broker, registry, cameras and receivers around the real engine, in one process.

`Screen` shows on a terminal the alerts as they arrive, and the figures at the end.
"""

from __future__ import annotations

import dataclasses
import random
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from channels.alert import Target
from channels.definitions.channel_entry import entry_targets
from engine.demo.cameras import Cameras, as_written, instants
from engine.demo.receivers import Arrival, Receivers
from engine.demo.servers import EmbeddedBroker, RegistryServer
from engine.demo.street import EventPublisher
from engine.logs.text import printable
from engine.rules import RuleSet, examples_of, load_rules
from engine.schema import EVENT_ID, EventSchema, load_event_schema
from engine.service.engine import Engine
from engine.settings import Secret, Settings
from engine.watchlist import costs_of

READY_SECONDS: Final = 30.0
DRAIN_SECONDS: Final = 15.0
PAUSE_SECONDS: Final = 0.05
# How many events and alerts have their times kept: a demo may run for days.
REMEMBERED: Final = 10_000
# The channels of rules without an enabled one, so that the alerts of every rule are shown.
FALLBACK_CHANNELS: Final = ("email", "webhook")
RECEIVERS_ONLY: Final = "alerts go to receivers inside the demo, never to the rules' own addresses"
PRIORITY_STYLES: Final = {"high": "bold red", "medium": "yellow", "low": "cyan"}


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a demo; a latency is the seconds from an event's publishing to its alert."""

    seconds: float
    events: int
    unread: int
    matches: int
    suppressed: int
    alerts: int
    delivered: int
    failed: int
    waiting: int
    latencies: Sequence[float]


class Screen:
    """Writes to one terminal from several threads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Write one line about the demo itself."""
        with self._lock:
            self._console.print(Text(text, style="dim"))

    def arrived(self, arrival: Arrival, latency_seconds: float | None) -> None:
        """Write one alert; `latency_seconds` is None where the event's publishing is unknown."""
        after = "" if latency_seconds is None else f"{latency_seconds * 1000:5.0f} ms"
        first_line = printable(" ".join(arrival.text.split()))
        line = Text.assemble(
            (f"{arrival.channel:>8} ", "bold blue"),
            (f"{after:>8}  ", "dim"),
            (first_line, PRIORITY_STYLES.get(arrival.priority, "")),
        )
        with self._lock:
            self._console.print(line, no_wrap=True, overflow="ellipsis")

    def summary(self, summary: Summary) -> None:
        """Write the figures as a table."""
        table = Table(title=f"{summary.seconds:.0f} seconds of plates", show_header=False)
        table.add_column(style="bold")
        table.add_column(justify="right")
        for name, value in (
            ("events", summary.events),
            ("events not consumed", summary.unread),
            ("matches", summary.matches),
            ("suppressed by cooldown", summary.suppressed),
            ("alerts", summary.alerts),
            ("delivered", summary.delivered),
            ("not delivered", summary.waiting),
            ("tries that failed", summary.failed),
        ):
            table.add_row(name, f"{value:,}")
        for name, share in (("latency, median", 0.5), ("latency, 99 %", 0.99)):
            table.add_row(name, _milliseconds(summary.latencies, share))
        with self._lock:
            self._console.print(table)


class LatencyWatch:
    """Measures the time from the publishing of an event to the arrival of its alert."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._published: dict[str, float] = {}
        self.latencies: deque[float] = deque(maxlen=REMEMBERED)
        self.arrivals = 0

    def published(self, event_id: str) -> None:
        """Note that an event is published now; one without an id can't be matched to its alert."""
        if not event_id:
            return
        self._published[event_id] = time.monotonic()
        if len(self._published) > REMEMBERED:
            del self._published[next(iter(self._published))]

    def arrived(self, arrival: Arrival) -> None:
        """Note that a receiver took an alert, and show it."""
        self.arrivals += 1
        since = self._published.get(arrival.event_id)
        latency = None if since is None else time.monotonic() - since
        if latency is not None:
            self.latencies.append(latency)
        self._screen.arrived(arrival, latency)


class DemoParts:
    """The running parts of a demo, which publish events and count what came of them."""

    def __init__(self, engine: Engine, publisher: EventPublisher, watch: LatencyWatch) -> None:
        self.engine = engine
        self._publisher = publisher
        self._watch = watch
        self._events = 0

    def play(self, cameras: Cameras, seconds: float, rate: float) -> float:
        """Publish `rate` events a second for `seconds` (0: until Ctrl-C); returns the seconds."""
        self._wait_until(self._is_reading, READY_SECONDS)
        started = time.monotonic()
        zone = self.engine.settings.event_timezone
        try:
            for reading in cameras.events(instants()):
                event = as_written(reading, self.engine.schema, zone)
                due = started + self._events / rate
                if seconds and due - started >= seconds:
                    break
                time.sleep(max(0.0, due - time.monotonic()))
                self._watch.published(str(event.get(EVENT_ID) or ""))
                self._publisher.publish(event)
                self._events += 1
        except KeyboardInterrupt:
            pass
        self._publisher.flush()
        return time.monotonic() - started

    def finish(self, seconds: float) -> Summary:
        """Wait until all events are consumed and their alerts delivered; returns the figures."""
        self._wait_until(self._is_done, DRAIN_SECONDS)
        total = self.engine.metrics.total
        return Summary(
            seconds=seconds,
            events=int(total("events_consumed_total")),
            unread=max(0, self._events - int(total("events_consumed_total"))),
            matches=int(total("rules_matched_total")),
            suppressed=int(total("alerts_rate_limited_total")),
            alerts=int(total("alerts_triggered_total")),
            delivered=int(total("notifications_sent_total")),
            failed=int(total("notifications_failed_total")),
            waiting=sum(backlog.count for backlog in self.engine.store.deliveries.backlogs()),
            latencies=tuple(self._watch.latencies),
        )

    def _is_reading(self) -> bool:
        return bool(self.engine.consumer.state.partitions)

    def _is_done(self) -> bool:
        consumed = self.engine.metrics.total("events_consumed_total")
        return consumed >= self._events and not self.engine.store.deliveries.backlogs()

    @staticmethod
    def _wait_until(is_true: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not is_true() and time.monotonic() < deadline:
            time.sleep(PAUSE_SECONDS)


def run_demo(
    settings: Settings, rules_path: Path, *, seconds: float, rate: float, console: Console
) -> int:
    """Run the demo for `seconds` (0: until Ctrl-C) at `rate` events a second.

    Returns 0 when every event was consumed and every delivery arrived, else 1. Raises RulesError
    and SchemaError.
    """
    screen = Screen(console)
    with running_parts(settings, rules_path, screen) as parts:
        rule_set = parts.engine.rule_set
        count = len(rule_set.rules)
        noun = "rule" if count == 1 else "rules"
        screen.say(f"{count} {noun} of {rules_path}, {rate:g} events a second")
        screen.say(RECEIVERS_ONLY)
        screen.say(f"metrics: http://127.0.0.1:{parts.engine.web.port}/metrics; Ctrl-C ends it")
        cameras = Cameras(examples_of(rule_set.rules), random.Random())  # noqa: S311 - no secret
        summary = parts.finish(parts.play(cameras, seconds, rate))
    screen.summary(summary)
    return 1 if summary.waiting or summary.failed or summary.unread else 0


@contextmanager
def running_parts(settings: Settings, rules_path: Path, screen: Screen) -> Iterator[DemoParts]:
    """Start broker, registry, receivers and engine; stop them in the reverse order."""
    schema = load_event_schema(settings.event_schema_path)
    watch = LatencyWatch(screen)
    with ExitStack() as stack:
        receivers = stack.enter_context(Receivers(watch.arrived))
        rule_set = open_rule_set(rules_path, schema, receivers, settings)
        broker = stack.enter_context(EmbeddedBroker())
        registry = stack.enter_context(RegistryServer())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="alert-engine-demo-"))
        own = dataclasses.replace(
            settings,
            kafka_bootstrap_servers=broker.bootstrap_servers,
            # The embedded broker answers an empty fetch only after this wait.
            kafka_options=Secret({"fetch.wait.max.ms": "20"}),
            schema_registry_url=Secret(registry.url),
            schema_registry_options=Secret({}),
            state_url=f"sqlite:///{folder}/alerts.db",
            metrics_host="127.0.0.1",
            metrics_port=0,
        )
        topic = own.kafka_topics[0]
        broker.create_topic(topic)
        publisher = stack.enter_context(
            EventPublisher(broker.bootstrap_servers, registry.url, schema.text, topic)
        )
        engine = stack.enter_context(Engine(own, schema, rule_set))
        loop = threading.Thread(target=engine.run, name="loop")
        loop.start()
        try:
            yield DemoParts(engine, publisher, watch)
        finally:
            engine.stop.set()
            loop.join()


def open_rule_set(
    path: Path, schema: EventSchema, receivers: Receivers, settings: Settings
) -> RuleSet:
    """Load the rules; each channel that they name sends to one of the demo's receivers."""
    zone, costs = settings.event_timezone, costs_of(settings.plate_costs_path)

    def receiver_of(channel: str) -> tuple[Target, ...]:
        is_email = channel == "email"
        url = receivers.email_url if is_email else f"{receivers.webhook_url}/{channel}"
        return entry_targets(channel, url, {}, zone).checked()

    rule_set = load_rules([path], schema, {}, targets_by_name=receiver_of, zone=zone, costs=costs)
    rules = tuple(
        dataclasses.replace(rule, notify=rule.notify or FALLBACK_CHANNELS)
        for rule in rule_set.rules
    )
    channels = {name: receiver_of(name) for name in FALLBACK_CHANNELS} | dict(rule_set.channels)
    return dataclasses.replace(rule_set, rules=rules, channels=channels)


def _milliseconds(latencies: Sequence[float], share: float) -> str:
    if not latencies:
        return "no alert"
    ordered = sorted(latencies)
    return f"{ordered[min(int(share * len(ordered)), len(ordered) - 1)] * 1000:.0f} ms"
