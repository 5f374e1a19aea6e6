"""The store's database as one SQLite file: connections that heal, made and checked at the start."""

from __future__ import annotations

import mmap
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from engine.errors import StoreError, StoreUnavailableError, UnstorableError
from engine.store.database import (
    NO_PARAMETERS,
    Answer,
    Connection,
    Database,
    Durability,
    Freed,
    Parameters,
    Result,
    Row,
    Statement,
    Transaction,
)
from engine.store.location import SqliteLocation
from engine.store.lock import StoreLock
from engine.store.migrate import check_version, has_old_version, migrate_sqlite, sqlite_versions
from engine.store.model import OpenMode
from engine.store.sqlite_failures import file_error, is_locked, store_error

# Up to this size the whole file is checked at the start, which takes a fraction of a second.
CHECKED_BYTES: Final = 64 << 20
#: How long a write waits for the other writes of this process.
GATE_SECONDS: Final = 5.0
_WAL_KEPT_BYTES: Final = 64 << 20
# How often the log is tried to be emptied while others read and write.
_LOG_TRIES: Final = 20
_LOG_PAUSE_SECONDS: Final = 0.1


def open_sqlite(
    location: SqliteLocation,
    mode: OpenMode = OpenMode.ENGINE,
    clock: Callable[[], float] = time.time,
    busy_timeout_seconds: float = 5.0,
) -> SqliteDatabase:
    """Opens the database in the file at `location`.

    The engine creates folder and file if they are missing, readable by their owner only, locks the
    store and migrates it; a tool opens what is there, beside a running engine too. `clock` gives
    seconds since the epoch; `busy_timeout_seconds` is how long to wait for a writer in another
    process.

    Raises StoreError for a damaged file or a schema version that is not known, StoreInUseError
    beside another engine, and StoreUnavailableError for what may pass by itself.
    """
    lock = _locked(location.path) if mode is OpenMode.ENGINE else None
    try:
        identity = _prepare(location, mode, busy_timeout_seconds)
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    return SqliteDatabase(location, identity, lock, clock, busy_timeout_seconds)


class SqliteDatabase(Database):
    """The connections to one SQLite file.

    `identity` is that of the file: another file in its place is not touched, because SQLite would
    apply the old file's log to it. `lock` is released at the end. `clock` gives seconds since the
    epoch. `busy_timeout_seconds` is the wait for writers of other processes, `gate_seconds` for
    those of this one.
    """

    def __init__(
        self,
        location: SqliteLocation,
        identity: tuple[int, int],
        lock: StoreLock | None = None,
        clock: Callable[[], float] = time.time,
        busy_timeout_seconds: float = 5.0,
        gate_seconds: float = GATE_SECONDS,
    ) -> None:
        self.location: Final = location
        self.identity: Final = identity
        self.clock: Final = clock
        self.busy_timeout_seconds: Final = busy_timeout_seconds
        self._gate_seconds = gate_seconds
        # All writers of this process share it: it is passed on at once, while SQLite waits for its
        # own write lock by sleeps that grow.
        self._gate = threading.Lock()
        self._lock = lock
        self._connections: list[SqliteConnection] = []

    def connect(self, durability: Durability) -> SqliteConnection:
        """A new connection; it is opened by its first use."""
        connection = SqliteConnection(self, durability)
        self._connections.append(connection)
        return connection

    def overwrite(
        self, freed: Freed, deleted: Mapping[str, int], texts: Collection[str]
    ) -> Sequence[str]:
        """Empty the log: rows are overwritten where they are deleted; returns what is left.

        Whatever was deleted before SQLite was told to overwrite is found by a search of the file.
        """
        path = self.location.path
        with ExitStack() as stack:
            # To close a file that is read beside would release SQLite's locks on it.
            for connection in self._connections:
                stack.enter_context(connection.set_aside())
            try:
                with closing(
                    connect(self.location, Durability.FULL, self.busy_timeout_seconds)
                ) as opened:
                    is_emptied = _empty_log(opened)
                count = _count(path, texts)
            except sqlite3.Error as error:
                raise store_error(path, error) from error
            except OSError as error:
                raise file_error(path, error) from error
        left = []
        if not is_emptied:
            left.append(f"{path}-wal still holds it, a reader keeps it: run this command again")
        if count:
            left.append(
                f"{path} has its signs in {count:,} places still: as a part of another plate or "
                "name, or in room that was free before: VACUUM, with the engine stopped"
            )
        return left

    def close(self) -> None:
        """Close all connections and release the lock; later calls raise StoreUnavailableError."""
        for connection in reversed(self._connections):
            connection.close()
        if self._lock is not None:
            self._lock.release()

    @contextmanager
    def gate_passed(self) -> Iterator[None]:
        """A context in which no other writer of this process writes; StoreUnavailableError."""
        # Bounded: while another process has the file's lock, each writer before this one waits its
        # full time, and on a disk that hangs the first one never ends.
        if not self._gate.acquire(timeout=self._gate_seconds):
            raise StoreUnavailableError(
                f"the store {self.location.shown} can't be written: the engine's other writes take "
                f"more than {self._gate_seconds:g} s, the file is locked or its disk hangs"
            )
        try:
            yield
        finally:
            self._gate.release()


class SqliteConnection(Connection):
    """A connection to a SQLite file; readers wait for no writer but that of their own connection.

    `SqliteDatabase.connect` makes one.
    """

    def __init__(self, database: SqliteDatabase, durability: Durability) -> None:
        self._database = database
        self._location = database.location
        self._durability = durability
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None
        self._is_closed = False

    def rows(self, statement: Statement, parameters: Parameters = NO_PARAMETERS) -> list[Row]:
        """All rows of a reading statement, by itself."""
        with self._lock, self._translated():
            return _execute(self._open(), statement, parameters).fetchall()

    def transact(self, work: Callable[[Transaction], Result]) -> Result:
        """Returns what `work` returned in a transaction that was committed."""
        with self._database.gate_passed(), self._lock, self._translated():
            opened = self._open()
            opened.execute("BEGIN IMMEDIATE")
            try:
                result = work(SqliteTransaction(opened, int(self._database.clock() * 1e6)))
                opened.execute("COMMIT")
            except BaseException:
                if opened.in_transaction:
                    with suppress(sqlite3.Error):
                        opened.execute("ROLLBACK")
                raise
            return result

    def close(self) -> None:
        """Close for good; every later use raises StoreUnavailableError."""
        with self._lock:
            self._is_closed = True
            self._drop()

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """A context in which nobody uses it, and it has the file not open."""
        with self._lock:
            self._drop()
            yield

    def _open(self) -> sqlite3.Connection:
        if self._is_closed:
            raise StoreUnavailableError("the store is closed")
        path = self._location.path
        try:
            found = identity_of(path)
        except OSError as error:
            # The deleted file could still be written to, and what is written would be lost.
            self._drop()
            raise file_error(path, error) from error
        if found != self._database.identity:
            self._drop()
            raise StoreUnavailableError(
                f"the store {path} was replaced while in use, put the old file back, or restart "
                "the engine with no -wal file of the old one beside the new one"
            )
        if self._opened is None:
            self._opened = self._connected()
        return self._opened

    def _connected(self) -> sqlite3.Connection:
        opened = connect(self._location, self._durability, self._database.busy_timeout_seconds)
        try:
            check_version(sqlite_versions(opened), self._location.shown)
        except StoreError as error:
            # It was good at the start: a person works on the file, and may be done soon.
            opened.close()
            raise StoreUnavailableError(str(error)) from error
        except BaseException:
            opened.close()
            raise
        return opened

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if not is_locked(error):
                self._drop()
            raise store_error(self._location.path, error) from error

    def _drop(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            with suppress(sqlite3.Error):
                opened.close()


class SqliteTransaction(Transaction):
    """A transaction of SQLite, which has one writer at a time: there is nothing to lock."""

    def __init__(self, opened: sqlite3.Connection, now_us: int) -> None:
        self._now_us = now_us
        self._opened = opened

    @property
    def now_us(self) -> int:
        """The clock when the transaction began, in microseconds since the epoch."""
        return self._now_us

    def ask(
        self, statement: Statement, parameters: Parameters = NO_PARAMETERS
    ) -> Answer[list[Row]]:
        """Run a statement at once: there is no round trip to share."""
        rows = _execute(self._opened, statement, parameters).fetchall()
        return lambda: rows

    def run(self, statement: Statement, parameters: Parameters = NO_PARAMETERS) -> int:
        """Run a statement that returns no rows; returns how many rows it has changed."""
        return _execute(self._opened, statement, parameters).rowcount

    def run_many(self, statement: Statement, rows: Iterable[Parameters]) -> None:
        """Run a statement for each of these parameters."""
        for parameters in rows:
            _execute(self._opened, statement, parameters)

    def lock_keys(self, keys: Iterable[str]) -> None:
        """Nothing to do: there is one writer."""

    def lock_all_keys(self) -> None:
        """Nothing to do: there is one writer."""

    def try_lock(self, name: str) -> bool:
        """Always True: there is one writer."""
        return True


def identity_of(path: Path) -> tuple[int, int]:
    """The device and the inode of the file at `path`; OSError if there is none."""
    status = os.stat(path)  # noqa: PTH116 - half the time of Path.stat, on every read
    return status.st_dev, status.st_ino


def connect(
    location: SqliteLocation, durability: Durability, busy_timeout_seconds: float
) -> sqlite3.Connection:
    """Opens a connection to an existing file and sets it up; sqlite3.Error, StoreError."""
    opened = sqlite3.connect(
        f"file:{quote(str(location.path))}?mode=rw",
        uri=True,
        timeout=busy_timeout_seconds,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        (mode,) = opened.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreError(
                f"the store {location.path} can't have a write-ahead log, put it on a local disk"
            )
        opened.execute(f"PRAGMA synchronous = {durability}")
        # Most builds of SQLite do so anyway: what is deleted is overwritten, in the same pages.
        opened.execute("PRAGMA secure_delete = ON")
        opened.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
        if location.max_page_count:
            opened.execute(f"PRAGMA max_page_count = {location.max_page_count}")
    except BaseException:
        opened.close()
        raise
    return opened


def _execute(
    opened: sqlite3.Connection, statement: Statement, parameters: Parameters
) -> sqlite3.Cursor:
    try:
        return opened.execute(statement.sqlite, parameters)
    except (OverflowError, UnicodeEncodeError) as error:
        # A number beyond 64 bits, or a text with half a surrogate pair.
        raise UnstorableError(f"the store does not take it: {error}") from error


def _empty_log(opened: sqlite3.Connection) -> bool:
    """Bring all that the log holds into the file, and cut it; False where a reader keeps it."""
    # Most of it while others write; they wait for the rest only.
    opened.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    for number in range(_LOG_TRIES):
        if number:
            time.sleep(_LOG_PAUSE_SECONDS)
        (is_busy, _, _) = opened.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not is_busy:
            return True
    return False


def _count(path: Path, texts: Collection[str]) -> int:
    """How often the file has one of these texts, in UTF-8."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        return sum(_count_in(whole, each.encode()) for each in texts)


def _count_in(whole: mmap.mmap, text: bytes) -> int:
    count, place = 0, whole.find(text)
    while place >= 0:
        count, place = count + 1, whole.find(text, place + len(text))
    return count


def _locked(path: Path) -> StoreLock:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return StoreLock(path.with_name(f"{path.name}.lock"))
    except OSError as error:
        raise file_error(path, error) from error


def _prepare(
    location: SqliteLocation, mode: OpenMode, busy_timeout_seconds: float
) -> tuple[int, int]:
    """Check the file, which the engine creates or migrates; returns its identity."""
    path = location.path
    if mode is OpenMode.ENGINE:
        _create_file(path)
    elif not path.is_file():
        raise StoreError(
            f"there is no store {path}, give STATE_URL as the engine has it, or start the engine"
        )
    try:
        opened = connect(location, Durability.FULL, busy_timeout_seconds)
        try:
            if mode is OpenMode.ENGINE:
                # Before it is changed: a migration would spread the damage.
                _check_whole(opened, path)
                if has_old_version(sqlite_versions(opened)):
                    migrate_sqlite(opened)
            check_version(sqlite_versions(opened), location.shown)
            return identity_of(path)
        finally:
            opened.close()
    except sqlite3.Error as error:
        raise store_error(path, error, is_start=True) from error
    except OSError as error:
        raise file_error(path, error) from error


def _create_file(path: Path) -> None:
    try:
        # Never open and close an existing file: that would release SQLite's locks on it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        # The file's name must outlive a power cut too, so the folder is synced.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        return
    except OSError as error:
        raise file_error(path, error) from error


def _check_whole(opened: sqlite3.Connection, path: Path) -> None:
    if path.stat().st_size > CHECKED_BYTES:
        return
    (answer,) = opened.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        raise StoreError(
            f"the store {path} is damaged ({' '.join(answer.split())}), restore a backup, or move "
            "the file and its -wal away to begin anew"
        )
