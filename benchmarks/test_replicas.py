"""Two replicas on one PostgreSQL: processor time for an event, both together against one alone.

The replicas are processes of the installed command, as a site runs them. They are frozen while the
topic is filled, so that they find a backlog; counted is what they take until all of it is
committed, the server's own time not. 0.1 % of the events make an alert, which a webhook gets.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from benchmarks.brokers import BrokerKind, Topics, is_at_hand, open_topics
from benchmarks.machine import processor_seconds
from benchmarks.measure import Measurement
from benchmarks.readings import encode, readings, register
from benchmarks.receivers import ReceiverProcess
from benchmarks.stores import StoreKind, Stores
from benchmarks.traffic import WATCHED, rules_with_watchlist
from engine.demo.servers import RegistryServer
from tests.support.engine_process import EngineProcess
from tests.support.patience import await_that
from tests.support.site import Site

SECTION = "11 replicas"
EVENTS = 80_000
SHARE = 0.001
ROUNDS = 3
PATIENCE_SECONDS = 120.0
OPS = "https://ops.example/"


@pytest.fixture
def topics() -> Iterator[Topics]:
    """A real broker: the embedded one does not tell who reads what."""
    if not is_at_hand(BrokerKind.REAL):
        pytest.skip("no real Kafka at hand: set KAFKA_BOOTSTRAP_SERVERS, or run the tests once")
    with open_topics(BrokerKind.REAL) as topics:
        yield topics


class Run:
    """Engines that are ready and have their partitions, and what they are to read."""

    def __init__(self, site: Site, topics: Topics, values: list[tuple[bytes, bytes]]) -> None:
        self._site = site
        self._topics = topics
        self._values = values

    def seconds(self, count: int) -> float:
        """The processor's seconds that so many engines take for all of it."""
        with ExitStack() as stack:
            engines = [stack.enter_context(self._site.start()) for _ in range(count)]
            for engine in engines:
                engine.wait_ready()
            self._await_members(count)
            for engine in engines:
                engine.signal(signal.SIGSTOP)
            self._topics.fill(self._site.topic, self._values)
            before = sum(processor_seconds(engine.pid) for engine in engines)
            for engine in engines:
                engine.signal(signal.SIGCONT)
            self._site.await_consumed(PATIENCE_SECONDS)
            await_that(lambda: self._sent(engines) >= len(self._values) * SHARE)
            after = sum(processor_seconds(engine.pid) for engine in engines)
            for engine in engines:
                assert engine.stop() == 0
            return after - before

    def _await_members(self, count: int) -> None:
        admin = AdminClient({"bootstrap.servers": self._topics.bootstrap_servers})

        def have_joined() -> bool:
            group = self._site.group
            found = admin.describe_consumer_groups([group])[group].result()
            shares = [len(member.assignment.topic_partitions) for member in found.members]
            return found.state is ConsumerGroupState.STABLE and len(shares) == count and all(shares)

        await_that(have_joined, step_seconds=0.2)
        # The engines take a moment to hear of it.
        time.sleep(1.0)

    def _sent(self, engines: list[EngineProcess]) -> float:
        name, labels = "alert_engine_notifications_sent_total", {"channel": "ops"}
        return sum(engine.metric(name, **labels, rule_id="watchlist") or 0 for engine in engines)


@pytest.mark.parametrize("stores", [StoreKind.POSTGRESQL], indirect=True)
def test_replicas(
    measure: Measurement,
    topics: Topics,
    stores: Stores,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    taken: dict[int, list[float]] = {1: [], 2: []}
    with RegistryServer() as registry, ReceiverProcess() as receivers:
        schema_id = register(registry.url)
        values = [
            (each["camera_id"].encode(), encode(each, schema_id))
            for each in readings(EVENTS, WATCHED, SHARE)
        ]
        rules = rules_with_watchlist(10).replace(OPS, receivers.http_url)

        def run_all() -> None:
            for _ in range(ROUNDS):
                for count, seconds in taken.items():
                    folder: Path = tmp_path_factory.mktemp("replicas")
                    environment = {"STATE_URL": stores.new_url()}
                    site = Site(folder, topics.broker, registry.url, rules, environment)
                    seconds.append(Run(site, topics, values).seconds(count))

        measure.rounds("replicas, all rounds", run_all, 1)
    one, two = (min(seconds) * 1e6 / EVENTS for seconds in taken.values())
    measure.tell(SECTION, "one alone", one, "µs of processor an event")
    measure.tell(SECTION, "two together", two, "µs of processor an event")
    measure.tell(SECTION, "two against one", two / one, "×")
