"""A short run of `make chaos` keeps every promise; what it loses it could trace."""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.judge import Lost
from tests.chaos.oracle import WEBHOOK, matches
from tests.chaos.run import START_SECONDS, Plan, run
from tests.chaos.scene import Store, open_scene
from tests.chaos.trace import trace
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
    with servers_or_skip():
        report = run(Plan(store, replicas, FAULTS, SEED), tmp_path)
    assert report.is_good, f"{report.as_json()}\n{report.judgement}\n{report.traces}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_trace_tells_how_far_an_alert_came(tmp_path: Path) -> None:
    with (
        servers_or_skip(),
        open_scene(tmp_path, Store.SQLITE, 1, random.Random(SEED)) as scene,
    ):
        assert scene.await_fresh(START_SECONDS) is not None
        events = {event.event_id: event for event in scene.street.end()}
        came = scene.receivers.webhooks()[0]
        for replica in scene.replicas:
            scene.stop(replica)
        known = next(
            Lost(match, WEBHOOK)
            for match in matches([events[came.event_id]])
            if match.rule.rule_id == came.rule_id
        )
        nowhere = "00000000-0000-4000-8000-000000000000"
        unknown = replace(
            known,
            match=replace(known.match, event=replace(known.match.event, event_id=nowhere)),
        )
        assert trace(scene, []) == []
        there, missing = trace(scene, [known, unknown])
    assert f"{came.rule_id} {came.event_id} at webhook: record partition " in there
    assert f"alert {came.alert_id} stored at " in there
    # It waits where the answer was lost, and the engine stopped before the next try.
    assert re.search(r"; delivery webhook is (sent|waiting) after \d tries, changed at \d+", there)
    assert missing.endswith("record none in the topic; alert none; delivery none")


@contextlib.contextmanager
def servers_or_skip() -> Iterator[None]:
    """Skip the test where a server can't be had and is not required."""
    try:
        yield
    except KafkaUnavailableError as error:
        if kafka.is_required():
            raise
        pytest.skip(f"needs a real Kafka: {error}")
    except PostgreSQLUnavailableError as error:
        if postgresql.is_required():
            raise
        pytest.skip(f"needs PostgreSQL: {error}")
