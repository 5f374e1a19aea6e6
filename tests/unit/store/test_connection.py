"""A connection fails whole, says why, and is good again when the cause is gone."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.errors import StoreError, StoreUnavailableError
from engine.store.connection import Connection, Durability, Location, identity_of
from tests.unit.store.samples import open_sample

PROBE = "UPDATE meta SET value = value + 1 WHERE name = 'probe'"
READ = "SELECT value FROM meta WHERE name = 'probe'"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    open_sample(tmp_path).close()
    return tmp_path / "alerts.db"


@contextmanager
def connected(
    path: Path, durability: Durability = Durability.FULL, max_page_count: int = 0
) -> Iterator[Connection]:
    connection = Connection(
        Location(path, max_page_count), identity_of(path), durability, threading.Lock(), 0.05
    )
    yield connection
    connection.close()


def write(connection: Connection) -> None:
    with connection.transaction() as cursor:
        cursor.execute(PROBE)


@pytest.mark.parametrize(("durability", "level"), [(Durability.FULL, 2), (Durability.NORMAL, 1)])
def test_the_durability_is_the_connections(path: Path, durability: Durability, level: int) -> None:
    with connected(path, durability) as connection:
        assert connection.row("PRAGMA synchronous") == (level,)
        assert connection.row("PRAGMA journal_mode") == ("wal",)


def test_an_exception_in_a_transaction_undoes_all_of_it(path: Path) -> None:
    def fail(connection: Connection) -> None:
        with connection.transaction() as cursor:
            cursor.execute(PROBE)
            raise KeyError

    with connected(path) as connection:
        with pytest.raises(KeyError):
            fail(connection)
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
    def write_much(connection: Connection) -> None:
        with connection.transaction() as cursor:
            cursor.execute(PROBE)
            cursor.execute("INSERT INTO meta VALUES (:name, 0)", {"name": "x" * 50_000})

    with connected(path) as connection:
        (count,) = connection.row("PRAGMA page_count") or (0,)
    with connected(path, max_page_count=count + 2) as connection:
        with pytest.raises(StoreUnavailableError, match=r"quota is full.*free some space"):
            write_much(connection)
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
            connection.row("SELECT 1 FROM missing")
        assert not isinstance(caught.value, StoreUnavailableError)


def test_a_failure_costs_the_connection_but_a_lock_does_not(path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with connected(path) as connection:
        connection.row("CREATE TEMP TABLE only_here (a)")
        with pytest.raises(StoreUnavailableError, match="locked"):
            write(connection)
        assert connection.row("SELECT 1 FROM only_here") is None
        with pytest.raises(StoreError, match="no such table: missing"):
            connection.row("SELECT 1 FROM missing")
        with pytest.raises(StoreError, match="no such table: only_here"):
            connection.row("SELECT 1 FROM only_here")
    other.close()


def test_a_closed_connection_says_so(path: Path) -> None:
    with connected(path) as connection:
        connection.close()
        with pytest.raises(StoreUnavailableError, match="closed"):
            write(connection)


def test_a_write_does_not_wait_for_ever_for_another_one_of_the_same_process(path: Path) -> None:
    gate = threading.Lock()
    connection = Connection(
        Location(path, 0), identity_of(path), Durability.FULL, gate, 0.05, gate_seconds=0.01
    )
    with gate, pytest.raises(StoreUnavailableError, match="the engine's other writes take more"):
        write(connection)
    write(connection)
    connection.close()
