"""What the stream stores: alerts, their events and deliveries, by verdicts on what is stored."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final

from engine.store import statements
from engine.store.database import Connection, Transaction
from engine.store.model import (
    Ask,
    Batch,
    NewAlert,
    Past,
    alert_parameters,
    event_json,
    key_id,
)

# The locks of alerts and of cooldown keys are of one kind: an id is never a key.
_KEY_LOCK: Final = "key "


class Stream:
    """The side of the loop. What it writes outlives a power cut once its call has returned."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def decide(self, ask: Ask, decide: Callable[[Past], Batch]) -> Batch:
        """Store what `decide` makes of the past, in the transaction that has read it.

        Until it has ended, no other transaction decides on the same keys or alerts. `decide` may be
        called again, after a conflict and with another past. An alert that is stored already is
        skipped. A stored alert sets the suppressed count of its key to zero; then the counts of
        the batch are added. Returns the batch that is stored.

        After any exception nothing is written. UnstorableError means that the store works and
        refuses one of the alerts.
        """
        keys = {key_id(key): key for key in ask.ranges}
        locks = [*ask.alert_ids, *(f"{_KEY_LOCK}{each}" for each in keys)]

        def work(transaction: Transaction) -> Batch:
            transaction.lock_keys(locks)
            batch = decide(_past(transaction, ask, keys))
            _insert(transaction, batch)
            return batch

        return self._connection.transact(work)

    def save_suppressed(self, suppressed: Mapping[str, int]) -> None:
        """Add suppressed counts, by key, without a batch: when the engine stops."""
        if any(suppressed.values()):
            self._connection.transact(lambda transaction: _add_counts(transaction, suppressed))


def _past(transaction: Transaction, ask: Ask, keys: Mapping[str, str]) -> Past:
    asked = {"alert_ids": json.dumps([*ask.alert_ids])}
    stored = frozenset(row[0] for row in transaction.rows(statements.STORED, asked))
    if not keys:
        return Past(stored, {}, {})
    ranges = [[each, *ask.ranges[key]] for each, key in keys.items()]
    instants = defaultdict(list)
    for each, time_us in transaction.rows(statements.INSTANTS, {"ranges": json.dumps(ranges)}):
        instants[keys[each]].append(time_us)
    counts = transaction.rows(statements.COUNTS_OF_KEYS, {"key_ids": json.dumps([*keys])})
    return Past(
        stored,
        {key: sorted(times) for key, times in instants.items()},
        {keys[each]: count for each, count in counts},
    )


def _insert(transaction: Transaction, batch: Batch) -> None:
    if batch.alerts:
        rows = [alert_parameters(new, transaction.now_us) for new in batch.alerts]
        # Sorted, so that two transactions never wait for each other's rows.
        events = {new.digest: new for new in sorted(batch.alerts, key=lambda new: new.digest)}
        transaction.run_many(statements.INSERT_EVENT, map(_event_parameters, events.values()))
        transaction.run_many(
            statements.INSERT_ALERT, sorted(rows, key=lambda row: (row["digest"], row["rule_id"]))
        )
        # In the order of the batch, which is their age.
        transaction.run_many(
            statements.INSERT_DELIVERY,
            [
                {**row, "channel": channel, "target_id": target_id}
                for new, row in zip(batch.alerts, rows, strict=True)
                if not new.is_expired
                for channel, target_id in new.targets
            ],
        )
        reset = sorted({row["key_id"] for row in rows if row["key_id"] is not None})
        transaction.run_many(statements.RESET_SUPPRESSED, [{"key_id": each} for each in reset])
    _add_counts(transaction, batch.suppressed)


def _event_parameters(new: NewAlert) -> dict[str, bytes]:
    return {"digest": new.digest, "event": event_json(new.alert.event)}


def _add_counts(transaction: Transaction, suppressed: Mapping[str, int]) -> None:
    counts = sorted((key_id(key), count) for key, count in suppressed.items() if count > 0)
    transaction.run_many(
        statements.ADD_SUPPRESSED,
        [{"key_id": each, "added": count, "now_us": transaction.now_us} for each, count in counts],
    )
