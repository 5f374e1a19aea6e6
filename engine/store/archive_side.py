"""The side of a SQLite store for people and housekeeping: lists, redeliveries, sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.schema.event import LATEST_EVENT_SECONDS
from engine.store import statements
from engine.store.connection import Side
from engine.store.model import (
    AlertFilter,
    Redelivery,
    StoredAlert,
    stored_alert_from_row,
    stored_delivery_from_row,
)

# The row of `meta` with the latest time of a sweep, and how far the next sweep may go beyond it.
_SWEPT: Final = "swept"
_LONGEST_STEP_US: Final = 86_400 * 1_000_000
# 2025-01-01: no engine ran before that, so that an earlier time is of a clock that was never set.
_EARLIEST_US: Final = 1_735_689_600 * 1_000_000
#: How many alerts one sweep deletes, and how many deliveries one transaction opens again.
SWEPT_AT_ONCE: Final = 200
_REOPENED_AT_ONCE: Final = 1_000
_EVERYTHING: Final = AlertFilter()


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
