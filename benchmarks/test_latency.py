"""From the read of an event to the moment its alert is handed to the channel.

1,000 events a second come from another process, one in a hundred makes an alert, which goes to two
webhooks: one that answers and one that hangs, so that its sends run into their timeouts and it is
held. Measured are the alerts of the one that answers. 1,000 mixed rules and the watchlist are in
force, deliveries are stored, sent and marked as ever, in each of the stores.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import quantiles

import pytest

from benchmarks import traffic
from benchmarks.brokers import BrokerKind, open_topics
from benchmarks.measure import Measurement
from benchmarks.mixed_rules import load
from benchmarks.plant import Plant, settings_of
from benchmarks.receivers import ReceiverProcess, Receivers
from benchmarks.stores import Stores
from benchmarks.watched_target import WatchedTarget
from channels.alert import Alert, Target
from channels.definitions.channel_entry import entry_targets
from engine.delivery import Dispatcher
from engine.pipeline.active_rules import targets_of
from engine.rules import RuleSet
from engine.settings import Secret
from engine.store import FreshAlert

SECTION = "10 latency"
RATE = 1_000
SECONDS = 20
SHARE = 0.01
PATIENCE_SECONDS = 60.0
# The embedded broker answers a fetch that found nothing only after this wait; a real one does when
# there is something.
PROMPT: Secret[Mapping[str, str]] = Secret({"fetch.wait.max.ms": "20"})
ANSWERS, HANGS = "answers", "hangs"


class Stopwatch:
    """When the events of alerts were read, and when the alerts were handed to a channel."""

    def __init__(self) -> None:
        self.read_at: dict[str, float] = {}
        self.handed_at: dict[str, float] = {}

    def hand(self, alert: Alert) -> None:
        """The alert's send begins."""
        self.handed_at[alert.alert_id] = time.monotonic()

    @property
    def milliseconds(self) -> list[float]:
        """The latencies of all alerts that were handed over."""
        return [(at - self.read_at[alert]) * 1e3 for alert, at in self.handed_at.items()]


def dispatcher_of(watch: Stopwatch) -> type[Dispatcher]:
    """A dispatcher that notes when events were read."""

    class Watched(Dispatcher):
        def wake(self, fresh: Iterable[FreshAlert]) -> None:
            alerts = list(fresh)
            watch.read_at.update((alert.alert_id, alert.read_at) for alert in alerts)
            super().wake(alerts)

    return Watched


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    """The webhooks' far ends."""
    with ReceiverProcess() as receivers:
        yield receivers


def rules_of(folder: Path, receivers: Receivers, watch: Stopwatch) -> RuleSet:
    urls = {ANSWERS: receivers.http_url, HANGS: receivers.hanging_url}

    def targets(channel: str) -> tuple[Target, ...]:
        (target,) = entry_targets(channel, urls[channel], {}).checked()
        return (WatchedTarget(target, watch.hand) if channel == ANSWERS else target,)

    return load(traffic.rules_with_watchlist(1_000, ANSWERS, HANGS), folder, targets)


def test_latency(
    measure: Measurement, tmp_path: Path, receivers: Receivers, stores: Stores
) -> None:
    watch = Stopwatch()
    rule_set = rules_of(tmp_path, receivers, watch)
    with open_topics(BrokerKind.EMBEDDED) as topics:
        topic = topics.make("plates")
        settings = dataclasses.replace(
            settings_of(topics.bootstrap_servers, topic, stores.new_url()), kafka_options=PROMPT
        )
        plant = Plant(
            settings, rule_set, RATE * SECONDS, targets_of(rule_set), dispatcher_of(watch)
        )
        plant.dispatcher.start()
        process = traffic.start(topics.bootstrap_servers, topic, RATE, SECONDS, SHARE)
        measure.rounds("latency, the whole run", plant.loop.run, 1)
        assert process.wait(PATIENCE_SECONDS) == 0
        plant.close()
    ranks = quantiles(watch.milliseconds, n=100)
    what = f"{stores.kind}, read to handed over"
    measure.tell(SECTION, f"{stores.kind}, alerts", len(watch.milliseconds), "alerts")
    measure.tell(SECTION, f"{what}, p50", ranks[49], "ms")
    measure.tell(SECTION, f"{what}, p99", ranks[98], "ms")
    measure.tell(SECTION, f"{what}, longest", max(watch.milliseconds), "ms")
