"""The delivery workers' side of a SQLite store."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from engine.store import statements
from engine.store.connection import Side
from engine.store.model import NONE_THE_SAME, Backlog, Delivery, Hold, delivery_from_row, storable

#: The row of `meta` with the time of the last `keep_time`.
SEEN: Final = "seen"
#: How many deliveries one transaction gives up or hands over.
DELIVERIES_AT_ONCE: Final = 500


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
