"""The whole loop, from Kafka to the store, beside what poll and Avro decode alone reach.

A round reads 40,000 records that lie in the topic already: poll, decode, match, decide, render,
store in synced transactions, commit; its clock starts when the first records are here, and stops
when the last offsets are sent. `poll + decode` is confluent_kafka's `consume` with the engine's own
options and `fastavro.schemaless_reader`, and keeps nothing. Rules: the mixed ones and a watchlist
of 5,000 plates that gives the wanted share of matches, each of which becomes an alert with one
delivery. Deliveries are stored and not sent, but where the name says so; in SQLite, and at 0.1 %
matches in PostgreSQL too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.bare_reader import BareReader
from benchmarks.brokers import EVENTS, BrokerKind, Filled, Topics
from benchmarks.measure import Measurement
from benchmarks.mixed_rules import load
from benchmarks.plant import Plant, settings_of
from benchmarks.stores import StoreKind, Stores
from benchmarks.traffic import rules_with_watchlist
from engine.pipeline.active_rules import targets_of
from engine.settings import Settings

ROUNDS = 3


def group(kind: BrokerKind) -> str:
    return f"whole loop, {kind}, {EVENTS:,} events"


def section(kind: BrokerKind) -> str:
    return f"7 whole loop, {kind}"


@dataclass(frozen=True, slots=True)
class Hall:
    """Where a loop is set up: a broker with filled topics, stores, and a folder."""

    kind: BrokerKind
    topics: Topics
    filled: Filled
    stores: Stores
    folder: Path

    def settings(self, share: float) -> Settings:
        """Of a new group, at the beginning of a topic with this share of watched plates."""
        servers, topic = self.topics.bootstrap_servers, self.filled(share)
        return settings_of(servers, topic, self.stores.new_url())


@pytest.fixture
def hall(kind: BrokerKind, topics: Topics, filled: Filled, stores: Stores, tmp_path: Path) -> Hall:
    """Where this test's loop is set up."""
    return Hall(kind, topics, filled, stores, tmp_path)


def on(*kinds: StoreKind) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("stores", kinds, indirect=True)


@on(StoreKind.SQLITE)
def test_poll_and_decode_alone(measure: Measurement, hall: Hall) -> None:
    seconds = measure.rounds(
        group(hall.kind),
        BareReader.read,
        ROUNDS,
        lambda: (BareReader(hall.settings(0.001)),),
        BareReader.close,
    )
    measure.tell(section(hall.kind), "poll + decode alone", EVENTS / seconds, "events/s")


@on(*StoreKind)
def test_whole_loop(measure: Measurement, hall: Hall) -> None:
    measure_loop(measure, hall, 10, 0.001)


@on(StoreKind.SQLITE)
def test_many_matches(measure: Measurement, hall: Hall) -> None:
    measure_loop(measure, hall, 10, 0.1)


@on(StoreKind.SQLITE)
@pytest.mark.parametrize("kind", [BrokerKind.EMBEDDED], indirect=True)
def test_with_more_rules(measure: Measurement, hall: Hall) -> None:
    measure_loop(measure, hall, 100, 0.001)


@on(StoreKind.SQLITE)
@pytest.mark.parametrize("kind", [BrokerKind.EMBEDDED], indirect=True)
def test_while_alerts_are_sent(measure: Measurement, hall: Hall) -> None:
    measure_loop(measure, hall, 10, 0.1, is_sent=True)


def measure_loop(
    measure: Measurement, hall: Hall, rules: int, share: float, *, is_sent: bool = False
) -> None:
    rule_set = load(rules_with_watchlist(rules), hall.folder)
    targets = targets_of(rule_set) if is_sent else {}

    def plant() -> tuple[Plant]:
        made = Plant(hall.settings(share), rule_set, EVENTS, targets)
        made.join()
        return (made,)

    def close(made: Plant) -> None:
        assert made.metrics.total("events_consumed_total") == EVENTS
        assert made.store.archive.rows()["alerts"] >= EVENTS * share
        made.close()

    seconds = measure.rounds(group(hall.kind), lambda made: made.loop.run(), ROUNDS, plant, close)
    sent = ", sent to memory" if is_sent else ""
    what = f"{rules} rules, {share:.1%} matches{sent}, {hall.stores.kind}"
    measure.tell(section(hall.kind), what, EVENTS / seconds, "events/s")
