"""The store of an engine: its sides, over the connections of one database."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Self

from engine.errors import StoreError
from engine.store import statements
from engine.store.archive import Archive
from engine.store.database import Database, Durability
from engine.store.dead_letters import DeadLetters
from engine.store.deliveries import Deliveries
from engine.store.erasure import Erasure
from engine.store.instances import Instances
from engine.store.location import SqliteLocation, parse_state_url
from engine.store.model import OpenMode
from engine.store.rule_sets import RuleSets
from engine.store.silences import Silences
from engine.store.sqlite import open_sqlite
from engine.store.stream import Stream

#: The row of `meta` that says that a copy into the store has not come to its end.
HALF_COPIED: Final = "half_copied"


class Store:
    """All sides of one store; a context manager that closes it.

    Every method of a side may raise StoreUnavailableError: it has written nothing then, and the
    same call may be made again later. Times are microseconds since the epoch.
    """

    def __init__(self, database: Database, *, is_shared: bool, url_shown: str = "") -> None:
        """`is_shared` says that other engines may use the store at the same time.

        `url_shown` says where it is, without its password.
        """
        # A connection for each kind of work, so that none waits for another's.
        stream = database.connect(Durability.FULL)
        writer = database.connect(Durability.NORMAL)
        reader = database.connect(Durability.NORMAL)
        archive_writer = database.connect(Durability.NORMAL)
        archive_reader = database.connect(Durability.NORMAL)
        self._database = database
        self.is_shared = is_shared
        self.url_shown = url_shown
        self.stream = Stream(stream)
        self.deliveries = Deliveries(writer, reader, is_shared=is_shared)
        self.archive = Archive(archive_writer, archive_reader)
        self.letters = DeadLetters(stream, archive_writer, archive_reader)
        self.instances = Instances(archive_writer, archive_reader)
        self.silences = Silences(stream, archive_writer, archive_reader)
        self.rule_sets = RuleSets(archive_writer, archive_reader)
        self.erasure = Erasure(database, stream, archive_reader)
        row = reader.row(statements.KEY)
        #: Made with the store, and never shown: ids of targets hold hashes by it.
        self.key = bytes(row[0]) if row else b""
        self._reader = reader

    def check_whole(self) -> None:
        """StoreError where a copy into this store has not come to its end."""
        if self._reader.row(statements.META, {"name": HALF_COPIED}) is not None:
            raise StoreError(
                f"the store {self.url_shown} is the half of a copy, run `alert-engine store copy` "
                "to its end"
            )

    def close(self) -> None:
        """Close the connections and release the lock; later calls raise StoreUnavailableError."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def open_store(
    url: str,
    mode: OpenMode = OpenMode.ENGINE,
    *,
    password: str = "",
    clock: Callable[[], float] | None = None,
    busy_timeout_seconds: float = 5.0,
) -> Store:
    """Opens the store that `url` (`STATE_URL`) names.

    The engine makes what is missing, and brings an older store to this version. A SQLite file is
    readable by its owner only and locked by its engine; a tool opens what is there, beside a
    running engine too. `password` is for PostgreSQL, where the URL has none. `clock` gives seconds
    since the epoch, by default the machine's for SQLite and the server's for PostgreSQL.
    `busy_timeout_seconds` is how long to wait for a writer in another process.

    Raises StoreError for a wrong URL, a damaged file or a newer store, StoreInUseError beside
    another engine on one file, and StoreUnavailableError for what may pass by itself.
    """
    location = parse_state_url(url, password)
    database: Database
    if isinstance(location, SqliteLocation):
        database = open_sqlite(location, mode, clock or time.time, busy_timeout_seconds)
    else:
        # Its driver takes memory that an engine on a file does not need.
        from engine.store.postgresql import open_postgresql

        database = open_postgresql(location, mode, clock)
    try:
        is_shared = not isinstance(location, SqliteLocation)
        store = Store(database, is_shared=is_shared, url_shown=location.shown)
        if mode is OpenMode.ENGINE:
            store.check_whole()
    except BaseException:
        database.close()
        raise
    return store
