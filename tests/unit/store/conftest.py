"""A store for each test: most of them run on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store import OpenMode, Store, open_store
from tests.unit.store.samples import Clock, Samples, open_sample, state_url


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def samples() -> Samples:
    return Samples()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store of its own, on either engine."""
    if request.param == "sqlite":
        return state_url(tmp_path)
    found: str = request.getfixturevalue("database")
    return found


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
