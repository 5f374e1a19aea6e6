"""The delivery workers' side of a SQLite store."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from engine.store import statements
from engine.store.connection import Side
from engine.store.model import NONE_THE_SAME, Backlog, Delivery, Hold, delivery_from_row, storable

#: The row of `meta` with the instant at which an engine last said that it runs.
SEEN: Final = "seen"


class DeliverySide(Side):
    """`DeliveryStore` on SQLite; commits outlive a kill, a power cut may undo the last."""

    def waiting(self, target_id: str, limit: int, exclude: Collection[int] = ()) -> list[Delivery]:
        """At most `limit` waiting deliveries, by priority, then oldest; none of `exclude`."""
        # Left out here and not by the statement, which stays one, whatever their number.
        parameters = {"target_id": target_id, "limit": limit + len(exclude)}
        rows = self._connections.delivery_reader.rows(statements.WAITING, parameters)
        return [delivery_from_row(row) for row in rows if row[0] not in exclude][:limit]

    def backlogs(self) -> list[Backlog]:
        """Every target that has waiting deliveries, gone targets too."""
        rows = self._connections.delivery_reader.rows(statements.BACKLOGS)
        return [Backlog(*row) for row in rows]

    def mark_sent(self, delivery_id: int) -> None:
        """The delivery's channel took it: one more try, the last."""
        self._write(statements.MARK_SENT, delivery_id=delivery_id)

    def record_try(self, delivery_id: int, reason: str, detail: str = "") -> None:
        """Count a try that failed; the delivery goes on waiting."""
        self._write(
            statements.RECORD_TRY, delivery_id=delivery_id, reason=reason, detail=storable(detail)
        )

    def mark_dead(
        self, delivery_id: int, reason: str, detail: str = "", *, is_try: bool = False
    ) -> None:
        """Give up a waiting delivery; `is_try` counts a try that is not recorded yet."""
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
        detail: str = "",
        *,
        waiting_before_us: int | None = None,
        exclude: Collection[int] = (),
        limit: int = 500,
    ) -> int:
        """Give up at most `limit` waiting deliveries of a target; the number of them."""
        ids = self._waiting_ids(target_id, waiting_before_us, exclude, limit)
        if not ids:
            return 0
        told = {"reason": reason, "detail": storable(detail), "tries": 0, "now_us": self._now_us()}
        with self._connections.delivery.transaction() as cursor:
            cursor.executemany(statements.MARK_DEAD, [{**told, "delivery_id": i} for i in ids])
        return len(ids)

    def hand_over(
        self,
        target_id: str,
        heir_ids: Sequence[str],
        *,
        same: Mapping[str, Collection[str]] = NONE_THE_SAME,
        exclude: Collection[int] = (),
        limit: int = 500,
    ) -> int:
        """Pass at most `limit` waiting deliveries of a target to each of its heirs; their number.

        `same` has the targets that reach the same recipient as an heir, by the heir's id. Who has
        the alert already, in whatever state and by whichever of them, does not get it again.
        """
        ids = self._waiting_ids(target_id, None, exclude, limit)
        if not ids:
            return 0
        now_us = self._now_us()
        rows = [
            {
                "delivery_id": each,
                "heir_id": heir,
                "same": json.dumps([*same.get(heir, ())]),
                "now_us": now_us,
            }
            for each in ids
            for heir in heir_ids
        ]
        with self._connections.delivery.transaction() as cursor:
            cursor.executemany(statements.HAND_OVER, rows)
            cursor.executemany(statements.DELETE_WAITING, [{"delivery_id": each} for each in ids])
        return len(ids)

    def _waiting_ids(
        self, target_id: str, before_us: int | None, exclude: Collection[int], limit: int
    ) -> list[int]:
        # To the statement, a negative number is no restriction: all would be found.
        before_us = -1 if before_us is None else max(before_us, 0)
        rows = self._connections.delivery_reader.rows(
            statements.WAITING_IDS,
            {"target_id": target_id, "before_us": before_us, "limit": limit + len(exclude)},
        )
        return [row[0] for row in rows if row[0] not in exclude][:limit]

    def hold(self, target_id: str, channel: str, reason: str, detail: str, since_us: int) -> None:
        """Remember that the target is held; a target held already keeps its `since_us`."""
        self._write(
            statements.HOLD,
            target_id=target_id,
            channel=channel,
            reason=reason,
            detail=storable(detail),
            since_us=since_us,
        )

    def release(self, target_id: str) -> None:
        """Forget the target's hold."""
        self._write(statements.RELEASE, target_id=target_id)

    def holds(self) -> list[Hold]:
        """Every held target."""
        return [Hold(*row) for row in self._connections.delivery_reader.rows(statements.HOLDS)]

    def last_seen_us(self) -> int | None:
        """When an engine last said that it runs, by its wall clock; None before the first time."""
        row = self._connections.delivery_reader.row(statements.META, {"name": SEEN})
        return int(row[0]) if row else None

    def keep_time(self, now_us: int, ahead_us: int = 0) -> None:
        """An engine runs, and its wall clock shows `now_us`, which is `ahead_us` too much."""
        moved = {"now_us": now_us, "ahead_us": ahead_us, "before_us": now_us - ahead_us}
        with self._connections.delivery.transaction() as cursor:
            if ahead_us > 0:
                cursor.execute(statements.MOVE_WAITING, moved)
            elif ahead_us < 0:
                cursor.execute(statements.BRING_BACK_WAITING, moved)
            cursor.execute(statements.SET_META, {"name": SEEN, "value": now_us})

    def changes_token(self) -> int:
        """A number that changes when somebody, in any process, asked for a redelivery."""
        row = self._connections.delivery_reader.row(statements.META, {"name": "redeliveries"})
        return int(row[0]) if row else 0

    def _write(self, statement: str, **parameters: Any) -> None:
        parameters["now_us"] = self._now_us()
        with self._connections.delivery.transaction() as cursor:
            cursor.execute(statement, parameters)
