"""Every failure names the file, what is wrong and what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.errors import StoreError, StoreUnavailableError, UnstorableError
from engine.store.sqlite_failures import file_error, is_locked, store_error

PATH = Path("/data/alerts.db")


def sqlite_failure(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("as SQLite says")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (sqlite3.SQLITE_FULL, "full"),
        (sqlite3.SQLITE_BUSY, "locked"),
        (sqlite3.SQLITE_BUSY_RECOVERY, "locked"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "read-only"),
        (sqlite3.SQLITE_CANTOPEN, "can't be opened"),
        (sqlite3.SQLITE_IOERR_FSYNC, "disk fails"),
        (sqlite3.SQLITE_CORRUPT, "damaged"),
        (sqlite3.SQLITE_NOTADB, "damaged"),
    ],
)
def test_what_may_pass_is_unavailable(code: int, told: str) -> None:
    error = store_error(PATH, sqlite_failure(code))
    assert isinstance(error, StoreUnavailableError)
    assert str(PATH) in str(error)
    assert told in str(error)
    assert "as SQLite says" in str(error)


@pytest.mark.parametrize("code", [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB])
def test_damage_at_the_start_does_not_pass(code: int) -> None:
    error = store_error(PATH, sqlite_failure(code), is_start=True)
    assert not isinstance(error, StoreUnavailableError)
    assert "restore a backup" in str(error)


def test_a_mistake_of_ours_is_a_plain_store_error() -> None:
    error = store_error(PATH, sqlite3.IntegrityError("NOT NULL constraint failed"))
    assert type(error) is StoreError


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT_TRIGGER, sqlite3.SQLITE_MISMATCH]
)
def test_a_store_that_is_well_and_does_not_take_something_says_so(code: int) -> None:
    error = store_error(PATH, sqlite_failure(code))
    assert isinstance(error, UnstorableError)
    assert not isinstance(error, StoreUnavailableError)
    assert str(error) == f"the store {PATH} does not take it: as SQLite says"


def test_only_a_lock_leaves_the_connection_good() -> None:
    assert is_locked(sqlite_failure(sqlite3.SQLITE_BUSY))
    assert not is_locked(sqlite_failure(sqlite3.SQLITE_IOERR))


def test_a_missing_file_and_a_denied_one_have_their_remedies() -> None:
    assert "put it back" in str(file_error(PATH, FileNotFoundError(2, "No such file")))
    assert "writable for user" in str(file_error(PATH, PermissionError(13, "Permission denied")))
