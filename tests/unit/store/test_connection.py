"""A connection to a file fails whole, says why, and is good again when the cause is gone."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.errors import StoreError, StoreUnavailableError, UnstorableError
from engine.store.database import Connection, Durability, Transaction, both
from engine.store.location import SqliteLocation
from engine.store.sqlite import SqliteDatabase, identity_of
from tests.support.patience import PATIENCE_SECONDS
from tests.unit.store.samples import Clock, open_sample

PROBE = both("UPDATE meta SET value = value + 1 WHERE name = 'probe'")
READ = both("SELECT value FROM meta WHERE name = 'probe'")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    open_sample(tmp_path).close()
    return tmp_path / "alerts.db"


def database_of(
    path: Path, max_page_count: int = 0, gate_seconds: float = 5.0, clock: Clock | None = None
) -> SqliteDatabase:
    location = SqliteLocation(path, max_page_count)
    return SqliteDatabase(
        location, identity_of(path), None, clock or Clock(), 0.05, gate_seconds=gate_seconds
    )


@contextmanager
def connected(
    path: Path, durability: Durability = Durability.FULL, max_page_count: int = 0
) -> Iterator[Connection]:
    database = database_of(path, max_page_count)
    yield database.connect(durability)
    database.close()


def write(connection: Connection) -> None:
    connection.transact(lambda transaction: transaction.run(PROBE))


@pytest.mark.parametrize(("durability", "level"), [(Durability.FULL, 2), (Durability.NORMAL, 1)])
def test_the_durability_is_the_connections(path: Path, durability: Durability, level: int) -> None:
    with connected(path, durability) as connection:
        assert connection.row(both("PRAGMA synchronous")) == (level,)
        assert connection.row(both("PRAGMA journal_mode")) == ("wal",)


def test_an_exception_in_a_transaction_undoes_all_of_it(path: Path) -> None:
    def fail(transaction: Transaction) -> None:
        transaction.run(PROBE)
        raise KeyError

    with connected(path) as connection:
        with pytest.raises(KeyError):
            connection.transact(fail)
        assert connection.row(READ) == (0,)
        write(connection)
        assert connection.row(READ) == (1,)


def test_a_lock_of_another_process_passes(path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with connected(path) as connection:
        with pytest.raises(StoreUnavailableError, match="another process keeps it locked"):
            write(connection)
        assert connection.row(READ) == (0,)
        other.execute("ROLLBACK")
        write(connection)
        assert connection.row(READ) == (1,)
    other.close()


def test_a_full_quota_undoes_the_transaction_and_passes(path: Path) -> None:
    def write_much(transaction: Transaction) -> None:
        transaction.run(PROBE)
        transaction.run(both("INSERT INTO meta VALUES (:name, 0)"), {"name": "x" * 50_000})

    with connected(path) as connection:
        (count,) = connection.row(both("PRAGMA page_count")) or (0,)
    with connected(path, max_page_count=count + 2) as connection:
        with pytest.raises(StoreUnavailableError, match=r"quota is full.*free some space"):
            connection.transact(write_much)
        assert connection.row(READ) == (0,)
        write(connection)
        assert connection.row(READ) == (1,)


def test_a_folder_that_went_away_and_came_back_passes(path: Path) -> None:
    with connected(path) as connection:
        write(connection)
        shutil.move(path.parent, path.parent.with_name("elsewhere"))
        with pytest.raises(StoreUnavailableError, match="is gone, put it back"):
            write(connection)
        with pytest.raises(StoreUnavailableError, match="is gone"):
            connection.row(READ)
        shutil.move(path.parent.with_name("elsewhere"), path.parent)
        write(connection)
        assert connection.row(READ) == (2,)


def test_a_removed_file_is_not_made_anew_in_mid_run(path: Path) -> None:
    with connected(path) as connection:
        write(connection)
        path.unlink()
        with pytest.raises(StoreUnavailableError, match="is gone"):
            write(connection)
        assert not path.exists()


def test_a_file_put_in_its_place_is_not_touched(path: Path, tmp_path: Path) -> None:
    open_sample(tmp_path / "other").close()
    replacement = tmp_path / "other" / "alerts.db"
    as_it_was = replacement.read_bytes()
    with connected(path) as connection:
        write(connection)
        path.rename(tmp_path / "old.db")
        replacement.rename(path)
        with pytest.raises(StoreUnavailableError, match="was replaced while in use"):
            write(connection)
        assert path.read_bytes() == as_it_was
        (tmp_path / "old.db").rename(path)
        assert connection.row(READ) == (1,)


def test_damage_in_mid_run_is_unavailable_until_a_good_file_is_there(path: Path) -> None:
    good = path.read_bytes()
    with connected(path) as connection:
        path.write_bytes(b"garbage " * 1000)
        with pytest.raises(StoreUnavailableError, match="damaged"):
            connection.row(READ)
        path.write_bytes(good)
        write(connection)
        assert connection.row(READ) == (1,)


def test_an_emptied_file_is_unavailable(path: Path) -> None:
    with connected(path) as connection:
        path.write_bytes(b"")
        with pytest.raises(StoreUnavailableError, match="not an alert store"):
            write(connection)


def test_a_mistake_of_ours_is_no_outage(path: Path) -> None:
    with connected(path) as connection:
        with pytest.raises(StoreError, match="no such table") as caught:
            connection.row(both("SELECT 1 FROM missing"))
        assert not isinstance(caught.value, StoreUnavailableError)


def test_a_failure_costs_the_connection_but_a_lock_does_not(path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with connected(path) as connection:
        connection.row(both("CREATE TEMP TABLE only_here (a)"))
        with pytest.raises(StoreUnavailableError, match="locked"):
            write(connection)
        assert connection.row(both("SELECT 1 FROM only_here")) is None
        with pytest.raises(StoreError, match="no such table: missing"):
            connection.row(both("SELECT 1 FROM missing"))
        with pytest.raises(StoreError, match="no such table: only_here"):
            connection.row(both("SELECT 1 FROM only_here"))
    other.close()


def test_a_closed_connection_says_so(path: Path) -> None:
    with connected(path) as connection:
        connection.close()
        with pytest.raises(StoreUnavailableError, match="closed"):
            write(connection)


def test_a_write_does_not_wait_for_ever_for_another_one_of_the_same_process(path: Path) -> None:
    database = database_of(path, gate_seconds=0.01)
    connection = database.connect(Durability.FULL)
    with (
        database.gate_passed(),
        pytest.raises(StoreUnavailableError, match="the engine's other writes take more"),
    ):
        write(connection)
    write(connection)
    database.close()


def test_a_reader_waits_for_no_writer(path: Path) -> None:
    database = database_of(path)
    writer, reader = database.connect(Durability.FULL), database.connect(Durability.NORMAL)
    is_read = threading.Event()

    def work(transaction: Transaction) -> bool:
        transaction.run(PROBE)
        return is_read.wait(PATIENCE_SECONDS)

    def read() -> None:
        if reader.row(READ) == (0,):
            is_read.set()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(read)
        assert writer.transact(work)
    assert reader.row(READ) == (1,)
    database.close()


def test_a_transaction_has_the_time_of_the_given_clock_and_what_its_work_returns(
    path: Path,
) -> None:
    clock = Clock()
    database = database_of(path, clock=clock)
    connection = database.connect(Durability.FULL)
    assert connection.transact(lambda transaction: transaction.now_us) == clock.us
    clock.seconds += 1.5
    assert connection.transact(lambda transaction: transaction.now_us) == clock.us
    database.close()


def test_a_transaction_reads_writes_and_counts(path: Path) -> None:
    def work(transaction: Transaction) -> tuple[object, ...]:
        transaction.lock_keys(["a", "b"])
        added = both("INSERT INTO meta (name, value) VALUES (:name, :value)")
        transaction.run_many(added, ({"name": f"n{i}", "value": i} for i in range(3)))
        changed = both("UPDATE meta SET value = value + :more WHERE name LIKE 'n%'")
        return (
            transaction.run(changed, {"more": 10}),
            transaction.rows(both("SELECT value FROM meta WHERE name LIKE 'n%' ORDER BY name")),
            transaction.row(both("SELECT value FROM meta WHERE name = 'none'")),
            transaction.try_lock("housekeeping"),
        )

    with connected(path) as connection:
        assert connection.transact(work) == (3, [(10,), (11,), (12,)], None, True)


@pytest.mark.parametrize("value", [1 << 63, "half \ud83d of it"])
def test_what_no_column_can_hold_is_unstorable(path: Path, value: object) -> None:
    added = both("INSERT INTO meta (name, value) VALUES ('x', :value)")
    with connected(path) as connection:
        with pytest.raises(UnstorableError):
            connection.transact(lambda transaction: transaction.run(added, {"value": value}))
        write(connection)
        assert connection.row(READ) == (1,)
