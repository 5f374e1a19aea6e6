"""The sides of a store do not wait for each other's connections."""

from __future__ import annotations

from engine.store.connection import Connection, Connections, Durability
from engine.store.sqlite import SqliteStore
from tests.unit.store.samples import Samples


def connections_of(store: SqliteStore) -> Connections:
    return store._connections


def test_only_the_stream_waits_for_the_disk(store: SqliteStore) -> None:
    def level(connection: Connection) -> object:
        return connection.row("PRAGMA synchronous")

    connections = connections_of(store)
    assert level(connections.stream) == (2,)
    assert level(connections.delivery) == (1,)
    assert [str(each) for each in Durability] == ["FULL", "NORMAL"]


def test_nobody_waits_to_read_while_another_writes(store: SqliteStore, samples: Samples) -> None:
    store.save([samples.new("mail/ann", key="k")])
    with connections_of(store).delivery.transaction():
        assert store.has_alert_between("k", 0, 1 << 62)
        assert len(store.waiting("mail/ann", 1)) == 1
        assert len(store.alerts(1)) == 1
    with connections_of(store).stream.transaction():
        assert len(store.waiting("mail/ann", 1)) == 1
        assert store.rows()["alerts"] == 1
