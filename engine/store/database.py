"""What both engines offer: connections that heal, statements in two dialects, transactions."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar

Row = tuple[Any, ...]
Parameters = Mapping[str, Any]
Result = TypeVar("Result")
#: What was asked and is perhaps not answered yet: a call gives the answer, and waits for it.
Answer = Callable[[], Result]
#: By table, where a row was that is deleted, and how many bytes it took there.
Freed = dict[str, list[tuple[str, int]]]

NO_PARAMETERS: Final[Parameters] = {}
_NAMED: Final = re.compile(r"(?<!:):([a-z_]+)")


class Durability(StrEnum):
    """What a commit outlives: a power cut (FULL, synced), or a kill of the process (NORMAL)."""

    FULL = "full"
    NORMAL = "normal"


class Statement(NamedTuple):
    """One statement in both dialects: SQLite's parameters are `:name`, PostgreSQL's `%(name)s`."""

    sqlite: str
    postgresql: str


def both(text: str) -> Statement:
    """A statement that is the same in both dialects, written with `:name`."""
    return each_its_own(text, text)


def each_its_own(sqlite: str, postgresql: str) -> Statement:
    """A statement that each dialect writes in its own way, both with `:name`."""
    return Statement(sqlite, _NAMED.sub(r"%(\1)s", postgresql.replace("%", "%%")))


class Transaction(ABC):
    """What `Connection.transact` gives to its work; for the thread that has it."""

    @property
    @abstractmethod
    def now_us(self) -> int:
        """The store's clock when the transaction began or its keys were locked.

        In microseconds since the epoch.
        """

    @abstractmethod
    def ask(
        self, statement: Statement, parameters: Parameters = NO_PARAMETERS
    ) -> Answer[list[Row]]:
        """Run a statement in its turn, at the latest with the commit; its answer is all its rows.

        What is asked in a row shares one round trip, with the commit too. So call the answer when
        it is needed, or when the transaction is committed. A statement that fails raises where an
        answer is waited for.
        """

    @abstractmethod
    def run(self, statement: Statement, parameters: Parameters = NO_PARAMETERS) -> int:
        """Run a statement that returns no rows; returns how many rows it has changed."""

    @abstractmethod
    def run_many(self, statement: Statement, rows: Iterable[Parameters]) -> None:
        """Run a statement for each of these parameters."""

    @abstractmethod
    def lock_keys(self, keys: Iterable[str]) -> None:
        """Wait until no other transaction has one of these keys, and keep them until the end.

        Statements after this one see what those transactions have written.
        """

    @abstractmethod
    def lock_all_keys(self) -> None:
        """Wait until no other transaction has any key, and keep all of them until the end."""

    @abstractmethod
    def try_lock(self, name: str) -> bool:
        """Whether this transaction has the lock of this name now; another one has it if not."""

    def rows(self, statement: Statement, parameters: Parameters = NO_PARAMETERS) -> list[Row]:
        """All rows that the statement returns."""
        return self.ask(statement, parameters)()

    def row(self, statement: Statement, parameters: Parameters = NO_PARAMETERS) -> Row | None:
        """The first row that the statement returns, if there is one."""
        rows = self.rows(statement, parameters)
        return rows[0] if rows else None


class Connection(ABC):
    """A connection that any thread may use, one at a time; a failure closes it, a use opens it.

    Its methods raise StoreUnavailableError for what may pass by itself, UnstorableError where the
    store works and refuses what it was given, and StoreError otherwise; nothing is written then.
    """

    @abstractmethod
    def rows(self, statement: Statement, parameters: Parameters = NO_PARAMETERS) -> list[Row]:
        """All rows of a reading statement, by itself."""

    def scan(self, statement: Statement, parameters: Parameters = NO_PARAMETERS) -> list[Row]:
        """The same, of a statement that may look through a whole table, and takes its time."""
        return self.rows(statement, parameters)

    @abstractmethod
    def transact(self, work: Callable[[Transaction], Result]) -> Result:
        """Returns what `work` returned in a transaction that was committed.

        `work` may be called several times, each time in a new transaction: after a deadlock, or
        where the answer to the commit was lost. So it must change nothing but by the transaction.
        """

    @abstractmethod
    def close(self) -> None:
        """Close for good; every later use raises StoreUnavailableError."""

    def row(self, statement: Statement, parameters: Parameters = NO_PARAMETERS) -> Row | None:
        """The first row of a reading statement, if there is one."""
        rows = self.rows(statement, parameters)
        return rows[0] if rows else None


class Database(ABC):
    """One store's connections."""

    @abstractmethod
    def connect(self, durability: Durability) -> Connection:
        """A new connection; it is opened by its first use."""

    @abstractmethod
    def overwrite(
        self, freed: Freed, deleted: Mapping[str, int], texts: Collection[str]
    ) -> Sequence[str]:
        """Overwrite what the files still hold of rows that are deleted, beside the engines.

        `freed` are the rows whose place is known, `deleted` counts all by table, and the rows held
        `texts`. Returns what is left to a person, a sentence each. Raises as a connection does.
        """

    @abstractmethod
    def close(self) -> None:
        """Close all connections, and give back what keeps others from the store."""
