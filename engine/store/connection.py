"""One SQLite connection that heals: closed by a failure, opened again by the next use.

Everything that only SQLite has (pragmas, locking statements, error codes) is here, in
`failure.py` and in `schema.sql`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.errors import StoreError, StoreUnavailableError
from engine.store import statements
from engine.store.failure import file_error, is_locked, store_error
from engine.store.location import Location

SCHEMA_VERSION = 1
_WAL_KEPT_BYTES = 64 << 20
#: So long a write waits for the other writes of this process.
GATE_SECONDS = 5.0

Row = tuple[Any, ...]
Parameters = Mapping[str, Any]


class Durability(StrEnum):
    """What a returned commit outlives: a power cut (FULL), or a kill of the process (NORMAL)."""

    FULL = "FULL"
    NORMAL = "NORMAL"


class Connection:
    """A connection for any thread, one at a time.

    `gate` is shared by all that write in this process: waiting for it is fair and prompt, while
    SQLite's own wait for its write lock is a growing sleep. `identity` is the file's: another
    file in its place is not touched, for SQLite would put the old file's log on top of it.
    """

    def __init__(
        self,
        location: Location,
        identity: tuple[int, int],
        durability: Durability,
        gate: threading.Lock,
        busy_timeout_seconds: float,
        gate_seconds: float = GATE_SECONDS,
    ) -> None:
        self._gate_seconds = gate_seconds
        self._location = location
        self._identity = identity
        self._durability = durability
        self._gate = gate
        self._busy_timeout_seconds = busy_timeout_seconds
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._is_closed = False

    def row(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        """The first row, if there is one."""
        rows = self.rows(statement, parameters)
        return rows[0] if rows else None

    def rows(self, statement: str, parameters: Parameters | None = None) -> list[Row]:
        """All rows of a reading statement."""
        with self._lock, self._translated():
            return self._opened().execute(statement, parameters or {}).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Cursor]:
        """A writing transaction: committed at the end, undone by any exception."""
        with self._gate_passed(), self._lock, self._translated():
            database = self._opened()
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database.cursor()
                database.execute("COMMIT")
            except BaseException:
                self._roll_back(database)
                raise

    def close(self) -> None:
        """Close for good; every later use raises StoreUnavailableError."""
        with self._lock:
            self._is_closed = True
            self._drop()

    @contextmanager
    def _gate_passed(self) -> Iterator[None]:
        # Bounded: while another process holds the file's lock, each writer before us waits its
        # full time, and on a disk that hangs the first one stays for ever.
        if not self._gate.acquire(timeout=self._gate_seconds):
            raise StoreUnavailableError(
                f"the store {self._location.path} can't be written: the engine's other writes take "
                f"more than {self._gate_seconds:g} s, the file is locked or its disk hangs"
            )
        try:
            yield
        finally:
            self._gate.release()

    def _opened(self) -> sqlite3.Connection:
        if self._is_closed:
            raise StoreUnavailableError("the store is closed")
        path = self._location.path
        try:
            found = identity_of(path)
        except OSError as error:
            # The removed file could still be written to, and what is written would be lost.
            self._drop()
            raise file_error(path, error) from error
        if found != self._identity:
            self._drop()
            raise StoreUnavailableError(
                f"the store {path} was replaced while in use, put the old file back, or restart "
                "the engine with no -wal file of the old one beside the new one"
            )
        if self._database is None:
            self._database = self._open()
        return self._database

    def _open(self) -> sqlite3.Connection:
        database = connect(self._location, self._durability, self._busy_timeout_seconds)
        try:
            check_version(database, self._location)
        except StoreError as error:
            # It was good at the start: somebody is at work on the file, and may be done soon.
            database.close()
            raise StoreUnavailableError(str(error)) from error
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if not is_locked(error):
                self._drop()
            raise store_error(self._location.path, error) from error

    def _roll_back(self, database: sqlite3.Connection) -> None:
        if database.in_transaction:
            with suppress(sqlite3.Error):
                database.execute("ROLLBACK")

    def _drop(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with suppress(sqlite3.Error):
                database.close()


def identity_of(path: Path) -> tuple[int, int]:
    """Which file `path` names just now; OSError if none."""
    status = os.stat(path)  # noqa: PTH116 - half the time of Path.stat, on every read
    return status.st_dev, status.st_ino


def connect(
    location: Location, durability: Durability, busy_timeout_seconds: float
) -> sqlite3.Connection:
    """A connection to an existing file, set up; sqlite3.Error if it can't be."""
    database = sqlite3.connect(
        f"file:{quote(str(location.path))}?mode=rw",
        uri=True,
        timeout=busy_timeout_seconds,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreError(
                f"the store {location.path} can't have a write-ahead log, put it on a local disk"
            )
        database.execute(f"PRAGMA synchronous = {durability}")
        database.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
        if location.max_page_count:
            database.execute(f"PRAGMA max_page_count = {location.max_page_count}")
    except BaseException:
        database.close()
        raise
    return database


def has_tables(database: sqlite3.Connection) -> bool:
    """Whether the file holds anything at all."""
    return database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None


def check_version(database: sqlite3.Connection, location: Location) -> None:
    """StoreError unless the file is an alert store of this schema version."""
    known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'"
    version: int | None = None
    if database.execute(known).fetchone():
        row = database.execute(statements.META, {"name": "schema_version"}).fetchone()
        version = row[0] if row else None
    if version is None:
        raise StoreError(
            f"{location.path} is not an alert store, give STATE_URL the name of a new file"
        )
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"the store {location.path} has schema version {version}, this alert engine knows "
            f"{SCHEMA_VERSION}: upgrade the engine, or give STATE_URL another file"
        )
