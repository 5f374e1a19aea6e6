"""The stream's side of a SQLite store: alerts, suppressed counts and kept dead letters."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from engine.store import statements
from engine.store.connection import Side
from engine.store.model import (
    NewAlert,
    alert_parameters,
    dead_letter_from_row,
    dead_letter_parameters,
)
from engine.stream.record import DeadLetter

_NO_COUNTS: Mapping[str, int] = {}


class StreamSide(Side):
    """`StreamStore` on SQLite.

    What the loop stores is synced to the disk with each commit. Deletions of dead letters are not:
    after a power cut some may be there again, and are sent or dropped once more.
    """

    def has_alert(self, digest: bytes, rule_id: str) -> bool:
        """Whether the event with this digest is stored for this rule."""
        parameters = {"digest": digest, "rule_id": rule_id}
        return self._connections.stream.row(statements.HAS_ALERT, parameters) is not None

    def has_alert_between(self, dedup_key: str, after_us: int, before_us: int) -> bool:
        """Whether the store has an alert of this key between the times, both exclusive."""
        parameters = {"dedup_key": dedup_key, "after_us": after_us, "before_us": before_us}
        return self._connections.stream.row(statements.HAS_ALERT_BETWEEN, parameters) is not None

    def suppressed_count(self, dedup_key: str) -> int:
        """How many matches were suppressed since the last alert of this key."""
        parameters = {"dedup_key": dedup_key}
        row = self._connections.stream.row(statements.SUPPRESSED_COUNT, parameters)
        return int(row[0]) if row else 0

    def save(self, alerts: Sequence[NewAlert], suppressed: Mapping[str, int] | None = None) -> None:
        """Store a batch in one transaction; without alerts it writes nothing.

        The cooldown carries its counts on until then.
        """
        if not alerts:
            return
        now_us = self._now_us()
        with self._connections.stream.transaction() as cursor:
            for alert in alerts:
                _insert_alert(cursor, alert, now_us)
            _add_suppressed(cursor, suppressed or _NO_COUNTS, now_us)

    def save_suppressed(self, suppressed: Mapping[str, int]) -> None:
        """Add suppressed counts, by key, without a batch: when the engine stops."""
        if suppressed:
            with self._connections.stream.transaction() as cursor:
                _add_suppressed(cursor, suppressed, self._now_us())

    def keep_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep letters that their topic refuses; a letter that is kept already is skipped."""
        if not letters:
            return
        now_us = self._now_us()
        rows = [dead_letter_parameters(letter, now_us) for letter in letters]
        with self._connections.stream.transaction() as cursor:
            cursor.executemany(statements.INSERT_DEAD_LETTER, rows)

    def kept_dead_letters(self, limit: int, after_id: int = 0) -> dict[int, DeadLetter]:
        """At most `limit` dead letters with ids above `after_id`, by their ids, oldest first."""
        parameters = {"limit": limit, "after_id": after_id}
        rows = self._connections.delivery_reader.rows(statements.DEAD_LETTERS, parameters)
        return {row[0]: dead_letter_from_row(row) for row in rows}

    def dead_letter_bytes(self) -> int:
        """The size of all kept dead letters, in bytes."""
        row = self._connections.delivery_reader.row(statements.DEAD_LETTER_BYTES)
        return int(row[0]) if row else 0

    def drop_oldest_dead_letters(self, most_bytes: int) -> int:
        """Delete the oldest dead letters until `most_bytes` are left; returns their number."""
        with self._connections.delivery.transaction() as cursor:
            beyond = cursor.execute(statements.LETTER_BEYOND, {"most_bytes": most_bytes}).fetchone()
            if beyond is None:
                return 0
            return cursor.execute(statements.DELETE_LETTERS_TO, {"letter_id": beyond[0]}).rowcount

    def drop_dead_letters_before(self, before_us: int) -> int:
        """Delete dead letters that were kept before that time; returns their number."""
        with self._connections.delivery.transaction() as cursor:
            parameters = {"before_us": before_us}
            return cursor.execute(statements.DELETE_LETTERS_BEFORE, parameters).rowcount

    def drop_dead_letters(self, letter_ids: Iterable[int]) -> None:
        """Delete these dead letters, since their topic has taken them."""
        parameters = [{"letter_id": letter_id} for letter_id in letter_ids]
        if parameters:
            with self._connections.delivery.transaction() as cursor:
                cursor.executemany(statements.DELETE_DEAD_LETTER, parameters)


def _insert_alert(cursor: sqlite3.Cursor, new: NewAlert, now_us: int) -> None:
    parameters = alert_parameters(new, now_us)
    cursor.execute(statements.INSERT_ALERT, parameters)
    if cursor.rowcount != 1:
        return
    if new.dedup_key is not None:
        cursor.execute(statements.RESET_SUPPRESSED, {"dedup_key": new.dedup_key})
    if not new.is_expired:
        for channel, target_id in new.targets:
            parameters.update(channel=channel, target_id=target_id)
            cursor.execute(statements.INSERT_DELIVERY, parameters)


def _add_suppressed(cursor: sqlite3.Cursor, suppressed: Mapping[str, int], now_us: int) -> None:
    cursor.executemany(
        statements.ADD_SUPPRESSED,
        [
            {"dedup_key": key, "added": count, "now_us": now_us}
            for key, count in suppressed.items()
            if count > 0
        ],
    )
