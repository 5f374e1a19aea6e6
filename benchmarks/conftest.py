"""The benchmarks' fixtures, and the table of figures at a run's end."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from benchmarks.brokers import EVENTS, BrokerKind, Filled, Topics, is_at_hand, open_topics
from benchmarks.machine import describe
from benchmarks.measure import Figures, Measurement
from benchmarks.readings import encode, readings
from benchmarks.stores import StoreKind, Stores
from benchmarks.traffic import WATCHED
from channels.redact import redact
from engine.logs.setup import configure_logs
from tests.support.postgresql import PostgreSQL, PostgreSQLUnavailableError
from tests.support.stream import unique

FIGURES = pytest.StashKey[Figures]()


def pytest_configure(config: pytest.Config) -> None:
    """One table for the run."""
    config.stash[FIGURES] = Figures()


@pytest.fixture(scope="session", autouse=True)
def logs() -> Iterator[None]:
    """The engine logs as the service does, and nobody reads it."""
    with Path(os.devnull).open("w") as nowhere:
        hook = threading.excepthook
        configure_logs("info", "json", nowhere, redact)
        yield
        threading.excepthook = hook


@pytest.fixture(scope="module", params=list(BrokerKind))
def kind(request: pytest.FixtureRequest) -> BrokerKind:
    """The broker's kind."""
    kind: BrokerKind = request.param
    if not is_at_hand(kind):
        pytest.skip("no real Kafka at hand: set KAFKA_BOOTSTRAP_SERVERS, or run the tests once")
    return kind


@pytest.fixture(scope="module")
def topics(kind: BrokerKind) -> Iterator[Topics]:
    """The broker."""
    with open_topics(kind) as topics:
        yield topics


@pytest.fixture(scope="module")
def filled(topics: Topics) -> Filled:
    """Topics by their share of watched plates, filled once."""
    names: dict[float, str] = {}

    def topic(share: float) -> str:
        if share not in names:
            names[share] = topics.make(unique("plates"))
            events = readings(EVENTS, WATCHED, share)
            values = [(each["camera_id"].encode(), encode(each)) for each in events]
            topics.fill(names[share], values)
        return names[share]

    return topic


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server that syncs each commit to the disk."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(PostgreSQL(fsync=True))
        except PostgreSQLUnavailableError as error:
            pytest.skip(f"no PostgreSQL: {error}")
        yield server


@pytest.fixture(params=list(StoreKind))
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """Stores of each kind."""
    kind: StoreKind = request.param
    if kind is StoreKind.POSTGRESQL:
        server: PostgreSQL = request.getfixturevalue("postgresql")
        return Stores(kind, server.create_database)
    return Stores(kind, lambda: f"sqlite:///{tmp_path_factory.mktemp('store')}/alerts.db")


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
