"""Broker, store or dead-letter topic away for a while: nothing is lost, nobody has to help."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.answers import HANG, Answer
from tests.support.engine_process import EngineProcess
from tests.support.gate import Gate, open_gate
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import Broker, RealKafka
from tests.support.postgresql import PostgreSQL
from tests.support.small_disk import SmallDisk, small_disk
from tests.support.stream import Publisher

LOAD = 300
# Room for some of the load's alerts.
LEFT_BYTES = 300_000
LEFT_PAGES = 64
# An empty database takes 8 MB of it.
DATABASE_BYTES = 32 << 20

pytestmark = pytest.mark.slow


def await_trouble(engine: EngineProcess, name: str, words: str) -> None:
    """Return when this check of `/readyz` is not good, for this reason."""
    body = engine.wait_for_check(name, words)
    assert body["ready"] is all(
        check["ok"] for name, check in body["checks"].items() if name != "channels"
    )


def count_lines(engine: EngineProcess, words: str) -> int:
    """How often it said so."""
    return sum(words in line.text for line in engine.lines.all())


@pytest.mark.parametrize("outage", ["stop", "kill"])
def test_a_broker_that_goes_and_comes_back_loses_nothing(
    own_kafka: RealKafka, tmp_path: Path, outage: str
) -> None:
    with open_gate(own_kafka, tmp_path) as gate, gate.site.start() as engine:
        engine.wait_ready()
        plates = gate.see(LOAD)
        gate.hook.wait_for(LOAD // 10)
        getattr(own_kafka, outage)()
        await_trouble(engine, "consuming", "broker away")
        own_kafka.start()
        plates += gate.see(LOAD)
        gate.await_plates(plates)
        engine.wait_ready()
        gate.site.await_consumed()
        assert engine.stop() == 0
        # All that it wrote has been read by now.
        assert count_lines(engine, '"broker.away"') == 1
        assert count_lines(engine, '"broker.back"') == 1
        assert "Traceback" not in engine.output
        assert "%3|" not in engine.output, "librdkafka speaks past the log"
    assert gate.counts() == dict.fromkeys(plates, 1)


def test_a_frozen_broker_is_waited_for(own_kafka: RealKafka, tmp_path: Path) -> None:
    with open_gate(own_kafka, tmp_path) as gate, gate.site.start() as engine:
        engine.wait_ready()
        plates = gate.see(LOAD)
        gate.hook.wait_for(LOAD // 10)
        own_kafka.freeze()
        # Longer than the session: the group will have done without this member.
        time.sleep(10.0)
        own_kafka.thaw()
        plates += gate.see(10)
        gate.await_plates(plates)
        engine.wait_ready()
        gate.site.await_consumed()
        assert engine.stop() == 0
    assert gate.counts() == dict.fromkeys(plates, 1)


@pytest.mark.parametrize("outage", ["kill", "freeze"])
def test_the_engine_ends_in_time_while_the_broker_is_away(
    own_kafka: RealKafka, tmp_path: Path, outage: str
) -> None:
    with open_gate(own_kafka, tmp_path) as gate, gate.site.start() as engine:
        gate.await_plates(gate.see())
        getattr(own_kafka, outage)()
        if outage == "kill":
            await_trouble(engine, "consuming", "broker away")
        assert engine.stop() == 0
        engine.wait_for_line("engine.stopped")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk that is soon full."""
    with small_disk(tmp_path / "disk") as mounted:
        if mounted is None:
            pytest.skip("needs the right to mount a tmpfs; the quota's test is like it")
        yield mounted


@contextlib.contextmanager
def gate_with_store(broker: Broker, tmp_path: Path, url: str) -> Iterator[Gate]:
    """A gate whose store is this one."""
    folder = tmp_path / "gate"
    folder.mkdir()
    with open_gate(broker, folder, STATE_URL=url) as gate:
        yield gate


def test_a_full_disk_is_waited_for(broker: Broker, tmp_path: Path, disk: SmallDisk) -> None:
    url = f"sqlite:///{disk.folder}/alerts.db"
    with gate_with_store(broker, tmp_path, url) as gate, gate.site.start() as engine:
        engine.wait_ready()
        disk.fill(LEFT_BYTES)
        plates = gate.see(LOAD)
        await_trouble(engine, "store", "full")
        await_trouble(engine, "consuming", "full")
        assert engine.get("/healthz")[0] == 200
        disk.free()
        gate.await_plates(plates)
        engine.wait_ready()
        plates += gate.see()
        gate.await_plates(plates)
        assert engine.stop() == 0
        assert count_lines(engine, '"stream.waiting"') == 1
    assert gate.counts() == dict.fromkeys(plates, 1)


def test_a_full_disk_of_a_database_is_waited_for(
    broker: Broker, tmp_path: Path, own_postgresql: PostgreSQL
) -> None:
    # Its tables only: without room for its log a server ends, and starts again when there is some.
    # The server's own user must reach it, which the folders of a test keep out.
    with (
        tempfile.TemporaryDirectory() as name,
        small_disk(Path(name) / "disk", DATABASE_BYTES) as mounted,
    ):
        if mounted is None:
            pytest.skip("needs the right to mount a tmpfs")
        Path(name).chmod(0o755)
        url = own_postgresql.create_database(own_postgresql.create_tablespace(mounted.folder))
        with gate_with_store(broker, tmp_path, url) as gate, gate.site.start() as engine:
            engine.wait_ready()
            mounted.fill(0)
            plates = gate.see(LOAD)
            await_trouble(engine, "consuming", "its disk is full")
            assert engine.get("/healthz")[0] == 200
            mounted.free()
            gate.await_plates(plates)
            engine.wait_ready()
            gate.site.await_consumed()
            assert engine.stop() == 0
            assert "Traceback" not in engine.output
        assert set(gate.counts()) == set(plates)
        assert all(len(ids) == 1 for ids in gate.alert_ids().values())
        own_postgresql.kill()


def test_a_quota_that_is_used_up_loses_nothing(broker: Broker, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/alerts.db"
    with gate_with_store(broker, tmp_path, f"{url}?max_page_count={LEFT_PAGES}") as gate:
        plates = gate.see(LOAD)
        with gate.site.start() as engine:
            await_trouble(engine, "store", "full")
            await_trouble(engine, "consuming", "full")
            assert engine.stop() == 0
        assert 0 < len(gate.hook.requests.all()) < LOAD
        with gate.site.start(STATE_URL=url) as engine:
            gate.await_plates(plates)
            gate.site.await_consumed()
            assert engine.stop() == 0
    # A delivery that could not be marked before the stop was in flight.
    assert set(gate.counts()) == set(plates)
    assert gate.counts().total() - LOAD <= 4


def test_a_store_that_another_process_locks_is_waited_for(broker: Broker, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/alerts.db"
    with gate_with_store(broker, tmp_path, url) as gate, gate.site.start() as engine:
        engine.wait_ready()
        with contextlib.closing(sqlite3.connect(tmp_path / "alerts.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            plates = gate.see(20)
            await_trouble(engine, "consuming", "locked")
            other.rollback()
        gate.await_plates(plates)
        engine.wait_ready()
        assert engine.stop() == 0
    assert gate.counts() == dict.fromkeys(plates, 1)


def test_the_engine_ends_in_time_while_its_store_is_locked(broker: Broker, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/alerts.db"
    with gate_with_store(broker, tmp_path, url) as gate:
        gate.hook.answer_when(lambda request: True, Answer(delay_seconds=0.5))
        with gate.site.start() as engine:
            plates = gate.see(20)
            gate.hook.wait_for(4)
            with contextlib.closing(sqlite3.connect(tmp_path / "alerts.db")) as other:
                other.execute("BEGIN IMMEDIATE")
                plates += gate.see(20)
                await_trouble(engine, "consuming", "locked")
                # Whether it can end in order depends on who waits for the lock.
                assert engine.stop() in (0, 1)
                assert "Traceback" not in engine.output
        with gate.site.start():
            gate.await_plates(plates)
    assert gate.counts().total() - len(plates) <= 4


def test_the_engine_ends_in_time_while_the_registry_hangs(
    broker: Broker, http_receiver: HttpReceiver, tmp_path: Path
) -> None:
    http_receiver.answer_when(lambda request: True, HANG)
    with open_gate(broker, tmp_path) as gate:
        plates = gate.see(3)
        with gate.site.start(SCHEMA_REGISTRY_URL=http_receiver.url) as engine:
            http_receiver.wait_for(1)
            assert engine.stop() == 0
        with gate.site.start():
            gate.await_plates(plates)


def test_dead_letters_wait_in_the_store_for_their_topic(broker: Broker, tmp_path: Path) -> None:
    with open_gate(broker, tmp_path) as gate, gate.site.start() as engine:
        gate.await_plates(gate.see())
        # Without the registry no dead letter can be written, and plates are read all the same.
        gate.registry.available = False
        Publisher(broker.bootstrap_servers).publish(gate.site.topic, b"no event")
        engine.wait_for_line("dead_letters.refused")
        gate.registry.available = True
        gate.await_plates(gate.see())
        engine.wait_for_line("dead_letters.accepted_again")
        assert engine.stop() == 0
