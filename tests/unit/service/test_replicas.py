from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from engine.errors import StoreError
from engine.metrics import Metrics
from engine.service.replicas import BEAT_SECONDS, Replicas
from engine.store import Instance, Store, open_store
from tests.unit.store.samples import Clock

ONE = Instance("one", "host-1", "1.0", "abc", ("plates/0",), 3)
OTHER = Instance("other", "host-2", "1.0", "abc", ("plates/1",), 4)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: str, clock: Clock) -> Iterator[Store]:
    """A store that engines share."""
    with open_store(database, clock=clock) as opened:
        yield opened


def replicas(store: Store, clock: Clock, instance: Instance, metrics: Metrics) -> Replicas:
    return Replicas(store.instances, lambda: instance, metrics, clock)


def test_engines_with_the_same_rules_agree(store: Store, clock: Clock) -> None:
    metrics = Metrics()
    one = replicas(store, clock, ONE, metrics)
    other = replicas(store, clock, OTHER, Metrics())
    assert one.beat()
    assert other.beat()
    assert one.beat()
    assert metrics.total("replicas") == 2
    assert metrics.total("replicas_disagree") == 0


def test_engines_with_different_rules_disagree_until_they_have_the_same(
    store: Store, clock: Clock
) -> None:
    metrics, rules = Metrics(), ["abc"]
    one = Replicas(store.instances, lambda: replace(ONE, rules_digest=rules[0]), metrics, clock)
    other = replicas(store, clock, replace(OTHER, rules_digest="def"), Metrics())
    one.beat()
    with capture_logs() as logs:
        assert not other.beat()
        assert not one.beat()
        assert not one.beat()
        assert metrics.total("replicas_disagree") == 1
        rules[0] = "def"
        assert one.beat()
    assert [line["event"] for line in logs] == ["replicas.differ"] * 2 + ["replicas.alike"]
    assert metrics.total("replicas_disagree") == 0


def test_a_beat_is_due_at_the_start_and_every_few_seconds(store: Store, clock: Clock) -> None:
    one = replicas(store, clock, ONE, Metrics())
    due = [one.is_due]
    one.beat()
    due.append(one.is_due)
    clock.seconds += BEAT_SECONDS
    assert [*due, one.is_due] == [True, False, True]


def test_who_can_not_ask_is_told_so(store: Store, clock: Clock) -> None:
    one = replicas(store, clock, ONE, Metrics())
    one.beat()
    store.close()
    with pytest.raises(StoreError):
        one.beat()


def test_an_engine_that_is_killed_counts_for_half_a_minute(store: Store, clock: Clock) -> None:
    metrics = Metrics()
    one = replicas(store, clock, ONE, metrics)
    replicas(store, clock, OTHER, Metrics()).beat()
    clock.seconds += 29
    one.beat()
    assert metrics.total("replicas") == 2
    clock.seconds += 2
    one.beat()
    assert metrics.total("replicas") == 1
    assert [each.instance_id for each in store.instances.all()] == ["other", "one"]


def test_an_engine_that_stops_in_order_is_not_missed(store: Store, clock: Clock) -> None:
    other = replicas(store, clock, OTHER, Metrics())
    other.beat()
    other.leave()
    assert not other.beat()
    assert store.instances.all() == []
