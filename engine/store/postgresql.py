"""The store's database in PostgreSQL: connections that heal, and the errors they heal of.

No pool: it finds out later that a server is there again, and each kind of work has a connection of
its own.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, TypeVar, cast

import psycopg
from psycopg.pq import TransactionStatus

from channels.redact import remember
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
from engine.store.location import PostgresLocation
from engine.store.migrate import (
    TARGETS_KEY,
    Versions,
    check_version,
    has_old_version,
    new_key,
    scripts,
    versions_of,
)
from engine.store.model import OpenMode
from engine.store.postgresql_failures import is_conflict, is_cut, store_error
from engine.store.postgresql_overwriting import overwrite

OLDEST_SERVER: Final = 14
#: Above this number of keys a transaction takes one lock for all of them: the server has room for
#: some thousand locks.
MOST_KEYS: Final = 1_000
#: What STATE_URL may set otherwise. A server that vanished is noticed within half a minute.
DEFAULTS: Final[Mapping[str, str]] = {
    "application_name": "alert-engine",
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "target_session_attrs": "read-write",
}
_TIMEOUTS: Final[Mapping[str, str]] = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "15s",
}
# Not at the connection's start: a pgbouncer refuses what it does not know.
_SESSION: Final = "; ".join(f"SET {name} = '{value}'" for name, value in _TIMEOUTS.items())
#: A statement is prepared when it has run so often.
PREPARED_AFTER: Final = 5
#: How long one answer is waited for.
ANSWER_SECONDS: Final = 40.0
_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
# Read committed: each statement after a lock sees what its last owner has committed.
_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"
_COMMITS: Final = {Durability.FULL: "on", Durability.NORMAL: "off"}
_CONFLICTS_IN_A_ROW: Final = 6
_CONFLICT_SECONDS: Final = 20.0
_CONFLICT_PAUSE_SECONDS: Final = 0.005
# All take the lock of all keys, shared; who has many keys takes it alone.
_LOCK_KEYS: Final = f"""
WITH shared AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(%(all)s))
SELECT count(pg_advisory_xact_lock(key)), {_NOW} FROM shared, unnest(%(keys)s::bigint[]) AS key
"""  # noqa: S608 - of constants
_TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock(%(key)s)"
_LOCK_ALL: Final = f"SELECT pg_advisory_xact_lock(%(all)s), {_NOW}"
_MIGRATION_SECONDS: Final = 60.0
_UNDEFINED_TABLE: Final = "42P01"
_T = TypeVar("_T")


def open_postgresql(
    location: PostgresLocation,
    mode: OpenMode = OpenMode.ENGINE,
    clock: Callable[[], float] | None = None,
) -> PostgresDatabase:
    """Opens the database at `location`.

    The engine makes its tables or carries them over, one engine at a time; a tool opens what is
    there. `clock` gives seconds since the epoch, by default the server's own.

    Raises StoreError for a server or a schema that can't be used and for what only a person can
    correct (password, missing database, TLS), and StoreUnavailableError for what may pass by
    itself.
    """
    remember(location.secrets)
    try:
        with _connect(location) as opened:
            _check_server(opened, location)
            if mode is OpenMode.ENGINE and has_old_version(_versions(opened)):
                _migrate(opened)
            check_version(_versions(opened), location.shown)
    except psycopg.Error as error:
        raise store_error(location.shown, error, is_start=True) from error
    return PostgresDatabase(location, clock)


class PostgresDatabase(Database):
    """The connections to one database of PostgreSQL; `open_postgresql` opens it.

    `clock` gives seconds since the epoch; None is the server's own.
    """

    def __init__(
        self, location: PostgresLocation, clock: Callable[[], float] | None = None
    ) -> None:
        self.location: Final = location
        self.clock: Final = clock
        self._connections: list[PostgresConnection] = []

    def connect(self, durability: Durability) -> PostgresConnection:
        """A new connection; it is opened by its first use."""
        connection = PostgresConnection(self, durability)
        self._connections.append(connection)
        return connection

    def overwrite(
        self, freed: Freed, deleted: Mapping[str, int], texts: Collection[str]
    ) -> Sequence[str]:
        """Overwrite what the files still hold of rows that are deleted; returns what is left."""
        try:
            with _connect(self.location) as opened:
                opened.answer_seconds = math.inf
                if not self.location.is_pooled:
                    opened.execute("SET statement_timeout = 0")
                return overwrite(opened, freed, deleted)
        except psycopg.Error as error:
            raise store_error(self.location.shown, error) from error

    def close(self) -> None:
        """Close all connections; later calls raise StoreUnavailableError."""
        for connection in reversed(self._connections):
            connection.close()


class PostgresConnection(Connection):
    """A connection to PostgreSQL; `PostgresDatabase.connect` makes one.

    A connection that was cut is made anew once, and what was asked is done again; if that fails
    too, the error says so, and the next use tries again.
    """

    def __init__(self, database: PostgresDatabase, durability: Durability) -> None:
        self._location = database.location
        self._clock = database.clock
        # Behind a pgbouncer the session of the next transaction is another one.
        waits = _TIMEOUTS if self._location.is_pooled else {}
        settings = {"synchronous_commit": _COMMITS[durability], **waits}
        local = ", ".join(f"set_config('{name}', '{it}', true)" for name, it in settings.items())
        self._settings = f"SELECT {_NOW}, {local}"
        self._lock = threading.Lock()
        self._opened: Session | None = None
        self._is_closed = False

    def rows(self, statement: Statement, parameters: Parameters = NO_PARAMETERS) -> list[Row]:
        """All rows of a reading statement, by itself."""
        with self._lock:
            return self._healed(lambda opened: _execute(opened, statement, parameters).fetchall())

    def scan(self, statement: Statement, parameters: Parameters = NO_PARAMETERS) -> list[Row]:
        """All rows of a reading statement that may look through a whole table."""
        with self._lock:
            return self._healed(lambda opened: _scan(opened, statement, parameters))

    def transact(self, work: Callable[[Transaction], Result]) -> Result:
        """Returns what `work` returned in a transaction that was committed."""
        with self._lock:
            return self._healed(lambda opened: self._transacted(opened, work))

    def close(self) -> None:
        """Close for good; every later use raises StoreUnavailableError."""
        with self._lock:
            self._is_closed = True
            self._drop()

    def _transacted(self, opened: Session, work: Callable[[Transaction], Result]) -> Result:
        try:
            transaction = PostgresTransaction(opened, self._settings, self._clock)
            result = work(transaction)
            done = transaction.commit()
            if done != "COMMIT":
                # After an error that `work` kept for itself the server only rolls back.
                raise StoreError(f"the store {self._location.shown} did not commit: {done}")
        except BaseException:
            if opened.info.transaction_status is not TransactionStatus.IDLE:
                with suppress(psycopg.Error):
                    opened.execute("ROLLBACK")
            raise
        return result

    def _healed(self, use: Callable[[Session], _T]) -> _T:
        conflicts, is_reopened = 0, False
        deadline = time.monotonic() + _CONFLICT_SECONDS
        while True:
            opened = self._open()
            try:
                return use(opened)
            except psycopg.Error as error:
                is_lost = is_cut(error) or error.sqlstate == _UNDEFINED_TABLE
                if is_lost or opened.closed:
                    # Without its tables it may be in the middle of a restore: opening it says so.
                    self._drop()
                is_late = conflicts == _CONFLICTS_IN_A_ROW or time.monotonic() > deadline
                if is_conflict(error) and not is_late:
                    conflicts += 1
                    # Two that were in each other's way must not meet again.
                    time.sleep(random.random() * _CONFLICT_PAUSE_SECONDS * conflicts)  # noqa: S311
                elif is_lost and not is_reopened:
                    is_reopened = True
                else:
                    raise store_error(self._location.shown, error) from error
            finally:
                if opened.info.transaction_status is not TransactionStatus.IDLE:
                    self._drop()

    def _open(self) -> Session:
        if self._is_closed:
            raise StoreUnavailableError("the store is closed")
        if self._opened is None:
            try:
                self._opened = _connect(self._location)
                check_version(_versions(self._opened), self._location.shown)
            except psycopg.Error as error:
                self._drop()
                raise store_error(self._location.shown, error) from error
            except StoreError as error:
                # It was good at the start: a person works on it, and may be done soon.
                self._drop()
                raise StoreUnavailableError(str(error)) from error
        return self._opened

    def _drop(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            with suppress(psycopg.Error):
                opened.close()


class PostgresTransaction(Transaction):
    """A transaction of PostgreSQL, which begins with its first statement, in one round trip.

    `settings` is a statement that makes the settings of the transaction; its first column is the
    time. `clock` as in `PostgresDatabase`.
    """

    def __init__(self, opened: Session, settings: str, clock: Callable[[], float] | None) -> None:
        self._opened = opened
        self._clock = clock
        self._now_us = None if clock is None else int(clock() * 1e6)
        self._asked: list[_Asked] = []
        self._is_begun = False
        self._ask(_BEGIN)
        self._begun = self._ask(settings)

    @property
    def now_us(self) -> int:
        """The clock when the transaction began or its keys were locked."""
        if self._now_us is None:
            self._now_us = int(self._rows_of(self._begun)[0][0])
        return self._now_us

    def ask(
        self, statement: Statement, parameters: Parameters = NO_PARAMETERS
    ) -> Answer[list[Row]]:
        """Run a statement in its turn, at the latest with the commit; its answer is all its rows.

        What is asked in a row shares one round trip, with the commit too.
        """
        asked = self._ask(statement.postgresql, parameters)
        return lambda: self._rows_of(asked)

    def run(self, statement: Statement, parameters: Parameters = NO_PARAMETERS) -> int:
        """Run a statement that returns no rows; returns how many rows it has changed."""
        asked = self._ask(statement.postgresql, parameters)
        self._send()
        return asked.cursor.rowcount

    def run_many(self, statement: Statement, rows: Iterable[Parameters]) -> None:
        """Run a statement for each of these parameters, without waiting for each answer."""
        with _storable(), self._opened.pipeline():
            self._execute_asked()
            self._opened.cursor().executemany(statement.postgresql, rows)

    def commit(self) -> str | None:
        """Commit, in one round trip with what is still asked; returns what the server has done.

        A transaction in which nothing was asked never began.
        """
        if not self._is_begun and self._asked[-1] is self._begun:
            return "COMMIT"
        done = self._ask("COMMIT")
        self._send()
        return done.cursor.statusmessage

    def lock_keys(self, keys: Iterable[str]) -> None:
        """Wait until no other transaction has one of these keys, and keep them until the end.

        Reads the clock once more then. Call it once, before anything is read.
        """
        # Sorted, so that no two wait for each other.
        numbers = sorted({_lock_number("key", key) for key in keys})
        if not numbers:
            return
        if len(numbers) <= MOST_KEYS:
            self._lock(_LOCK_KEYS, {"all": _ALL_KEYS, "keys": numbers})
        else:
            self.lock_all_keys()

    def lock_all_keys(self) -> None:
        """Wait until no other transaction has any key, and keep all of them until the end.

        Reads the clock once more then.
        """
        self._lock(_LOCK_ALL, {"all": _ALL_KEYS})

    def try_lock(self, name: str) -> bool:
        """Whether this transaction has the lock of this name now; another one has it if not."""
        number = _lock_number("name", name)
        ((is_locked,),) = self._rows_of(self._ask(_TRY_LOCK, {"key": number}))
        return bool(is_locked)

    def _lock(self, statement: str, parameters: Parameters) -> None:
        ((_, now_us),) = self._rows_of(self._ask(statement, parameters))
        self._now_us = now_us if self._clock is None else int(self._clock() * 1e6)

    def _ask(self, text: str, parameters: Parameters = NO_PARAMETERS) -> _Asked:
        asked = _Asked(self._opened.cursor(), text, parameters)
        self._asked.append(asked)
        return asked

    def _rows_of(self, asked: _Asked) -> list[Row]:
        self._send()
        if asked.rows is None:
            asked.rows = asked.cursor.fetchall()
        return asked.rows

    def _send(self) -> None:
        """Send what was asked since the last time, in one round trip."""
        if len(self._asked) == 1:
            self._execute_asked()
        elif self._asked:
            # The answers come when it ends: to ask for one sooner is one more round trip.
            with self._opened.pipeline():
                self._execute_asked()

    def _execute_asked(self) -> None:
        sent, self._asked = self._asked, []
        self._is_begun = True
        for each in sent:
            with _storable():
                each.cursor.execute(each.text, each.parameters)


@dataclass(slots=True)
class _Asked:
    """A statement that is sent with those after it; its rows are read once."""

    cursor: psycopg.Cursor[Row]
    text: str
    parameters: Parameters
    rows: list[Row] | None = None


class Session(psycopg.Connection[tuple[Any, ...]]):
    """A connection that waits a bounded time for each answer."""

    #: Longer than the server's own time-outs: one that is frozen, or whose disk hangs, keeps none.
    answer_seconds: float = ANSWER_SECONDS

    def wait(self, gen: Generator[Any, Any, _T], *others: Any, **named: Any) -> _T:
        """Waits for the answer; OperationalError if there is none in time."""
        return super().wait(self._bounded(gen), *others, **named)

    def _bounded(self, gen: Generator[Any, Any, _T]) -> Generator[Any, Any, _T]:
        deadline = time.monotonic() + self.answer_seconds
        try:
            asked = next(gen)
            while True:
                ready = yield asked
                if not ready and time.monotonic() > deadline:
                    raise psycopg.OperationalError(f"no answer within {self.answer_seconds:g} s")
                asked = gen.send(ready)
        except StopIteration as done:
            return cast(_T, done.value)


def _connect(location: PostgresLocation) -> Session:
    """Opens a connection and sets it up; psycopg.Error."""
    options: dict[str, Any] = {**DEFAULTS, **location.options, "client_encoding": "utf8"}
    opened = Session.connect(
        **options,
        autocommit=True,
        # The next session of a pool knows no prepared statement; a statement costs half without
        # being planned each time.
        prepare_threshold=None if location.is_pooled else PREPARED_AFTER,
    )
    try:
        if not location.is_pooled:
            opened.execute(_SESSION)
    except BaseException:
        opened.close()
        raise
    return opened


def _execute(
    opened: Session, statement: Statement, parameters: Parameters
) -> psycopg.Cursor[tuple[Any, ...]]:
    with _storable():
        return opened.execute(statement.postgresql, parameters)


def _scan(opened: Session, statement: Statement, parameters: Parameters) -> list[Row]:
    opened.answer_seconds = math.inf
    try:
        with opened.transaction():
            opened.execute("SET LOCAL statement_timeout = 0")
            return _execute(opened, statement, parameters).fetchall()
    finally:
        opened.answer_seconds = ANSWER_SECONDS


@contextmanager
def _storable() -> Iterator[None]:
    try:
        yield
    except (OverflowError, UnicodeEncodeError) as error:
        # A text with half a surrogate pair.
        raise UnstorableError(f"the store does not take it: {error}") from error


def _lock_number(kind: str, text: str) -> int:
    """The number of a lock: names of one kind can't be in the way of those of another one."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, person=kind.encode())
    return int.from_bytes(digest.digest(), "big", signed=True)


_ALL_KEYS: Final = _lock_number("all", "keys")
_MIGRATION: Final = _lock_number("name", "migration")


def _check_server(opened: Session, location: PostgresLocation) -> None:
    version = opened.info.server_version
    if version < OLDEST_SERVER * 10_000:
        raise StoreError(
            f"the store {location.shown} is in PostgreSQL {version // 10_000}, use "
            f"{OLDEST_SERVER} or newer"
        )
    encoding = opened.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(
            f"the store {location.shown} has the encoding {encoding}, create the database anew "
            "with ENCODING 'UTF8'"
        )


def _versions(opened: Session) -> Versions:
    # In the schema where tables would be made: what other ones have does not matter.
    found = opened.execute(
        "SELECT to_regclass('meta') IS NOT NULL, count(*) FROM pg_class"
        " WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')"
    ).fetchone()
    has_meta, tables = found or (False, 0)
    if has_meta:
        return versions_of(dict(opened.execute("SELECT name, value FROM meta").fetchall()))
    return Versions(is_empty=tables == 0)


def _migrate(opened: Session) -> None:
    """Carry the database over in one transaction; psycopg.Error."""
    deadline = time.monotonic() + _MIGRATION_SECONDS
    opened.answer_seconds = math.inf
    while True:
        try:
            with opened.transaction():
                # The other engines wait here, and find the work done.
                opened.execute(f"SET LOCAL lock_timeout = '{int(_MIGRATION_SECONDS)}s'")
                opened.execute("SET LOCAL statement_timeout = 0")
                opened.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION,))
                # Short: what waits behind a waiting ALTER waits as long.
                opened.execute("SET LOCAL lock_timeout = '2s'")
                _run_scripts(opened)
            return
        except psycopg.Error as error:
            if not is_conflict(error) or time.monotonic() > deadline:
                raise
        time.sleep(random.random())  # noqa: S311


def _run_scripts(opened: Session) -> None:
    found = _versions(opened)
    if not has_old_version(found):
        return
    for script in scripts("postgresql", found.schema or 0):
        opened.execute(script)
    opened.execute(
        "INSERT INTO keys (name, value) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING",
        (TARGETS_KEY, new_key()),
    )
