"""Silences: what nobody wants to be alerted of for a while."""

from __future__ import annotations

import dataclasses
import secrets
from typing import Final

from engine.store import statements
from engine.store.database import Connection, Transaction
from engine.store.model import Silence, silence_from_row, silence_parameters

#: The row of `meta` that counts changes.
_CHANGES: Final = "silences"
_ID_BYTES: Final = 4


class Silences:
    """All silences, those that are over too, until they are swept."""

    def __init__(self, stream: Connection, writer: Connection, reader: Connection) -> None:
        """`stream` is for what the loop reads, the others are for people and housekeeping."""
        self._stream = stream
        self._writer = writer
        self._reader = reader

    def add(self, silence: Silence) -> Silence:
        """Store a silence; returns it with its id."""

        def work(transaction: Transaction) -> Silence:
            count_change(transaction)
            while True:
                new = dataclasses.replace(silence, silence_id=secrets.token_hex(_ID_BYTES))
                parameters = {**silence_parameters(new), "now_us": transaction.now_us}
                if transaction.run(statements.INSERT_SILENCE, parameters):
                    return new

        return self._writer.transact(work)

    def expire(self, silence_id: str) -> Silence | None:
        """End a silence now; returns it as it is then, None where there is none of this id.

        One that is over stays as it is.
        """
        asked = {"silence_id": silence_id}

        def work(transaction: Transaction) -> Silence | None:
            count_change(transaction)
            transaction.run(statements.EXPIRE_SILENCE, {**asked, "now_us": transaction.now_us})
            row = transaction.row(statements.SILENCE, asked)
            return silence_from_row(row) if row else None

        return self._writer.transact(work)

    def all(self) -> list[Silence]:
        """Every silence, by the time at which it starts."""
        return [silence_from_row(row) for row in self._reader.rows(statements.SILENCES)]

    def since(self, version: int) -> tuple[int, list[Silence]] | None:
        """The present version, with every silence; None where `version` is the present one.

        It is for the loop. A version is 0 or more; -1 is none. What is stored while this reads may
        be in the list already, and is in that of the next version in any case.
        """
        row = self._stream.row(statements.META, {"name": _CHANGES})
        present = int(row[0]) if row else 0
        if present == version:
            return None
        return present, [silence_from_row(row) for row in self._stream.rows(statements.SILENCES)]

    def sweep(self, before_us: int) -> int:
        """Delete silences that were over before that time; returns their number."""

        def work(transaction: Transaction) -> int:
            # First, as in all that changes silences: nobody waits for each other's rows.
            count_change(transaction)
            return transaction.run(statements.DELETE_SILENCES_BEFORE, {"before_us": before_us})

        return self._writer.transact(work)


def count_change(transaction: Transaction) -> None:
    """Tell the engines that silences change, before they do."""
    transaction.run(statements.COUNT_CHANGE, {"name": _CHANGES})
