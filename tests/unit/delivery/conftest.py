"""A stage for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.delivery.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as prepared:
        yield prepared


@pytest.fixture
def live_stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage whose time is the machine's."""
    with Stage(tmp_path, in_real_time=True) as prepared:
        yield prepared
