"""The three sides of a SQLite store: for the stream, for the delivery workers, for people."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from engine.schema.event import LATEST_EVENT_SECONDS
from engine.store import statements
from engine.store.connection import Side
from engine.store.model import (
    NONE_THE_SAME,
    AlertFilter,
    Backlog,
    Delivery,
    Hold,
    NewAlert,
    Redelivery,
    StoredAlert,
    alert_parameters,
    dead_letter_from_row,
    dead_letter_parameters,
    delivery_from_row,
    storable,
    stored_alert_from_row,
    stored_delivery_from_row,
)
from engine.stream.record import DeadLetter

#: The row of `meta` with the time of the last `keep_time`.
SEEN: Final = "seen"
#: How many deliveries one transaction gives up or hands over.
DELIVERIES_AT_ONCE: Final = 500
#: How many alerts one sweep deletes, and how many deliveries one transaction opens again.
SWEPT_AT_ONCE: Final = 200
_REOPENED_AT_ONCE: Final = 1_000
# The row of `meta` with the latest time of a sweep, and how far the next sweep may go beyond it.
_SWEPT: Final = "swept"
_LONGEST_STEP_US: Final = 86_400 * 1_000_000
# 2025-01-01: no engine ran before that, so that an earlier time is of a clock that was never set.
_EARLIEST_US: Final = 1_735_689_600 * 1_000_000
_EVERYTHING: Final = AlertFilter()
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


class DeliverySide(Side):
    """`DeliveryStore` on SQLite.

    Its commits are not synced: they outlive a kill of the process, but a power cut may undo the
    last ones.
    """

    def waiting(self, target_id: str, limit: int, exclude: Collection[int] = ()) -> list[Delivery]:
        """At most `limit` waiting deliveries, by priority, then by age, without `exclude` (ids)."""
        # Excluded here and not by SQL, so that the statement is the same for any number of them.
        parameters = {"target_id": target_id, "limit": limit + len(exclude)}
        rows = self._connections.delivery_reader.rows(statements.WAITING, parameters)
        return [delivery_from_row(row) for row in rows if row[0] not in exclude][:limit]

    def backlogs(self) -> list[Backlog]:
        """Every target that has waiting deliveries, including targets that are gone."""
        rows = self._connections.delivery_reader.rows(statements.BACKLOGS)
        return [Backlog(*row) for row in rows]

    def mark_sent(self, delivery_id: int) -> None:
        """The target has taken the delivery, with one more try."""
        self._write(statements.MARK_SENT, delivery_id=delivery_id)

    def record_try(self, delivery_id: int, reason: str, detail: str = "") -> None:
        """Count a try that failed; the delivery goes on waiting."""
        self._write(
            statements.RECORD_TRY, delivery_id=delivery_id, reason=reason, detail=storable(detail)
        )

    def mark_dead(
        self, delivery_id: int, reason: str, detail: str = "", *, is_try: bool = False
    ) -> None:
        """Give up a waiting delivery; `is_try` adds a try that was not recorded."""
        self._write(
            statements.MARK_DEAD,
            delivery_id=delivery_id,
            reason=reason,
            detail=storable(detail),
            tries=int(is_try),
        )

    def mark_all_dead(
        self,
        target_id: str,
        reason: str,
        *,
        waiting_before_us: int | None = None,
        exclude: Collection[int] = (),
    ) -> int:
        """Give up DELIVERIES_AT_ONCE waiting deliveries of a target; returns their number."""
        ids = self._waiting_ids(target_id, waiting_before_us, exclude)
        if not ids:
            return 0
        dead = {"reason": reason, "detail": "", "tries": 0, "now_us": self._now_us()}
        with self._connections.delivery.transaction() as cursor:
            cursor.executemany(statements.MARK_DEAD, [{**dead, "delivery_id": i} for i in ids])
        return len(ids)

    def hand_over(
        self,
        target_id: str,
        successor_ids: Sequence[str],
        *,
        same: Mapping[str, Collection[str]] = NONE_THE_SAME,
        exclude: Collection[int] = (),
    ) -> int:
        """Give DELIVERIES_AT_ONCE waiting deliveries of a target to each of its successors.

        Returns their number. `same` has, by successor, the targets that reach the same recipient.
        """
        ids = self._waiting_ids(target_id, None, exclude)
        if not ids:
            return 0
        now_us = self._now_us()
        rows = [
            {
                "delivery_id": each,
                "successor_id": successor,
                "same": json.dumps([*same.get(successor, ())]),
                "now_us": now_us,
            }
            for each in ids
            for successor in successor_ids
        ]
        with self._connections.delivery.transaction() as cursor:
            cursor.executemany(statements.HAND_OVER, rows)
            cursor.executemany(statements.DELETE_WAITING, [{"delivery_id": each} for each in ids])
        return len(ids)

    def _waiting_ids(
        self, target_id: str, before_us: int | None, exclude: Collection[int]
    ) -> list[int]:
        # For the statement a negative number means no restriction: a time before 1970 must be 0.
        before_us = -1 if before_us is None else max(before_us, 0)
        limit = DELIVERIES_AT_ONCE + len(exclude)
        rows = self._connections.delivery_reader.rows(
            statements.WAITING_IDS,
            {"target_id": target_id, "before_us": before_us, "limit": limit},
        )
        return [row[0] for row in rows if row[0] not in exclude][:DELIVERIES_AT_ONCE]

    def hold(self, target_id: str, channel: str, reason: str, detail: str, since_us: int) -> None:
        """Store that the target is held; if it is held already, only the reason changes."""
        self._write(
            statements.HOLD,
            target_id=target_id,
            channel=channel,
            reason=reason,
            detail=storable(detail),
            since_us=since_us,
        )

    def release(self, target_id: str) -> None:
        """Delete the target's hold."""
        self._write(statements.RELEASE, target_id=target_id)

    def holds(self) -> list[Hold]:
        """Every held target."""
        return [Hold(*row) for row in self._connections.delivery_reader.rows(statements.HOLDS)]

    def last_seen_us(self) -> int | None:
        """The `now_us` of the last `keep_time`; None before the first."""
        row = self._connections.delivery_reader.row(statements.META, {"name": SEEN})
        return int(row[0]) if row else None

    def keep_time(self, now_us: int, ahead_us: int = 0) -> None:
        """Store that an engine runs, and move waiting times by a jump of its wall clock."""
        moved = {"now_us": now_us, "ahead_us": ahead_us, "before_us": now_us - ahead_us}
        with self._connections.delivery.transaction() as cursor:
            if ahead_us > 0:
                cursor.execute(statements.MOVE_WAITING, moved)
            elif ahead_us < 0:
                cursor.execute(statements.BRING_BACK_WAITING, moved)
            cursor.execute(statements.SET_META, {"name": SEEN, "value": now_us})

    def changes_token(self) -> int:
        """A number that changes with each redelivery, by whatever process."""
        row = self._connections.delivery_reader.row(statements.META, {"name": "redeliveries"})
        return int(row[0]) if row else 0

    def _write(self, statement: str, **parameters: Any) -> None:
        parameters["now_us"] = self._now_us()
        with self._connections.delivery.transaction() as cursor:
            cursor.execute(statement, parameters)


class ArchiveSide(Side):
    """`ArchiveStore` on SQLite; its commits are not synced, as those of `DeliverySide`."""

    def alerts(self, limit: int, only: AlertFilter = _EVERYTHING) -> list[StoredAlert]:
        """The newest alerts, with their deliveries, newest first."""
        rows = self._connections.archive_reader.rows(
            statements.ALERTS,
            {
                "rule_id": only.rule_id or "",
                "channel": only.channel or "",
                "state": only.state or "",
                "since_us": only.since_us or 0,
                "limit": limit,
            },
        )
        return [self._with_deliveries(row) for row in rows]

    def alert(self, alert_id: str) -> StoredAlert | None:
        """The alert with this id, or whose id alone begins so, with its deliveries; or None."""
        if not alert_id:
            return None
        rows = self._connections.archive_reader.rows(
            statements.ALERTS_FROM, {"beginning": alert_id, "end": f"{alert_id}\U0010ffff"}
        )
        exact = [row for row in rows if row[0] == alert_id]
        if exact or len(rows) == 1:
            return self._with_deliveries((exact or rows)[0])
        return None

    def redeliver(
        self,
        alert_ids: Sequence[str] = (),
        channel: str | None = None,
        dead_since_us: int | None = None,
    ) -> Redelivery:
        """Let deliveries wait again and release the holds of their targets.

        A dead delivery keeps its id; one that was sent is repeated with a new id. Without
        `alert_ids` it takes several transactions: after a failure, call it again.
        """
        parameters: dict[str, Any] = {
            "channel": channel or "",
            "since_us": dead_since_us or 0,
            "limit": _REOPENED_AT_ONCE,
        }
        if alert_ids:
            return self._redeliver_alerts(alert_ids, parameters)
        reopened = 0
        while True:
            parameters["now_us"] = self._now_us()
            with self._connections.delivery.transaction() as cursor:
                chunk = cursor.execute(statements.REOPEN_DEAD, parameters).rowcount
                reopened += chunk
                if chunk:
                    continue
                released = cursor.execute(statements.RELEASE_CHANNEL, parameters).rowcount
                cursor.execute(statements.COUNT_REDELIVERY)
            return Redelivery(reopened, released)

    def _redeliver_alerts(self, alert_ids: Sequence[str], parameters: dict[str, Any]) -> Redelivery:
        reopened = released = 0
        parameters["now_us"] = self._now_us()
        with self._connections.delivery.transaction() as cursor:
            for alert_id in alert_ids:
                parameters["alert_id"] = alert_id
                reopened += cursor.execute(statements.REOPEN_ALERT, parameters).rowcount
                reopened += cursor.execute(statements.REPEAT_SENT, parameters).rowcount
                released += cursor.execute(statements.RELEASE_ALERT, parameters).rowcount
            cursor.execute(statements.COUNT_REDELIVERY)
        return Redelivery(reopened, released)

    def begin_sweep(self) -> int:
        """Returns the time by which the next sweep judges which rows are old."""
        now_us = self._now_us()
        row = self._connections.archive_reader.row(statements.META, {"name": _SWEPT})
        latest_us = int(row[0]) if row else now_us
        instant_us = min(now_us, latest_us + _LONGEST_STEP_US)
        # The time of a clock that was never set is not stored: the right time would be decades
        # beyond it, and reached in steps of a day.
        if instant_us >= _EARLIEST_US and (row is None or instant_us > latest_us):
            with self._connections.delivery.transaction() as cursor:
                cursor.execute(statements.SET_META, {"name": _SWEPT, "value": instant_us})
        return instant_us

    def sweep(
        self,
        retention_seconds: float,
        longest_cooldown_seconds: float,
        now_us: int,
    ) -> int:
        """Delete SWEPT_AT_ONCE old alerts in one short transaction; returns their number.

        It keeps alerts that were stored within the retention, and those that a cooldown may need:
        their event is younger than the longest cooldown plus the age of the latest event.
        """
        needed_seconds = max(retention_seconds, longest_cooldown_seconds + LATEST_EVENT_SECONDS)
        horizon = {"horizon_us": now_us - int(needed_seconds * 1e6), "limit": SWEPT_AT_ONCE}
        rows = self._connections.archive_reader.rows(statements.OLD_ALERTS, horizon)
        has_counts = self._connections.archive_reader.row(statements.HAS_OLD_SUPPRESSED, horizon)
        if not rows and not has_counts:
            return 0
        ids = [{"alert_id": row[0]} for row in rows]
        with self._connections.delivery.transaction() as cursor:
            # Asked again under the write lock: a redelivery may have come in between.
            ids = [i for i in ids if not cursor.execute(statements.HAS_WAITING, i).fetchone()]
            cursor.executemany(statements.DELETE_DELIVERIES, ids)
            cursor.executemany(statements.DELETE_ALERT, ids)
            cursor.execute(statements.DELETE_OLD_SUPPRESSED, horizon)
        return len(ids)

    def rows(self) -> Mapping[str, int]:
        """The number of rows, by table."""
        reader = self._connections.archive_reader
        return {table: int(reader.rows(sql)[0][0]) for table, sql in statements.COUNTS.items()}

    def check_writable(self) -> None:
        """Write a small row; StoreUnavailableError says why that is not possible."""
        with self._connections.delivery.transaction() as cursor:
            cursor.execute(statements.PROBE, {"now_us": self._now_us()})

    def _with_deliveries(self, row: tuple[Any, ...]) -> StoredAlert:
        found = self._connections.archive_reader.rows(statements.DELIVERIES, {"alert_id": row[0]})
        return stored_alert_from_row(row, tuple(stored_delivery_from_row(each) for each in found))


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
