"""Engines on one store know of each other."""

from __future__ import annotations

from engine.store import Instance, Store
from tests.unit.store.samples import Clock

ONE = Instance("one", "host-a", "0.1", "abc", ("plates[0]",), 7)
TWO = Instance("two", "host-b", "0.2", "def")


def names(instances: list[Instance]) -> list[str]:
    return [each.instance_id for each in instances]


def test_an_engine_sees_who_runs_beside_it(store: Store, tool: Store, clock: Clock) -> None:
    (alone,) = store.instances.beat(ONE)
    assert (alone.started_us, alone.seen_us) == (clock.us, clock.us)
    assert (alone.partitions, alone.lag, alone.rules_digest) == (("plates[0]",), 7, "abc")
    clock.seconds += 5
    assert names(tool.instances.beat(TWO)) == ["one", "two"]


def test_who_is_not_seen_for_half_a_minute_runs_no_more_and_is_shown_for_a_day(
    store: Store, clock: Clock
) -> None:
    store.instances.beat(ONE)
    clock.seconds += 31
    assert names(store.instances.beat(TWO)) == ["two"]
    assert names(store.instances.all()) == ["one", "two"]
    clock.seconds += 86_400
    store.instances.beat(TWO)
    assert names(store.instances.all()) == ["two"]


def test_an_engine_that_stops_is_gone_at_once(store: Store) -> None:
    store.instances.beat(ONE)
    store.instances.beat(TWO)
    store.instances.forget("one")
    assert names(store.instances.all()) == ["two"]
    store.instances.forget_all()
    assert store.instances.all() == []
