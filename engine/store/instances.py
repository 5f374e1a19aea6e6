"""The engines that run on the store: what each of them says of itself."""

from __future__ import annotations

import json

from engine.store import statements
from engine.store.database import Connection, Transaction
from engine.store.model import Instance, instance_from_row

#: An instance that was not seen for so long does not run any more, or can't reach the store.
LOST_SECONDS = 30.0
_FORGOTTEN_SECONDS = 86_400.0


class Instances:
    """One row for each engine, which it writes anew every few seconds."""

    def __init__(self, writer: Connection, reader: Connection) -> None:
        self._writer = writer
        self._reader = reader

    def beat(self, instance: Instance) -> list[Instance]:
        """Store that this engine runs; returns all that run, this one too, the oldest first."""
        parameters = {
            "instance_id": instance.instance_id,
            "host": instance.host,
            "version": instance.version,
            "rules_digest": instance.rules_digest,
            "partitions": json.dumps(instance.partitions),
            "lag": instance.lag,
        }

        def work(transaction: Transaction) -> list[Instance]:
            now_us = transaction.now_us
            before_us = now_us - int(_FORGOTTEN_SECONDS * 1e6)
            transaction.run(statements.BEAT, {**parameters, "now_us": now_us})
            _forget_before(transaction, before_us)
            return running(transaction.rows(statements.INSTANCES), now_us)

        return self._writer.transact(work)

    def all(self) -> list[Instance]:
        """Every engine that was seen within a day, the oldest first."""
        return [instance_from_row(row) for row in self._reader.rows(statements.INSTANCES)]

    def forget(self, instance_id: str) -> None:
        """This engine has stopped, and uses no rules any more."""
        parameters = {"instance_id": instance_id}

        def work(transaction: Transaction) -> None:
            transaction.run(statements.END_USE, {**parameters, "now_us": transaction.now_us})
            transaction.run(statements.FORGET_INSTANCE, parameters)

        self._writer.transact(work)

    def forget_all(self) -> None:
        """No other engine runs: this one has the store's lock."""
        self._writer.transact(lambda transaction: _forget_before(transaction, 1 << 62))


def _forget_before(transaction: Transaction, before_us: int) -> None:
    parameters = {"before_us": before_us}
    transaction.run(statements.END_USES_BEFORE, {**parameters, "now_us": transaction.now_us})
    transaction.run(statements.FORGET_INSTANCES_BEFORE, parameters)


def running(rows: list[tuple[object, ...]], now_us: int) -> list[Instance]:
    """The engines of these rows of INSTANCES that run at that time, the oldest first."""
    found = [instance_from_row(row) for row in rows]
    return [each for each in found if is_running(each, now_us)]


def is_running(instance: Instance, now_us: int) -> bool:
    """Whether the engine was seen just before that time."""
    return instance.seen_us > now_us - int(LOST_SECONDS * 1e6)
