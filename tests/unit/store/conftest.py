"""A store for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store.sqlite import SqliteStore
from tests.unit.store.samples import Clock, Samples, open_sample


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def samples() -> Samples:
    return Samples()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[SqliteStore]:
    with open_sample(tmp_path, clock=clock) as opened:
        yield opened
