"""The benchmarks' fixtures, and the table of figures at a run's end."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.machine import describe
from benchmarks.measure import Figures, Measurement

FIGURES = pytest.StashKey[Figures]()


def pytest_configure(config: pytest.Config) -> None:
    """One table for the run."""
    config.stash[FIGURES] = Figures()


@pytest.fixture
def measure(benchmark: Any, request: pytest.FixtureRequest) -> Measurement:
    """The test's measurement."""
    return Measurement(benchmark, request.config.stash[FIGURES])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Show the figures."""
    lines = list(config.stash[FIGURES].lines())
    if not lines:
        return
    terminalreporter.section("figures")
    for line in [*describe(), *lines]:
        terminalreporter.write_line(line)
