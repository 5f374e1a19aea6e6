"""A SQLite connection that is closed by a failure and opened again by the next use.

Here too: where the file is (`STATE_URL`), and what SQLite's errors mean for the engine.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from engine.errors import StoreError, StoreUnavailableError, UnstorableError
from engine.store import statements

SCHEMA_VERSION = 1
_WAL_KEPT_BYTES = 64 << 20
#: How long a write waits for the other writes of this process.
GATE_SECONDS = 5.0

SqlRow = tuple[Any, ...]
Parameters = Mapping[str, Any]


class Durability(StrEnum):
    """What a commit outlives: a power cut (FULL, synced), or a kill of the process (NORMAL)."""

    FULL = "FULL"
    NORMAL = "NORMAL"


class Connection:
    """A connection that any thread may use, one at a time.

    `gate` is a lock that all writers of this process share: it is passed on at once, while SQLite
    waits for its own write lock by sleeps that grow. `identity` is that of the file: another file
    in its place is not touched, because SQLite would apply the old file's log to it.
    `busy_timeout_seconds` is the wait for writers of other processes, `gate_seconds` for those of
    this one.
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

    def row(self, statement: str, parameters: Parameters | None = None) -> SqlRow | None:
        """The first row, if there is one."""
        rows = self.rows(statement, parameters)
        return rows[0] if rows else None

    def rows(self, statement: str, parameters: Parameters | None = None) -> list[SqlRow]:
        """All rows of a reading statement."""
        with self._lock, self._translated():
            return self._opened().execute(statement, parameters or {}).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Cursor]:
        """A writing transaction: committed at the end, rolled back after any exception."""
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
        # Bounded: while another process has the file's lock, each writer before this one waits its
        # full time, and on a disk that hangs the first one never ends.
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
            # The deleted file could still be written to, and what is written would be lost.
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
            # It was good at the start: a person works on the file, and may be done soon.
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
    """The device and the inode of the file at `path`; OSError if there is none."""
    status = os.stat(path)  # noqa: PTH116 - half the time of Path.stat, on every read
    return status.st_dev, status.st_ino


def connect(
    location: Location, durability: Durability, busy_timeout_seconds: float
) -> sqlite3.Connection:
    """Opens a connection to an existing file and sets it up; sqlite3.Error, StoreError."""
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
    """Whether the database has any table."""
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


@dataclass(frozen=True, slots=True)
class Connections:
    """One connection for each kind of work, so that none waits for another's connection."""

    stream: Connection
    delivery: Connection
    delivery_reader: Connection
    archive_reader: Connection


class Side:
    """One side of a store; `clock` gives seconds since the epoch."""

    def __init__(self, connections: Connections, clock: Callable[[], float] = time.time) -> None:
        self._connections = connections
        self._clock = clock

    def _now_us(self) -> int:
        return int(self._clock() * 1e6)


_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# What was written is at fault: the store takes everything else.
_UNSTORABLE: Final = frozenset(
    {sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH}
)
# What may pass by itself or be corrected: why, and the remedy.
_PASSING: Final = {
    sqlite3.SQLITE_FULL: ("its disk or its quota is full", "free some space"),
    sqlite3.SQLITE_BUSY: (
        "another process keeps it locked",
        "end whatever writes to it (a backup, an sqlite3 shell)",
    ),
    sqlite3.SQLITE_LOCKED: ("another connection keeps it locked", "wait, or restart the engine"),
    sqlite3.SQLITE_READONLY: ("it is read-only", "make file and folder writable"),
    sqlite3.SQLITE_PERM: ("access is denied", "make file and folder writable"),
    sqlite3.SQLITE_CANTOPEN: ("it can't be opened", "check its folder, its owner and its mode"),
    sqlite3.SQLITE_IOERR: ("its disk fails", "check the disk and its free space"),
    sqlite3.SQLITE_NOMEM: ("memory is short", "give the engine more memory"),
    sqlite3.SQLITE_PROTOCOL: ("its locks fail", "put it on a local disk"),
    sqlite3.SQLITE_CORRUPT: (
        "it is damaged",
        "stop the engine and restore a backup, or move the file and its -wal away to begin anew",
    ),
}


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 0 when the error is not SQLite's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_locked(error: sqlite3.Error) -> bool:
    """Whether the error is only a lock, and the connection is good."""
    return primary_code(error) in _LOCKED


def store_error(path: Path, error: sqlite3.Error, *, is_start: bool = False) -> StoreError:
    """Returns the StoreError for an error of SQLite.

    StoreUnavailableError for what may pass, UnstorableError where the store works and refuses what
    it was given, StoreError otherwise; damage counts as passing but at the start.
    """
    code = primary_code(error)
    if code == sqlite3.SQLITE_NOTADB:
        code = sqlite3.SQLITE_CORRUPT
    if code in _UNSTORABLE:
        return UnstorableError(f"the store {path} does not take it: {error}")
    if code not in _PASSING:
        return StoreError(f"the store {path} failed: {error}")
    what, remedy = _PASSING[code]
    kind = StoreError if is_start and code in _DAMAGED else StoreUnavailableError
    return kind(f"the store {path} can't be used: {what} ({error}), {remedy}")


def file_error(path: Path, error: OSError) -> StoreUnavailableError:
    """Returns the StoreUnavailableError for an error of the operating system."""
    if isinstance(error, FileNotFoundError):
        return StoreUnavailableError(
            f"the store {path} is gone, put it back, or restart the engine to begin a new one"
        )
    return StoreUnavailableError(
        f"the store {path} can't be used: {error.strerror or error}, "
        f"make its folder exist and be writable for user {os.geteuid()}"
    )


_REMEDY = "use sqlite:///relative/file.db or sqlite:////absolute/file.db"


@dataclass(frozen=True, slots=True)
class Location:
    """A SQLite file, and the most pages of 4 KiB that it may have (0: no bound)."""

    path: Path
    max_page_count: int = 0


def parse_state_url(url: str) -> Location:
    """Returns the location that `url` names; StoreError for a wrong URL, without its secrets.

    `sqlite:///a.db` is relative to the working directory, `sqlite:////a.db` absolute;
    `?max_page_count=N` sets a quota.
    """
    scheme = url.partition(":")[0].lower()
    if scheme.partition("+")[0] in {"postgresql", "postgres"}:
        raise StoreError(f"PostgreSQL is not supported yet as STATE_URL, {_REMEDY}")
    if scheme != "sqlite":
        raise StoreError(f"STATE_URL does not name a store, {_REMEDY}")
    parts = urlsplit(url)
    if parts.netloc or not url.startswith(f"{parts.scheme}:///") or parts.fragment:
        raise StoreError(f"STATE_URL {url!r} has the wrong number of slashes, {_REMEDY}")
    path = parts.path.removeprefix("/")
    if not path or path.endswith("/") or ":memory:" in path or "\0" in path:
        raise StoreError(f"STATE_URL {url!r} names no file, {_REMEDY}")
    # Resolved, so that one file has one lock, by whatever path.
    return Location(Path(path).resolve(), _max_page_count(parts.query))


def _max_page_count(query: str) -> int:
    options = dict(parse_qsl(query, keep_blank_values=True))
    text = options.pop("max_page_count", "0")
    if options:
        raise StoreError(f"STATE_URL has an unknown option {min(options)!r}, use max_page_count")
    if not text.isascii() or not text.isdigit():
        raise StoreError(f"STATE_URL's max_page_count is {text!r}, use a number of 4 KiB pages")
    return int(text)
