from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.dead_letters.office import DeadLetterOffice
from engine.delivery import Dispatcher, RetryPolicy
from engine.errors import StoreUnavailableError
from engine.health import Heartbeat, Stage
from engine.metrics import Metrics
from engine.pipeline.active_rules import prepare, targets_of
from engine.pipeline.cooldown import Cooldown
from engine.pipeline.event_log import EventLog
from engine.pipeline.loop import Loop
from engine.pipeline.pipeline import Pipeline
from engine.settings import Settings
from engine.store import Store, open_store
from engine.stream.consumer import Consumer
from engine.stream.decoder import Decoder
from engine.stream.record import DeadLetter, Record
from tests.support.avro import plate_schema
from tests.support.mock_cluster import MockCluster
from tests.support.patience import PATIENCE_SECONDS, await_that
from tests.support.rule_files import Mailbox, load_text
from tests.support.stream import Publisher, stream_settings
from tests.unit.plate import NOON, Writers, plate_record

pytestmark = pytest.mark.waits

RULES = """
channels: {ops: 'json://localhost'}
rules:
  - {id: every, name: Every, when: true, notify: [ops], rate_limit: {enabled: false}}
"""
TOPIC = "plates"


class Noted(Heartbeat):
    """A heartbeat that remembers its stages."""

    def __init__(self) -> None:
        super().__init__()
        self.stages: list[str] = []

    def beat(self, stage: str) -> None:
        super().beat(stage)
        self.stages.append(stage)


class Plant:
    """A loop on real parts; only the writer schemas come from memory."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.writers = Writers()
        self.metrics = Metrics()
        self.stop = threading.Event()
        self.steps: list[str] = []
        self.heartbeat = Noted()
        #: The stage of the loop at each step.
        self.stages: list[str] = []
        self.rule_set = load_text(RULES, folder)
        self.url = f"sqlite:///{folder}/alerts.db"
        self.make_office = self.plain_office

    def plain_office(self, store: Store) -> DeadLetterOffice:
        return DeadLetterOffice(None, store.letters, self.metrics, SystemClock(), self.stop.is_set)

    @property
    def mailbox(self) -> Mailbox:
        (target,) = targets_of(self.rule_set).values()
        assert isinstance(target, Mailbox)
        return target

    def kill_point(self, step: str) -> None:
        self.stages.append(self.heartbeat.look().stage)
        self.steps.append(step)

    def await_that(self, is_so: Callable[[], bool]) -> None:
        """Wait until it is so; AssertionError, with the loop's steps, if never."""
        await_that(is_so, lambda: self.steps)

    def await_step(self, step: str, times: int = 1) -> None:
        self.await_that(lambda: self.steps.count(step) >= times)

    def run(self) -> Running:
        return Running(self)


class Running:
    """The plant's loop in a thread; leaving the context stops it."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant

    def __enter__(self) -> Running:
        plant, clock = self._plant, SystemClock()
        plant.stop.clear()
        self.store: Store = open_store(plant.url)
        zone = NOON.tzinfo
        assert zone is not None
        pipeline = Pipeline(
            Decoder(plate_schema(), plant.writers, zone),
            Cooldown(),
            self.store.stream,
            plant.metrics,
            clock,
            max_alert_age_seconds=1e9,
            write_log=EventLog(clock, log_plates=False).write,
            kill_point=plant.kill_point,
            heartbeat=plant.heartbeat,
        )
        pipeline.use(prepare(plant.rule_set))
        self._dispatcher = Dispatcher(
            self.store.deliveries,
            targets_of(plant.rule_set),
            RetryPolicy(),
            plant.metrics,
            clock,
            owner="a-test",
        )
        self.consumer = Consumer(plant.settings)
        self.loop = Loop(
            self.consumer,
            pipeline,
            plant.make_office(self.store),
            self._dispatcher.wake,
            plant.metrics,
            clock,
            plant.stop,
            batch_size=100,
            kill_point=plant.kill_point,
            heartbeat=plant.heartbeat,
        )
        self._thread = threading.Thread(target=self.loop.run)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._plant.stop.set()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        self.consumer.close()
        self._dispatcher.stop(1)
        self.store.close()


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster([TOPIC]) as cluster:
        yield cluster


@pytest.fixture
def plant(cluster: MockCluster, tmp_path: Path) -> Plant:
    settings = stream_settings(cluster.bootstrap_servers, [TOPIC])
    return Plant(dataclasses.replace(settings), tmp_path)


def publish(cluster: MockCluster, *values: bytes | None) -> None:
    Publisher(cluster.bootstrap_servers).publish(TOPIC, *values, partition=0)


def test_a_batch_is_stored_before_its_offsets_are_committed(
    plant: Plant, cluster: MockCluster
) -> None:
    publish(cluster, plate_record(0).value)
    with plant.run() as running:
        plant.await_step("commit")
        assert len(running.store.archive.alerts(10)) == 1
    assert plant.steps == ["read", "match", "store", "commit"]


def test_what_was_committed_is_not_read_again_after_a_restart(
    plant: Plant, cluster: MockCluster
) -> None:
    publish(cluster, plate_record(0).value)
    with plant.run():
        plant.await_step("commit")
    publish(cluster, plate_record(1).value)
    with plant.run() as running:
        plant.await_step("commit", 2)
        assert len(running.store.archive.alerts(10)) == 2
    assert plant.metrics.total("events_consumed_total") == 2
    assert plant.metrics.total("events_duplicate_total") == 0


def test_a_registry_that_is_away_is_waited_for_and_nothing_is_lost(
    plant: Plant, cluster: MockCluster
) -> None:
    plant.writers.is_away = True
    publish(cluster, plate_record(0).value, plate_record(1).value)
    with plant.run() as running:
        plant.await_step("store", 2)
        assert running.loop.obstacle is not None
        assert running.loop.obstacle.code == "registry-unavailable"
        assert holds_the_first(running)
        plant.writers.is_away = False
        plant.await_step("commit")
        plant.await_that(lambda: plant.metrics.total("events_consumed_total") == 2)
        assert len(running.store.archive.alerts(10)) == 2
    assert running.consumer.held == frozenset()
    assert running.loop.obstacle is None


def has_stored(running: Running, count: int) -> bool:
    return len(running.store.archive.alerts(1000)) == count


def holds_the_first(running: Running) -> bool:
    return running.consumer.held == {(TOPIC, 0)}


def unknown(record: Record, schema_id: int = 9) -> bytes:
    """The record's value, as if written with another schema."""
    assert record.value is not None
    return b"\0" + schema_id.to_bytes(4, "big") + record.value[5:]


def test_other_partitions_go_on_while_one_waits_for_its_schema(
    plant: Plant, cluster: MockCluster
) -> None:
    plant.writers.awaited = {9}
    publisher = Publisher(cluster.bootstrap_servers)
    publisher.publish(TOPIC, unknown(plate_record(0)), plate_record(1).value, partition=0)
    with plant.run() as running:
        plant.await_that(partial(holds_the_first, running))
        publisher.publish(TOPIC, plate_record(2).value, partition=0)
        for number in range(3, 6):
            publisher.publish(TOPIC, plate_record(number).value, partition=1)
            plant.await_that(partial(has_stored, running, number - 2))
        assert running.loop.obstacle is not None
        assert running.loop.obstacle.code == "registry-unavailable"
        assert not running.consumer.state.is_paused
        plant.writers.schemas = {**plant.writers.schemas, 9: plate_schema().text}
        plant.writers.awaited = set()
        plant.await_that(partial(has_stored, running, 6))
        publisher.publish(TOPIC, plate_record(6).value, partition=0)
        plant.await_that(partial(has_stored, running, 7))
    assert running.consumer.held == frozenset()
    assert plant.metrics.total("events_consumed_total") == 7
    assert plant.metrics.total("events_duplicate_total") == 0
    assert plant.metrics.total("dead_letters_total") == 0
    assert running.loop.obstacle is None


@pytest.mark.slow
def test_how_long_a_partition_waits_counts_from_its_first_record(
    plant: Plant, cluster: MockCluster
) -> None:
    plant.writers.awaited = {8, 9}
    publisher = Publisher(cluster.bootstrap_servers)
    publisher.publish(TOPIC, unknown(plate_record(0), 8), unknown(plate_record(1), 9), partition=0)
    with plant.run() as running:
        plant.await_that(lambda: (TOPIC, 0) in running.loop.held_since)
        first = running.loop.held_since[TOPIC, 0]
        # Tried again, and again, it waits since then.
        plant.await_step("store", 4)
        assert running.loop.held_since == {(TOPIC, 0): first}
        publisher.publish(TOPIC, unknown(plate_record(2), 9), partition=1)
        plant.await_that(lambda: len(running.loop.held_since) == 2)
        assert running.loop.held_since[TOPIC, 0] == first
        # The first one goes: the next has waited for no time yet.
        plant.writers.schemas = {**plant.writers.schemas, 8: plate_schema().text}
        plant.writers.awaited = {9}
        plant.await_that(partial(has_stored, running, 1))
        plant.await_that(lambda: running.loop.held_since.get((TOPIC, 0), first) > first)
        plant.writers.schemas = {**plant.writers.schemas, 9: plate_schema().text}
        plant.writers.awaited = set()
        plant.await_that(partial(has_stored, running, 3))
        plant.await_that(lambda: not running.loop.held_since)


@pytest.mark.slow
def test_a_store_that_refuses_meanwhile_lets_no_held_partition_go(
    plant: Plant, cluster: MockCluster
) -> None:
    plant.writers.awaited = {9}
    full = plant.url
    plant.url = f"{full}?max_page_count=60"
    publisher = Publisher(cluster.bootstrap_servers)
    publisher.publish(TOPIC, unknown(plate_record(0)), partition=0)
    with plant.run() as running:
        plant.await_that(partial(holds_the_first, running))
        many = [plate_record(n, track_id="x" * 3000).value for n in range(1, 100)]
        publisher.publish(TOPIC, *many, partition=1)
        plant.await_step("match", 3)
        assert holds_the_first(running)
    plant.url = full
    plant.writers.schemas = {**plant.writers.schemas, 9: plate_schema().text}
    plant.writers.awaited = set()
    with plant.run() as running:
        plant.await_that(partial(has_stored, running, 100))
    assert plant.metrics.total("dead_letters_total") == 0


def test_poison_of_another_partition_is_a_dead_letter_while_one_waits(
    plant: Plant, cluster: MockCluster
) -> None:
    plant.writers.awaited = {9}
    publisher = Publisher(cluster.bootstrap_servers)
    publisher.publish(TOPIC, unknown(plate_record(0)), partition=0)
    with plant.run() as running:
        plant.await_that(partial(holds_the_first, running))
        publisher.publish(TOPIC, b"poison", plate_record(1).value, partition=1)
        plant.await_that(partial(has_stored, running, 1))
    assert plant.metrics.total("dead_letters_total") == 1


@pytest.mark.slow
def test_a_stop_while_waiting_leaves_the_records_for_the_next_start(
    plant: Plant, cluster: MockCluster
) -> None:
    plant.writers.is_away = True
    publish(cluster, plate_record(0).value)
    with plant.run():
        plant.await_step("store", 2)
    plant.writers.is_away = False
    assert "commit" not in plant.steps
    with plant.run() as running:
        plant.await_step("commit")
        assert len(running.store.archive.alerts(10)) == 1


def test_a_store_that_refuses_is_waited_for(plant: Plant, cluster: MockCluster) -> None:
    full = f"{plant.url}?max_page_count=60"
    plant.url = full
    # None of them fits, so it does not matter how many come in a batch.
    large = [plate_record(n, track_id="x" * 200_000).value for n in range(4)]
    publish(cluster, *large)
    with plant.run() as running:
        plant.await_step("match", 2)
        assert running.loop.obstacle is not None
        assert running.loop.obstacle.code == "store-unavailable"
        assert running.store.archive.alerts(1) == []
    assert plant.metrics.total("store_errors_total") >= 1
    plant.url = full.partition("?")[0]
    with plant.run() as running:
        plant.await_that(lambda: len(running.store.archive.alerts(1000)) == 4)


def test_poison_is_settled_and_the_next_record_processed(
    plant: Plant, cluster: MockCluster
) -> None:
    publish(cluster, b"poison", None, plate_record(0).value)
    with plant.run() as running:
        plant.await_that(lambda: plant.metrics.total("events_consumed_total") == 1)
        plant.await_step("commit")
        assert len(running.store.archive.alerts(10)) == 1
    assert plant.metrics.total("dead_letters_total") == 1
    assert plant.metrics.total("tombstones_total") == 1


class InterruptedOffice(DeadLetterOffice):
    """Counts what it is asked for; it can't finish the first two times."""

    def __init__(self, plant: Plant, store: Store) -> None:
        super().__init__(None, store.letters, plant.metrics, SystemClock(), plant.stop.is_set)
        self.sent = 0
        self.finished = 0

    def send(self, letters: Sequence[DeadLetter]) -> None:
        self.sent += 1
        super().send(letters)

    def finish(self) -> None:
        self.finished += 1
        if self.finished < 3:
            raise StoreUnavailableError("full")
        super().finish()


@pytest.mark.slow
def test_a_batch_whose_letters_cannot_be_kept_yet_is_not_processed_again(
    plant: Plant, cluster: MockCluster
) -> None:
    offices: list[InterruptedOffice] = []

    def make_office(store: Store) -> DeadLetterOffice:
        offices.append(InterruptedOffice(plant, store))
        return offices[-1]

    plant.make_office = make_office
    publish(cluster, plate_record(0).value, b"poison", plate_record(1).value)
    with plant.run() as running:
        plant.await_step("commit")
        publish(cluster, plate_record(2).value)
        plant.await_step("commit", 2)
        assert len(running.store.archive.alerts(10)) == 3
    assert plant.steps.count("match") == plant.steps.count("commit")
    assert offices[0].finished >= 3
    assert plant.metrics.total("events_consumed_total") == 3
    assert plant.metrics.total("dead_letters_total") == 1
    assert plant.metrics.total("store_errors_total") == 2


def test_the_heartbeat_says_at_each_step_where_the_loop_is(
    plant: Plant, cluster: MockCluster
) -> None:
    publish(cluster, plate_record(0).value)
    with plant.run():
        plant.await_step("commit")
    assert dict(zip(plant.steps, plant.stages, strict=True)) == {
        "read": Stage.POLLING,
        "match": Stage.MATCHING,
        "store": Stage.STORING,
        "commit": Stage.COMMITTING,
    }
    assert plant.heartbeat.look().stage == Stage.STOPPING


def test_every_record_beats_so_that_a_long_batch_is_not_stuck(
    plant: Plant, cluster: MockCluster
) -> None:
    publish(cluster, plate_record(0).value, b"poison", plate_record(1).value)
    with plant.run():
        plant.await_that(lambda: plant.metrics.total("events_consumed_total") == 2)
    assert plant.heartbeat.stages.count(Stage.DECODING) == 3


@pytest.mark.slow
def test_a_loop_that_waits_for_a_registry_is_not_stuck(plant: Plant, cluster: MockCluster) -> None:
    plant.writers.is_away = True
    publish(cluster, plate_record(0).value)
    with plant.run():
        plant.await_step("store", 3)
        assert plant.heartbeat.stages.count(Stage.DECODING) >= 2


def test_a_loop_that_hangs_is_found_at_its_step(plant: Plant, cluster: MockCluster) -> None:
    is_freed = threading.Event()

    def hang(step: str) -> None:
        kill_point(step)
        if step == "match":
            assert is_freed.wait(PATIENCE_SECONDS)

    kill_point, plant.kill_point = plant.kill_point, hang  # type: ignore[method-assign]
    publish(cluster, plate_record(0).value)
    with plant.run() as running:
        plant.await_step("match")
        # The loop said last that nothing was wrong; its heartbeat stands.
        assert running.loop.obstacle is None
        assert running.consumer.state.is_consuming
        first, second = plant.heartbeat.look(), plant.heartbeat.look()
        assert first.stage == second.stage == Stage.MATCHING
        assert second.age_seconds > first.age_seconds
        is_freed.set()
        plant.await_step("commit")
