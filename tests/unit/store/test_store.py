"""The store in a file offers what the stream, the workers and people were promised."""

from __future__ import annotations

import inspect

import pytest

from engine.store import ArchiveStore, DeliveryStore, Store, StreamStore
from engine.store.sqlite import SqliteStore

PROMISES = [
    (protocol, name)
    for protocol in (StreamStore, DeliveryStore, ArchiveStore)
    for name in vars(protocol)
    if not name.startswith("_")
]


def test_a_sqlite_store_is_a_store(store: SqliteStore) -> None:
    one: Store = store
    assert not any(one.rows().values())


@pytest.mark.parametrize(("protocol", "name"), PROMISES)
def test_every_promise_is_documented_and_kept_by_the_same_names(protocol: type, name: str) -> None:
    promised = getattr(protocol, name)
    kept = getattr(SqliteStore, name)
    assert promised.__doc__
    assert kept.__doc__
    assert list(inspect.signature(kept).parameters) == list(inspect.signature(promised).parameters)
