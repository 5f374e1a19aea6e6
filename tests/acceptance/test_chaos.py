"""A short run of `make chaos` keeps every promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import Plan, run
from tests.chaos.scene import Store
from tests.support import kafka, postgresql
from tests.support.kafka_jars import KafkaUnavailableError
from tests.support.postgresql import PostgreSQLUnavailableError

FAULTS = 12
SEED = 20251225


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("store", "replicas"),
    [(Store.SQLITE, 1), (Store.POSTGRESQL, 1), (Store.POSTGRESQL, 3)],
)
def test_faults_lose_nothing(store: Store, replicas: int, tmp_path: Path) -> None:
    try:
        report = run(Plan(store, replicas, FAULTS, SEED), tmp_path)
    except KafkaUnavailableError as error:
        if kafka.is_required():
            raise
        pytest.skip(f"needs a real Kafka: {error}")
    except PostgreSQLUnavailableError as error:
        if postgresql.is_required():
            raise
        pytest.skip(f"needs PostgreSQL: {error}")
    assert report.is_good, f"{report.as_json()}\n{report.judgement}"
