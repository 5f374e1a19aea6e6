"""A list of a million plates, asked by likeness, is replaced under 500 events a second.

Measured is an event's way from its publication to the arrival of its alert at a webhook, of events
that were published while a new list was loaded, and of all. It includes a real broker and a webhook
that answers at once; publisher, engine and webhook share the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

import pytest

from benchmarks.brokers import BrokerKind, is_at_hand, open_topics
from benchmarks.measure import Measurement
from tests.support import list_reload
from tests.support.list_reload import Outcome, Way

SECTION = "13 a list of 10^6 plates by likeness is replaced under 500 events a second"
RELOADS = 3


def test_reload_under_load(measure: Measurement, tmp_path: Path) -> None:
    if not is_at_hand(BrokerKind.REAL):
        pytest.skip("no real Kafka at hand: set KAFKA_BOOTSTRAP_SERVERS, or run the tests once")
    found: list[Outcome] = []
    with open_topics(BrokerKind.REAL) as topics:
        measure.rounds(
            "reload of a list under load, the whole run",
            lambda: found.append(list_reload.run(topics.broker, tmp_path, RELOADS)),
            1,
        )
    (outcome,) = found
    loads = [end - start for start, end in outcome.reloads]
    measure.tell(SECTION, "the new list in force, longest", max(loads), "s")
    tell(measure, "while it is loaded", outcome.during_reloads())
    tell(measure, "all the time", outcome.ways)


def tell(measure: Measurement, when: str, ways: Sequence[Way]) -> None:
    milliseconds = [way.seconds * 1e3 for way in ways]
    ranks = quantiles(milliseconds, n=100)
    measure.tell(SECTION, f"published to alerted, {when}, p50", ranks[49], "ms")
    measure.tell(SECTION, f"published to alerted, {when}, p99 (bound: 250 ms)", ranks[98], "ms")
    measure.tell(SECTION, f"published to alerted, {when}, longest", max(milliseconds), "ms")
