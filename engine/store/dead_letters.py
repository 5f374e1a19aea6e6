"""Dead letters that their topic has refused, kept until it takes them; and which were replayed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from engine.store import statements
from engine.store.database import Connection, Parameters, Statement
from engine.store.model import dead_letter_from_row, dead_letter_parameters
from engine.stream.record import DeadLetter


class DeadLetters:
    """What is kept outlives a power cut; after one, some that were dropped may be there again."""

    def __init__(self, stream: Connection, writer: Connection, reader: Connection) -> None:
        """`stream` is for what the loop writes, `writer` for what may be written once more."""
        self._stream = stream
        self._writer = writer
        self._reader = reader

    def keep(self, letters: Sequence[DeadLetter]) -> None:
        """Keep letters that their topic refuses; one for each (topic, partition, offset, value)."""
        if letters:
            self._stream.transact(
                lambda transaction: transaction.run_many(
                    statements.INSERT_DEAD_LETTER,
                    [dead_letter_parameters(each, transaction.now_us) for each in letters],
                )
            )

    def kept(self, limit: int, after_id: int = 0) -> dict[int, DeadLetter]:
        """At most `limit` letters with ids above `after_id`, by their ids, oldest first."""
        return {number: letter for number, _, letter in self.dated(limit, after_id)}

    def dated(self, limit: int, after_id: int = 0) -> list[tuple[int, int, DeadLetter]]:
        """The same, each with its id and the time of its keeping."""
        parameters = {"limit": limit, "after_id": after_id}
        rows = self._reader.rows(statements.DEAD_LETTERS, parameters)
        return [(row[0], row[-1], dead_letter_from_row(row)) for row in rows]

    def size_bytes(self) -> int:
        """The size of all kept letters, in bytes."""
        row = self._reader.row(statements.DEAD_LETTER_BYTES)
        return int(row[0]) if row else 0

    def drop_oldest(self, most_bytes: int) -> int:
        """Delete the oldest letters until `most_bytes` are left; returns their number."""
        beyond = self._reader.row(statements.LETTER_BEYOND, {"most_bytes": most_bytes})
        if beyond is None:
            return 0
        return self._run(statements.DELETE_LETTERS_TO, {"letter_id": beyond[0]})

    def drop_before(self, before_us: int) -> int:
        """Delete letters that were kept before that time; returns their number."""
        return self._run(statements.DELETE_LETTERS_BEFORE, {"before_us": before_us})

    def drop(self, letter_ids: Iterable[int]) -> None:
        """Delete these letters, since their topic has taken them."""
        rows = [{"letter_id": each} for each in letter_ids]
        if rows:
            self._writer.transact(
                lambda transaction: transaction.run_many(statements.DELETE_DEAD_LETTER, rows)
            )

    def replayed(self, letter_ids: Iterable[str]) -> dict[str, int]:
        """The time of the last replay of each of these letters, by `dlq_id`, that had one."""
        asked = {"letter_ids": json.dumps([*letter_ids])}
        return dict(self._reader.rows(statements.REPLAYED, asked))

    def mark_replayed(self, letter_ids: Iterable[str]) -> None:
        """Note that the records of these letters are back on their topics."""
        ids = [*letter_ids]
        self._writer.transact(
            lambda transaction: transaction.run_many(
                statements.MARK_REPLAYED,
                [{"letter_id": each, "now_us": transaction.now_us} for each in ids],
            )
        )

    def _run(self, statement: Statement, parameters: Parameters) -> int:
        return self._writer.transact(lambda transaction: transaction.run(statement, parameters))
