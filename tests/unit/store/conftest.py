"""A store for each test: most of them run on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from engine.store import OpenMode, Store, open_store
from engine.store.statements import TABLES
from tests.support.postgresql import PostgreSQL
from tests.unit.store.samples import Clock, Samples, open_sample, state_url


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def samples() -> Samples:
    return Samples()


@pytest.fixture(scope="session")
def migrated(postgresql: PostgreSQL) -> str:
    """The URL of a PostgreSQL store that tests use one after the other."""
    url = postgresql.create_database()
    open_store(url).close()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty store, on either engine."""
    if request.param == "sqlite":
        yield state_url(tmp_path)
        return
    migrated: str = request.getfixturevalue("migrated")
    yield migrated
    empty(migrated)


def empty(url: str) -> None:
    """Remove what a test has stored, in a tenth of the time that a new database takes."""
    with psycopg.connect(url, autocommit=True) as connection:
        for table in ("deliveries", *TABLES):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM meta WHERE name IN ('seen', 'silences', 'swept')")
        connection.execute(
            "UPDATE camera_watch SET watched_us = 0, lost_us = 0, lost_at_us = 0, judge = '', "
            "judge_until_us = 0"
        )


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    with open_store(url, clock=clock, busy_timeout_seconds=0.1) as opened:
        yield opened


@pytest.fixture
def tool(url: str, store: Store, clock: Clock) -> Iterator[Store]:
    """The same store, opened beside its engine."""
    with open_store(url, OpenMode.TOOL, clock=clock) as opened:
        yield opened


@pytest.fixture
def file_store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """A store in a SQLite file."""
    with open_sample(tmp_path, clock=clock) as opened:
        yield opened
