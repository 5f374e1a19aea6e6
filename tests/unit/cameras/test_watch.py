"""The watch on a store: what it notes, reports and shows, and what it leaves for a later round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.cameras.progress import ROUND_SECONDS, SLACK_SECONDS
from engine.cameras.sightings import Sightings
from engine.cameras.watch import CameraWatch, Parts
from engine.errors import StoreUnavailableError, StreamError
from engine.metrics import Metrics
from engine.pipeline.active_rules import prepare
from engine.pipeline.silences import SilencesInForce
from engine.store import FreshAlert, Instance, Silence, Store
from engine.stream.record import Partition
from tests.unit.cameras.clock import BothClocks
from tests.unit.rules.rule_text import load, schema
from tests.unit.store.samples import open_sample

RULES = """\
channels: {guards: 'json://localhost'}
time_intervals:
  - {name: day, times: [{start_time: "06:00", end_time: "22:00"}]}
cameras:
  gate: {silent_after: 60s}
  yard: {silent_after: 60s, mute_time_intervals: [day]}
  default: {silent_after: 5m}
camera_silent: {notify: [guards], priority: high}
"""
P: Partition = ("plates", 0)


class Broker:
    """The end of one partition, which the group has read."""

    def __init__(self) -> None:
        self.is_away = False
        self.end = 0
        self.is_closed = False

    def ends(self) -> Mapping[Partition, int]:
        if self.is_away:
            raise StreamError("away")
        return {P: self.end}

    def committed(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        return {P: self.end}

    def close(self) -> None:
        self.is_closed = True


class Site:
    """A store, a broker, and one engine's watch."""

    def __init__(self, folder: Path, store: Store, clock: BothClocks) -> None:
        self.folder, self.store, self.clock = folder, store, clock
        self.broker, self.sightings, self.metrics = Broker(), Sightings(), Metrics()
        self.fresh: list[FreshAlert] = []
        self.silences = SilencesInForce((), schema())
        store.instances.beat(Instance("a", "host", "1.0", "digest"))
        self.watch = self.another("a")

    def another(self, name: str) -> CameraWatch:
        parts = Parts(
            self.store.cameras,
            self.sightings,
            lambda: self.broker,
            lambda: self.silences,
            self.fresh.extend,
            self.metrics,
            self.clock,
        )
        watch = CameraWatch(parts, name, 3_600.0, is_shared=False)
        watch.use(prepare(load(self.folder, RULES)))
        return watch

    def see(self, *cameras: str) -> None:
        self.sightings.add({each: int(self.clock.seconds * 1_000) for each in cameras})

    def run(self, seconds: float, *seen: str) -> None:
        for _ in range(round(seconds / ROUND_SECONDS)):
            self.clock.seconds += ROUND_SECONDS
            self.see(*seen)
            self.watch.round()

    def alerts(self) -> list[Any]:
        return [each.alert for each in self.store.archive.alerts(100)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    clock = BothClocks()
    with open_sample(tmp_path, clock=clock) as store:
        yield Site(tmp_path, store, clock)


def test_a_camera_that_is_silent_is_reported_once_and_once_more_when_it_is_back(
    site: Site,
) -> None:
    site.run(30, "gate")
    site.run(60 + SLACK_SECONDS + 9, "other")
    (silent,) = site.alerts()
    assert silent.rule_id == "camera_silent"
    assert silent.priority == "high"
    assert silent.message.startswith("Silent camera: nothing from gate since 2025-12-25T16:00:")
    assert silent.event["camera"]["state"] == "silent"
    assert silent.event["camera_id"] == "gate"
    assert silent.event["camera"]["silent_seconds"] >= 60
    assert len(site.fresh) == 1
    assert [channel for channel, _ in site.fresh[0].targets] == ["guards"]
    site.run(9, "gate", "other")
    back = next(each for each in site.alerts() if each.alert_id != silent.alert_id)
    assert back.message.startswith("gate is back, it was silent for 1 min")
    assert back.event["camera"]["last_seen"] == silent.event["camera"]["last_seen"]
    site.run(30, "gate", "other")
    assert len(site.alerts()) == 2
    assert site.metrics.total("alerts_triggered_total") == 2


def test_a_camera_that_is_named_and_never_seen_is_silent_since_it_was_named(site: Site) -> None:
    site.run(60 + SLACK_SECONDS + 9)
    (alert,) = site.alerts()
    assert alert.event["camera"]["last_seen"] is None
    assert alert.event["camera_id"] == "gate"


def test_while_the_broker_is_away_nobody_is_accused_and_time_stands_still(site: Site) -> None:
    site.run(60, "gate")
    site.broker.is_away = True
    for _ in range(200):
        site.clock.seconds += ROUND_SECONDS
        with pytest.raises(StreamError):
            site.watch.round()
    site.broker.is_away = False
    site.run(60)
    assert site.alerts() == []
    site.run(SLACK_SECONDS + 9)
    assert len(site.alerts()) == 1


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_a_clock_that_is_set_accuses_nobody_and_hides_nobody(site: Site, jump: float) -> None:
    site.run(30, "gate")
    site.clock.jumped = jump
    site.run(60)
    assert site.alerts() == []
    site.run(SLACK_SECONDS + 9)
    assert [each.event["camera_id"] for each in site.alerts()] == ["gate"]


def test_a_backlog_accuses_nobody(site: Site) -> None:
    site.run(30, "gate")
    site.clock.seconds += 7_200
    site.see("gate")
    site.run(60)
    assert site.alerts() == []


def test_what_a_silence_covers_is_stored_and_sent_to_nobody(site: Site) -> None:
    far_us = 1 << 60
    silence = Silence(silence_id="1234abcd", camera_id="gate", starts_us=0, ends_us=far_us)
    site.silences = SilencesInForce([silence], schema())
    site.run(60 + SLACK_SECONDS + 9)
    (stored,) = site.store.archive.alerts(10)
    assert stored.silenced_by == "1234abcd"
    assert site.fresh == []
    assert site.metrics.total("alerts_silenced_total") == 1


def test_the_metric_has_each_camera_as_long_as_it_is_watched(site: Site) -> None:
    site.sightings.add({"": 0})
    site.run(3, "gate", "other")
    seen = site.metrics.camera_last_seen
    assert sorted(each[0] for each in seen._metrics) == ["gate", "other"]
    site.watch.use(prepare(load(site.folder, RULES.replace("default", "fence"))))
    site.run(3, "gate", "other")
    assert sorted(each[0] for each in seen._metrics) == ["gate"]
    site.watch.use(prepare(load(site.folder, "rules: [{id: a, when: 'true', notify: []}]")))
    site.run(3)
    assert list(seen._metrics) == []
    assert site.broker.is_closed


def test_of_two_engines_one_judges_and_the_other_takes_over(site: Site) -> None:
    other = site.another("b")
    for _ in range(round((60 + SLACK_SECONDS + 9) / ROUND_SECONDS)):
        site.clock.seconds += ROUND_SECONDS
        site.watch.round()
        other.round()
    assert len(site.alerts()) == 1
    site.watch = other
    site.run(30)
    site.run(9, "gate")
    assert len(site.alerts()) == 2


def test_while_an_engine_has_other_rules_time_stands_still(site: Site) -> None:
    for _ in range(100):
        site.store.instances.beat(Instance("b", "host", "1.0", "other rules"))
        site.store.instances.beat(Instance("a", "host", "1.0", "digest"))
        site.run(ROUND_SECONDS)
    assert site.alerts() == []


def test_what_the_store_does_not_take_is_noted_later(site: Site) -> None:
    site.run(3, "gate")
    site.store.close()
    site.see("gate")
    with pytest.raises(StoreUnavailableError):
        site.watch.round()
    assert site.sightings.take().keys() == {"gate"}


def test_what_was_seen_last_is_noted_when_the_engine_stops(site: Site) -> None:
    with site.watch:
        site.see("gate")
    assert [each.camera_id for each in site.store.cameras.all()] == ["gate"]
