"""A store that nobody else sees and that is gone when it is closed, for simulations.

SQLite keeps it in memory, and what does not fit into its cache in a file without a name.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from engine.store.database import (
    NO_PARAMETERS,
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
from engine.store.migrate import migrate_sqlite
from engine.store.sqlite import SqliteTransaction
from engine.store.sqlite_failures import store_error
from engine.store.store import Store

#: What SQLite calls a private database that is deleted when it is closed.
_PRIVATE: Final = ""
_SHOWN: Final = Path("temporary")
_CACHE_KIB: Final = 32 << 10


def open_temporary(clock: Callable[[], float] = time.time) -> Store:
    """A new, empty store of this process; `clock` gives seconds since the epoch.

    Its calls raise StoreUnavailableError where the disk for temporary files is full.
    """
    return Store(_TemporaryDatabase(clock), is_shared=False, url_shown=str(_SHOWN))


class _TemporaryDatabase(Database):
    """One connection, for a private database belongs to its connection."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._connection = _TemporaryConnection(clock)

    def connect(self, durability: Durability) -> Connection:
        """The one connection; nothing of it outlives the process."""
        return self._connection

    def overwrite(
        self, freed: Freed, deleted: Mapping[str, int], texts: Collection[str]
    ) -> Sequence[str]:
        """Nothing to do: nobody else can read it, and it is gone when it is closed."""
        return ()

    def close(self) -> None:
        """Delete the database."""
        self._connection.close()


class _TemporaryConnection(Connection):
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._opened = sqlite3.connect(_PRIVATE, isolation_level=None, check_same_thread=False)
        self._opened.execute("PRAGMA synchronous = OFF")
        self._opened.execute("PRAGMA journal_mode = MEMORY")
        self._opened.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        migrate_sqlite(self._opened)

    def rows(self, statement: Statement, parameters: Parameters = NO_PARAMETERS) -> list[Row]:
        """All rows of a reading statement, by itself."""
        with self._lock:
            try:
                return self._transaction().rows(statement, parameters)
            except sqlite3.Error as error:
                raise store_error(_SHOWN, error) from error

    def transact(self, work: Callable[[Transaction], Result]) -> Result:
        """Returns what `work` returned in a transaction that was committed."""
        with self._lock:
            try:
                self._opened.execute("BEGIN")
                result = work(self._transaction())
                self._opened.execute("COMMIT")
            except BaseException as error:
                with suppress(sqlite3.Error):
                    self._opened.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise store_error(_SHOWN, error) from error
                raise
            return result

    def close(self) -> None:
        """Close for good, which deletes the database."""
        with self._lock:
            self._opened.close()

    def _transaction(self) -> SqliteTransaction:
        return SqliteTransaction(self._opened, int(self._clock() * 1e6))
