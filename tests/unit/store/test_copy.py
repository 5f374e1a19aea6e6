"""A store is copied into another one: everything, once, and never over what is somebody's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import StoreError, StoreInUseError, StoreUnavailableError
from engine.store import (
    Instance,
    OpenMode,
    Turn,
    open_store,
)
from engine.store.copy import TABLES, Copied, copy_store
from engine.store.location import parse_state_url
from tests.support.postgresql import PostgreSQL
from tests.unit.store.samples import Samples, add, fill, state_url

INSTANCE = Instance("engine-1", "host", "1.0", "digest", ("plates/0",), 0)

pytestmark = pytest.mark.waits


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a second store, on either engine."""
    if request.param == "sqlite":
        yield state_url(tmp_path / "other")
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    url = server.create_database()
    yield url
    server.drop_database(url)


def copy(source: str, target: str) -> Copied:
    return copy_store(parse_state_url(source), parse_state_url(target))


def content(url: str) -> list[object]:
    """All that a store tells."""
    with open_store(url, OpenMode.TOOL) as store:
        found: list[object] = [store.archive.alerts(100), store.deliveries.held(), store.key]
        found += [store.deliveries.backlogs(), store.deliveries.known(), store.letters.kept(10)]
        counts = store.archive.rows()
        return [*found, {table.name: counts.get(table.name) for table in TABLES}]


@pytest.fixture
def source(url: str, samples: Samples) -> str:
    """The URL of a store that has something of everything, and no engine."""
    with open_store(url) as store:
        fill(store, samples)
    return url


def test_a_copy_tells_the_same(source: str, other: str) -> None:
    copied = copy(source, other)
    assert copied.is_new
    assert copied.rows["alerts"] == 5
    assert copied.rows["deliveries"] == 15
    assert content(other) == content(source)


def test_a_second_copy_changes_nothing(source: str, other: str) -> None:
    before = copy(source, other)
    after = copy(source, other)
    assert not after.is_new
    assert after.rows == before.rows


def test_a_new_delivery_gets_an_id_that_was_never_given(
    source: str, other: str, samples: Samples
) -> None:
    with open_store(source) as store:
        # The newest one is deleted, and its id stays used.
        store.archive.redeliver([store.archive.alerts(1)[0].alert.alert_id])
        newest = store.deliveries.turn(lambda turn: turn.newest_delivery())
        store.deliveries.hand_over("mail/ann", {})
        left = store.deliveries.turn(lambda turn: turn.newest_delivery())
    copy(source, other)
    with open_store(other) as store:
        add(store, samples.new("mail/new"))
        assert store.deliveries.turn(lambda turn: turn.newest_delivery()) > max(newest, left)


def test_what_waits_is_claimed_in_the_copy(source: str, other: str) -> None:
    copy(source, other)
    with open_store(other) as store:

        def work(turn: Turn) -> int:
            due = {each.target_id: each for each in turn.due_targets()()}
            return len(turn.claim(due["mail/ann"], 10, "engine", 60.0)())

        assert store.deliveries.turn(work) == 5


@pytest.fixture
def half(source: str, samples: Samples, tmp_path: Path) -> str:
    """The URL of a file for which the disk had too little room in the middle of a copy."""
    with open_store(source) as store:
        samples.event = {"note": "x" * 100_000}
        add(store, *(samples.new("mail/ann") for _ in range(10)))
    url = state_url(tmp_path / "half")
    with pytest.raises(StoreUnavailableError):
        copy(source, f"{url}?max_page_count=200")
    return url


def test_no_engine_starts_on_the_half_of_a_copy(half: str) -> None:
    with pytest.raises(StoreError, match="half of a copy"):
        open_store(half)


def test_a_copy_that_was_cut_short_goes_on(source: str, half: str) -> None:
    assert copy(source, half).is_new
    assert content(half) == content(source)
    with open_store(half):
        pass


def test_the_half_of_a_copy_begins_anew_when_its_source_has_changed(
    source: str, half: str, samples: Samples
) -> None:
    with open_store(source) as store:
        store.archive.redeliver()
        add(store, samples.new("mail/ann"))
    assert copy(source, half).rows["alerts"] == 16
    assert content(half) == content(source)


def test_a_store_with_alerts_of_its_own_is_refused(
    source: str, other: str, samples: Samples
) -> None:
    with open_store(other) as store:
        add(store, samples.new("mail/ann"))
    before = content(other)
    with pytest.raises(StoreError, match="rows of its own"):
        copy(source, other)
    assert content(other) == before


def test_a_copy_that_was_in_service_is_not_written_over(
    source: str, other: str, samples: Samples
) -> None:
    copy(source, other)
    with open_store(other) as store:
        store.archive.redeliver()
    before = content(other)
    with pytest.raises(StoreError, match="rows of its own in deliveries"):
        copy(source, other)
    assert content(other) == before


def test_a_store_of_a_running_engine_is_neither_read_nor_written(source: str, other: str) -> None:
    for running in (source, other):
        with open_store(running) as engine:
            engine.instances.beat(INSTANCE)
            with pytest.raises(StoreInUseError):
                copy(source, other)
            engine.instances.forget(INSTANCE.instance_id)
    assert copy(source, other).is_new


def test_a_store_is_not_copied_to_itself(source: str) -> None:
    with pytest.raises(StoreError, match="itself"):
        copy(source, source)


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path, other: str) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        copy(state_url(tmp_path / "nowhere"), other)
    assert not (tmp_path / "nowhere").exists()


def test_every_table_is_copied_or_belongs_to_the_engines(tmp_path: Path) -> None:
    with open_store(state_url(tmp_path)):
        pass
    file = sqlite3.connect(tmp_path / "alerts.db")
    names = {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    columns = {
        name: {row[1] for row in file.execute(f"PRAGMA table_info({name})")} for name in names
    }
    file.close()
    assert names == {each.name for each in TABLES} | {"meta", "instances", "sqlite_sequence"}
    assert {each.name: {*each.columns} for each in TABLES} == {
        each.name: columns[each.name] for each in TABLES
    }
