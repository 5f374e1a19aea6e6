"""The whole loop, from Kafka to the store, beside what poll and Avro decode alone reach.

A round reads 40,000 records that lie in the topic already: poll, decode, match, decide, render,
store in synced transactions, commit; its clock starts when the first records are here, and stops
when the last offsets are sent. `poll + decode` is confluent_kafka's `consume` with the engine's own
options and `fastavro.schemaless_reader`, and keeps nothing. Rules: the mixed ones and a watchlist
of 5,000 plates that gives the wanted share of matches, each of which becomes an alert with one
delivery. Deliveries are stored and not sent, but where the name says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import confluent_kafka
import pytest
from fastavro import parse_schema, schemaless_reader

from benchmarks.brokers import BrokerKind, Topics, is_at_hand, open_topics
from benchmarks.measure import Measurement
from benchmarks.mixed_rules import PLATE, Condition, PlainRule, load, mixed_rules, rule_file
from benchmarks.plant import Plant, settings_of
from benchmarks.readings import HEADER, encode, readings
from benchmarks.traffic import WATCHED
from engine.service import targets_of
from engine.settings import Settings
from engine.stream.options import consumer_options
from tests.support.avro import plate_schema
from tests.support.stream import unique

EVENTS = 40_000
ROUNDS = 3
POLL_SECONDS = 0.1

Filled = Callable[[float], str]


@pytest.fixture(scope="module", params=list(BrokerKind))
def kind(request: pytest.FixtureRequest) -> BrokerKind:
    """The broker's kind."""
    kind: BrokerKind = request.param
    if not is_at_hand(kind):
        pytest.skip("no real Kafka at hand: set KAFKA_BOOTSTRAP_SERVERS, or run the tests once")
    return kind


@pytest.fixture(scope="module")
def topics(kind: BrokerKind) -> Iterator[Topics]:
    """The broker."""
    with open_topics(kind) as topics:
        yield topics


@pytest.fixture(scope="module")
def filled(topics: Topics) -> Filled:
    """Topics by their share of watched plates, filled once."""
    names: dict[float, str] = {}

    def topic(share: float) -> str:
        if share not in names:
            names[share] = topics.make(unique("plates"))
            events = readings(EVENTS, WATCHED, share)
            values = [(each["camera_id"].encode(), encode(each)) for each in events]
            topics.fill(names[share], values)
        return names[share]

    return topic


def group(kind: BrokerKind) -> str:
    return f"whole loop, {kind}, {EVENTS:,} events"


def section(kind: BrokerKind) -> str:
    return f"5 whole loop, {kind}"


def rules_with_watchlist(count: int) -> str:
    watchlist = PlainRule("watchlist", (Condition(PLATE, "in_list", list(WATCHED)),), ("ops",))
    return rule_file([*mixed_rules(count), watchlist])


class BareReader:
    """confluent_kafka and fastavro, and nothing else."""

    def __init__(self, settings: Settings) -> None:
        self._schema = parse_schema(json.loads(plate_schema().text))
        self._client = confluent_kafka.Consumer(consumer_options(settings))
        self._client.subscribe(list(settings.kafka_topics))
        self._first: list[confluent_kafka.Message] = []
        while not self._first:
            self._first = self._client.consume(settings.batch_size, POLL_SECONDS)
        self._batch_size = settings.batch_size

    def read(self) -> None:
        """All events, decoded."""
        count, messages = 0, self._first
        while count < EVENTS:
            for message in messages:
                value = message.value()
                assert value is not None
                schemaless_reader(BytesIO(value[len(HEADER) :]), self._schema)
            count += len(messages)
            messages = self._client.consume(self._batch_size, POLL_SECONDS)

    def close(self) -> None:
        """Leave the group."""
        self._client.close()


def test_poll_and_decode_alone(
    measure: Measurement, tmp_path: Path, topics: Topics, kind: BrokerKind, filled: Filled
) -> None:
    topic = filled(0.001)

    def reader() -> tuple[BareReader]:
        return (BareReader(settings_of(topics.bootstrap_servers, topic, tmp_path)),)

    seconds = measure.rounds(group(kind), BareReader.read, ROUNDS, reader, BareReader.close)
    measure.tell(section(kind), "poll + decode alone", EVENTS / seconds, "events/s")


@pytest.mark.parametrize(
    ("rules", "share", "is_sent"),
    [(10, 0.001, False), (10, 0.1, False), (10, 0.1, True), (100, 0.001, False)],
)
def test_whole_loop(
    measure: Measurement,
    tmp_path: Path,
    topics: Topics,
    kind: BrokerKind,
    filled: Filled,
    rules: int,
    share: float,
    is_sent: bool,
) -> None:
    topic = filled(share)
    rule_set = load(rules_with_watchlist(rules), tmp_path)
    targets = targets_of(rule_set) if is_sent else {}

    def plant() -> tuple[Plant]:
        settings = settings_of(topics.bootstrap_servers, topic, tmp_path)
        made = Plant(settings, rule_set, EVENTS, targets)
        made.join()
        return (made,)

    def close(made: Plant) -> None:
        assert made.metrics.total("events_consumed_total") == EVENTS
        assert made.store.rows()["alerts"] >= EVENTS * share
        made.close()

    seconds = measure.rounds(group(kind), lambda made: made.loop.run(), ROUNDS, plant, close)
    what = f"{rules} rules, {share:.1%} matches{', sent to memory' if is_sent else ''}"
    measure.tell(section(kind), what, EVENTS / seconds, "events/s")
