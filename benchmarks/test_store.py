"""`Stream.decide`: batches of alerts with two deliveries each, every transaction synced to disk.

SQLite's file and PostgreSQL's data lie in the temporary folder; where that is kept in memory,
`--basetemp` names a disk for SQLite, and TMPDIR for both.
The cost of a sync is the disk's: a page written and synced is measured beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from benchmarks.measure import Measurement
from benchmarks.stored_alerts import new_alerts
from benchmarks.stores import Stores
from engine.store import Ask, Batch, NewAlert, Store, open_store

SECTION = "6 store"
ROUNDS = 40
WIDTH_US = 300_000_000
TARGETS = (("webhook", "webhook:one"), ("email", "email:guard@example.com"))


@pytest.fixture
def store(stores: Stores) -> Iterator[Store]:
    """An empty store."""
    with open_store(stores.new_url()) as store:
        yield store


def save(store: Store, alerts: Sequence[NewAlert]) -> None:
    """Store them after a look at what they depend on, as the pipeline does."""
    moments = {
        new.dedup_key: [(new.time_us, WIDTH_US)] for new in alerts if new.dedup_key is not None
    }
    ask = Ask([new.alert.alert_id for new in alerts], moments)
    store.stream.decide(ask, lambda past: Batch(alerts, {}))


@pytest.mark.parametrize("size", [1, 10, 100, 500])
def test_save(measure: Measurement, stores: Stores, store: Store, size: int) -> None:
    group, alerts = f"save, {stores.kind}", new_alerts(size * ROUNDS, TARGETS)
    batches = iter([alerts[start : start + size] for start in range(0, len(alerts), size)])
    seconds = measure.rounds(group, partial(save, store), ROUNDS, lambda: (next(batches),))
    assert store.archive.rows()["alerts"] == size * ROUNDS
    what = f"{stores.kind}, save {size} alerts"
    measure.tell(SECTION, f"{what} of two deliveries", seconds * 1e3, "ms")
    measure.tell(SECTION, f"{what}, rate", size / seconds, "alerts/s")


def test_a_synced_row(measure: Measurement, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "row", os.O_WRONLY | os.O_CREAT, 0o600)
    try:

        def write() -> None:
            os.write(descriptor, b"x" * 4096)
            os.fdatasync(descriptor)

        seconds = measure.rounds("save", write, ROUNDS)
    finally:
        os.close(descriptor)
    measure.tell(SECTION, "the disk: 4 KiB written and synced", seconds * 1e3, "ms")
