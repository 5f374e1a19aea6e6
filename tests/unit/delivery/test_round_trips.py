"""What a turn of the claimer costs on PostgreSQL: three round trips, however much it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from channels.alert import SINGLY, Grouping, Terms
from tests.support.patience import await_that
from tests.support.postgresql import PostgreSQL
from tests.support.round_trips import RoundTrips
from tests.unit.delivery.stage import Stage

TARGETS = ("hook:a", "hook:b", "hook:c")
ALERTS = 10
LABELS = {"channel": "hook", "rule_id": "r1"}


@pytest.mark.parametrize(
    "terms", [SINGLY, Terms(Grouping(("plate.text",), 1.0, 1.0), digest_above=1_000)]
)
def test_a_turn_takes_three_round_trips(
    postgresql: PostgreSQL,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    terms: Terms,
) -> None:
    counts: list[int] = []
    with RoundTrips(postgresql.port) as trips:
        url = urlsplit(database)
        through = url._replace(netloc=url.netloc.replace(str(url.port), str(trips.port)))
        with Stage(tmp_path, url=through.geturl(), in_real_time=True) as stage:
            turn = stage.store.deliveries.turn

            def counted(work: Callable[[Any], object]) -> object:
                before = trips.count
                result = turn(work)
                counts.append(trips.count - before)
                return result

            monkeypatch.setattr(stage.store.deliveries, "turn", counted)
            for target in TARGETS:
                stage.target(target, concurrency=2).terms = terms
            stage.store.deliveries.register(dict.fromkeys(TARGETS, ("hook", 2)))
            for _ in range(ALERTS):
                stage.store_only(*TARGETS)
            stage.start()
            # Not asked of the store: what this thread asks would be counted too.
            sent = len(TARGETS) * ALERTS
            await_that(lambda: stage.metric("notifications_sent_total", **LABELS) == sent)
    # One for the states of the targets, one for marks and what is due, one for all claims.
    assert len(counts) > 5
    assert max(counts) == 3
