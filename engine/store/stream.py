"""What the stream stores: alerts, their events and deliveries, by verdicts on what is stored."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from engine.store import statements
from engine.store.database import Connection, Parameters, Row, Statement, Transaction
from engine.store.model import (
    Ask,
    Batch,
    NewAlert,
    Past,
    alert_parameters,
    delivery_parameters,
    event_json,
    key_id,
)

# The locks of alerts and of cooldown keys are of one kind: an id is never a key.
_KEY_LOCK: Final = "key "
_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


class Stream:
    """The side of the loop. What it writes outlives a power cut once its call has returned."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def decide(self, ask: Ask, decide: Callable[[Past], Batch]) -> Batch:
        """Store what `decide` makes of the past, in the transaction that has read it.

        Until it has ended, no other transaction decides on the same keys or alerts. `decide` may be
        called again, after a conflict and with another past. An alert that is stored already is
        skipped. What the past says of an alert's key was suppressed is told by the alert, and
        counted no more; the counts of the batch are added. Returns the batch that is stored.

        After any exception nothing is written. UnstorableError means that the store works and
        refuses one of the alerts.
        """
        locks = [*ask.alert_ids, *(f"{_KEY_LOCK}{key_id(key)}" for key in ask.moments)]

        def work(transaction: Transaction) -> Batch:
            transaction.lock_keys(locks)
            past = past_of(transaction.rows, ask)
            batch = decide(past)
            if past.stored and not batch.alerts:
                # Who stored them may have got no answer, since they are not yet on the disk, or on
                # a standby: what is written behind them is safe only when they are.
                transaction.run(statements.PROBE, {"now_us": transaction.now_us})
            _insert(transaction, batch, past)
            return batch

        return self._connection.transact(work)

    def save_suppressed(self, suppressed: Mapping[str, int]) -> None:
        """Add suppressed counts, by key, without a batch: when the engine stops."""
        if any(suppressed.values()):
            self._connection.transact(lambda transaction: _change_counts(transaction, suppressed))


def past_of(read: Callable[[Statement, Parameters], list[Row]], ask: Ask) -> Past:
    """What is stored of what is asked; `read` returns the rows of a statement."""
    keys = {key_id(key): key for key in ask.moments}
    asked = {"alert_ids": json.dumps([*ask.alert_ids])}
    stored = frozenset(row[0] for row in read(statements.STORED, asked))
    if not keys:
        return Past(stored, {}, {})
    moments = [[each, *moment] for each, key in keys.items() for moment in ask.moments[key]]
    instants = defaultdict[str, set[int]](set)
    for each, *near in read(statements.INSTANTS, {"moments": json.dumps(moments)}):
        instants[keys[each]].update(time_us for time_us in near if time_us is not None)
    counts = read(statements.COUNTS_OF_KEYS, {"key_ids": json.dumps([*keys])})
    return Past(
        stored,
        {key: sorted(times) for key, times in instants.items() if times},
        {keys[each]: count for each, count in counts},
    )


def _insert(transaction: Transaction, batch: Batch, past: Past) -> None:
    told: dict[str, int] = {}
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
                delivery_parameters(new, channel, target_id, transaction.now_us)
                for new in batch.alerts
                if not new.is_expired
                for channel, target_id in new.targets
            ],
        )
        keys = {new.dedup_key for new in batch.alerts if new.dedup_key is not None}
        told = {key: past.counts[key] for key in keys if key in past.counts}
    _change_counts(transaction, batch.suppressed, told)


def _event_parameters(new: NewAlert) -> dict[str, bytes]:
    return {"digest": new.digest, "event": event_json(new.alert.event)}


def _change_counts(
    transaction: Transaction, added: Mapping[str, int], told: Mapping[str, int] = _NOTHING
) -> None:
    # Sorted over all: nobody has locked the keys of counts that are carried from earlier batches.
    changes = sorted(
        (key_id(key), added.get(key, 0), told.get(key, 0))
        for key in added.keys() | told.keys()
        if added.get(key, 0) > 0 or key in told
    )
    now_us = transaction.now_us
    transaction.run_many(
        statements.CHANGE_SUPPRESSED,
        [
            {"key_id": each, "added": more, "told": less, "now_us": now_us}
            for each, more, less in changes
        ],
    )
