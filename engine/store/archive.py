"""What people ask of the store and do to it, and its housekeeping."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from channels.alert import MessageKind
from engine.schema.event import LATEST_EVENT_SECONDS
from engine.store import statements
from engine.store.database import Connection, Statement, Transaction
from engine.store.model import (
    AlertFilter,
    Ask,
    Past,
    Redelivery,
    StoredAlert,
    StoredDelivery,
    Waiting,
    key_id,
    searched,
    searched_plate,
    stored_alert_from_row,
    stored_delivery_from_row,
)
from engine.store.stream import past_of

#: How many alerts one sweep deletes, and how many deliveries one transaction opens again.
SWEPT_AT_ONCE: Final = 200
_REOPENED_AT_ONCE: Final = 1_000
# The row of `meta` with the latest time of a sweep, and how far the next sweep may go beyond it.
_SWEPT: Final = "swept"
_LONGEST_STEP_US: Final = 86_400 * 1_000_000
# 2025-01-01: no engine ran before that, so that an earlier time is of a clock that was never set.
_EARLIEST_US: Final = 1_735_689_600 * 1_000_000
_NEVER_US: Final = (1 << 63) - 1
_EVERYTHING: Final = AlertFilter()


class Archive:
    """The side of people and of housekeeping. A power cut may undo its last writes."""

    def __init__(self, writer: Connection, reader: Connection) -> None:
        self._writer = writer
        self._reader = reader

    def alerts(self, limit: int, only: AlertFilter = _EVERYTHING) -> list[StoredAlert]:
        """The newest alerts, with their deliveries, newest first."""
        asked: dict[str, Any] = {
            "rule_id": only.rule_id or "",
            "channel": only.channel or "",
            "state": only.state or "",
            "since_us": only.since_us or 0,
            "until_us": _NEVER_US if only.until_us is None else only.until_us,
            "camera_id": searched(only.camera_id),
            "plate": searched_plate(only.plate),
            "limit": limit,
        }
        if only.plate is not None:
            read = self._reader.rows(statements.ALERTS_OF_PLATE, asked)
            near = self._reader.rows(statements.ALERTS_NEAR_PLATE, asked)
            found = self._with_deliveries([*read, *near])
            # A stable sort: alerts of one moment stay in the order of their ids.
            found.sort(key=lambda each: each.alert.alert_id)
            found.sort(key=lambda each: each.stored_us, reverse=True)
            return found[:limit]
        statement = statements.ALERTS if only.camera_id is None else statements.ALERTS_OF_CAMERA
        return self._with_deliveries(self._reader.rows(statement, asked))

    def alert(self, alert_id: str) -> StoredAlert | None:
        """The alert with this id, or whose id alone begins so, with its deliveries; or None."""
        if not alert_id:
            return None
        rows = self._reader.rows(
            statements.ALERTS_FROM, {"beginning": alert_id, "end": f"{alert_id}\U0010ffff"}
        )
        exact = [row for row in rows if row[0] == alert_id]
        if exact or len(rows) == 1:
            return self._with_deliveries((exact or rows)[:1])[0]
        return None

    def past(self, ask: Ask) -> Past:
        """What is stored of what is asked, for verdicts of which nothing is stored."""
        return past_of(self._reader.rows, ask)

    def alert_of_key(self, dedup_key: str, time_us: int) -> StoredAlert | None:
        """The alert of this cooldown key whose event has this time; None where there is none."""
        asked = {"key_id": key_id(dedup_key), "time_us": time_us}
        rows = self._reader.rows(statements.ALERT_OF_KEY, asked)
        return self._with_deliveries(rows[:1])[0] if rows else None

    def redeliver(
        self,
        alert_ids: Sequence[str] = (),
        channel: str | None = None,
        dead_since_us: int | None = None,
    ) -> Redelivery:
        """Let deliveries wait again, with no tries, and probe their held targets at once.

        With `alert_ids` these are the dead and the sent deliveries of those alerts, without them
        all dead ones; `channel` and `dead_since_us` restrict either. Without `alert_ids`, all held
        targets of the channel, or of all channels, are probed, even if no delivery is dead. A dead
        delivery keeps its id; one that was sent, or died in a message of several, is repeated with
        a new id. What is asked for by `alert_ids` goes alone, not in a message. Without them it
        takes several transactions: after a failure, call it again.
        """
        asked: dict[str, Any] = {
            "channel": channel or "",
            "since_us": dead_since_us or 0,
            "limit": _REOPENED_AT_ONCE,
        }
        if alert_ids:
            return self._writer.transact(
                lambda transaction: _redeliver_alerts(transaction, alert_ids, asked)
            )
        reopened = 0
        while chunk := self._writer.transact(
            lambda transaction: transaction.run(
                statements.REOPEN_DEAD, {**asked, "now_us": transaction.now_us}
            )
        ):
            reopened += chunk
        return self._writer.transact(lambda transaction: _wake(transaction, asked, reopened))

    def begin_sweep(self) -> int:
        """Returns the time by which the next sweep judges which rows are old.

        It is now, but at most a day later than in the sweep before: while a clock is years ahead,
        each sweep removes no more than a day's rows.
        """

        def work(transaction: Transaction) -> int:
            now_us = transaction.now_us
            row = transaction.row(statements.META_LOCKED, {"name": _SWEPT})
            latest_us = int(row[0]) if row else now_us
            instant_us = min(now_us, latest_us + _LONGEST_STEP_US)
            # The time of a clock that was never set is not stored: the right time would be decades
            # beyond it, and reached in steps of a day.
            if instant_us >= _EARLIEST_US and (row is None or instant_us > latest_us):
                transaction.run(statements.SET_META, {"name": _SWEPT, "value": instant_us})
            return instant_us

        return self._writer.transact(work)

    def sweep(self, retention_seconds: float, longest_cooldown_seconds: float, now_us: int) -> int:
        """Delete SWEPT_AT_ONCE alerts that are old at `now_us`, with their events.

        It keeps alerts with a waiting delivery, those that were stored within the retention, and
        those that a cooldown may need: their event is younger than the longest cooldown plus the
        age of the latest event. Returns the number of alerts; to be called again, with pauses,
        until it returns 0. Where another engine is at it, it returns 0.
        """
        needed_seconds = max(retention_seconds, longest_cooldown_seconds + LATEST_EVENT_SECONDS)
        horizon = {"horizon_us": now_us - int(needed_seconds * 1e6), "limit": SWEPT_AT_ONCE}
        old = [row[0] for row in self._reader.rows(statements.OLD_ALERTS, horizon)]
        if not old and not self._reader.row(statements.HAS_OLD_SUPPRESSED, horizon):
            return 0

        def work(transaction: Transaction) -> int:
            if not transaction.try_lock("sweep"):
                return 0
            # The stream may be about to store another rule's alert on one of these events.
            transaction.lock_all_keys()
            waiting = _rows_of(transaction, statements.STILL_WAITING, old)
            gone = sorted(set(old) - {row[0] for row in waiting})
            transaction.run(statements.DELETE_DELIVERIES, {"alert_ids": json.dumps(gone)})
            digests = sorted(
                row[0] for row in _rows_of(transaction, statements.DELETE_ALERTS, gone)
            )
            transaction.run_many(
                statements.DELETE_EVENT, [{"digest": each} for each in dict.fromkeys(digests)]
            )
            transaction.run(statements.DELETE_OLD_SUPPRESSED, horizon)
            return len(gone)

        return self._writer.transact(work)

    def waiting(self) -> list[Waiting]:
        """What waits, by channel."""
        return [Waiting(*row) for row in self._reader.rows(statements.WAITING_BY_CHANNEL)]

    def dead(self, since_us: int) -> dict[str, int]:
        """How many deliveries have died since then, by channel."""
        rows = self._reader.rows(statements.DEAD_BY_CHANNEL, {"since_us": since_us})
        return {channel: int(count) for channel, count in rows}

    def engine(self) -> str:
        """Which database it is, and of which version."""
        row = self._reader.row(statements.ENGINE)
        return str(row[0]) if row else ""

    def rows(self) -> Mapping[str, int]:
        """The number of rows, by table."""
        counts = ((table, self._reader.row(sql)) for table, sql in statements.COUNTS.items())
        return {table: int(row[0]) if row else 0 for table, row in counts}

    def check_writable(self) -> None:
        """Write a small row; StoreUnavailableError says why that is not possible."""
        self._writer.transact(
            lambda transaction: transaction.run(statements.PROBE, {"now_us": transaction.now_us})
        )

    def _with_deliveries(self, rows: Sequence[tuple[Any, ...]]) -> list[StoredAlert]:
        asked = {"alert_ids": json.dumps([row[0] for row in rows])}
        deliveries: dict[str, list[StoredDelivery]] = defaultdict(list)
        found = self._reader.rows(statements.DELIVERIES, asked)
        sizes = dict[int, int]()
        if message_ids := sorted({row[-2] for row in found if row[-2]}):
            ids = {"ids": json.dumps(message_ids)}
            sizes = dict(self._reader.rows(statements.MESSAGE_SIZES, ids))
        for row in found:
            deliveries[row[0]].append(stored_delivery_from_row(row, sizes))
        return [stored_alert_from_row(row, tuple(deliveries[row[0]])) for row in rows]


def _rows_of(
    transaction: Transaction, statement: Statement, alert_ids: Iterable[str]
) -> list[tuple[Any, ...]]:
    return transaction.rows(statement, {"alert_ids": json.dumps([*alert_ids])})


def _redeliver_alerts(
    transaction: Transaction, alert_ids: Sequence[str], asked: Mapping[str, Any]
) -> Redelivery:
    transaction.rows(statements.CHANNEL_LOCKED, asked)
    reopened = released = 0
    for alert_id in sorted(alert_ids):
        parameters = {**asked, "alert_id": alert_id, "now_us": transaction.now_us}
        released += transaction.run(statements.WAKE_ALERT, parameters)
        reopened += transaction.run(statements.REOPEN_ALERT, parameters)
        sent = transaction.rows(statements.SENT_OF_ALERT, parameters)
        transaction.run_many(
            statements.INSERT_DELIVERY,
            [
                {
                    "alert_id": alert_id,
                    "channel": channel,
                    "target_id": target_id,
                    "priority_rank": rank,
                    "kind": str(MessageKind.SINGLE),
                    "group_key": "",
                    "next_try_us": 0,
                    "is_redelivery": 1,
                    "now_us": transaction.now_us,
                }
                for channel, target_id, rank in sent
            ],
        )
        reopened += len(sent)
    transaction.run(statements.BEGIN_BACKLOG, asked)
    transaction.run(statements.COUNT_REDELIVERY)
    return Redelivery(reopened, released)


def _wake(transaction: Transaction, asked: Mapping[str, Any], reopened: int) -> Redelivery:
    transaction.rows(statements.CHANNEL_LOCKED, asked)
    released = transaction.run(statements.WAKE_CHANNEL, asked)
    transaction.run(statements.BEGIN_BACKLOG, asked)
    transaction.run(statements.COUNT_REDELIVERY)
    return Redelivery(reopened, released)
