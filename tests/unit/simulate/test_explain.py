"""One event explained: the verdict of each rule, by what is stored, with the evidence."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.pipeline.outcome import Verdict
from engine.schema.event import Event
from engine.simulate.explain import Explainer, Explanation
from engine.simulate.why_not import event_of
from engine.store import Silence
from tests.unit.plate import NOON
from tests.unit.simulate.planted import STOLEN, PlantedSite

OTHERS = """\
  - {id: unsure, when: 1 / latency_ms > 5, notify: []}
  - {id: elsewhere, when: camera_id == 'gate', notify: []}
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[PlantedSite]:
    made = PlantedSite(tmp_path, STOLEN + OTHERS)
    yield made
    made.store.close()


def explained(site: PlantedSite, event: Event, *, is_alone: bool = False) -> dict[str, Explanation]:
    alerts = None if is_alone else site.store.archive
    explainer = Explainer(site.today, site.decoder.schema, alerts, site.silences)
    return {each.rule.rule_id: each for each in explainer.explain(event)}


def test_each_rule_has_its_verdict_its_trace_and_what_was_looked_up(site: PlantedSite) -> None:
    found = explained(site, site.decoder.decode(site.seen(0)), is_alone=True)
    assert {rule_id: each.verdict for rule_id, each in found.items()} == {
        "stolen": Verdict.ALERT,
        "unsure": Verdict.ERROR,
        "elsewhere": Verdict.FALSE,
    }
    assert found["stolen"].trace.value is True
    assert found["stolen"].asked[0].value == "abc123"
    assert found["unsure"].always
    assert found["unsure"].trace.error is not None
    assert not found["elsewhere"].is_candidate
    new = found["stolen"].outcome
    assert new is not None
    assert new.alert is not None
    assert new.alert.alert.message == "stolen: ABC123 at cam-1, 2026-03-01T12:00:00Z"


def test_an_event_whose_alert_is_stored_is_that_alert(site: PlantedSite) -> None:
    record = site.read(0)
    found = explained(site, site.decoder.decode(record))["stolen"]
    assert found.verdict is Verdict.ALERT
    assert found.stored is not None
    assert found.stored.alert.rule_id == "stolen"


def test_a_suppressed_match_names_the_alert_that_suppresses(site: PlantedSite) -> None:
    first = site.read(-200)
    event = site.decoder.decode(site.read(0))
    found = explained(site, event)["stolen"]
    assert found.verdict is Verdict.SUPPRESSED
    assert found.suppressor is not None
    assert found.suppressor.offset == first.offset
    assert explained(site, event, is_alone=True)["stolen"].verdict is Verdict.ALERT


def test_a_silence_is_named(site: PlantedSite) -> None:
    us = int(NOON.timestamp() * 1e6)
    site.silences.append(
        Silence(silence_id="0a0b0c0d", rule_id="stolen", starts_us=us, ends_us=us + 60_000_000)
    )
    found = explained(site, site.decoder.decode(site.seen(0)))["stolen"]
    assert found.verdict is Verdict.SILENCED
    assert found.silence is site.silences[0]


def test_the_event_of_a_stored_alert_is_the_one_that_was_read(site: PlantedSite) -> None:
    read = site.decoder.decode(site.read(0))
    (stored,) = site.store.archive.alerts(1)
    event = event_of(stored, site.decoder.schema)
    assert (event.values, event.time, event.digest) == (read.values, read.time, read.digest)
    assert explained(site, event)["stolen"].stored == stored


def test_explaining_stores_nothing(site: PlantedSite) -> None:
    before = site.store.archive.rows()
    explained(site, site.decoder.decode(site.seen(0)))
    assert site.store.archive.rows() == before


MANY = """\
time_intervals: [{name: odd, times: [{start_time: "12:01", end_time: "12:03"}]}]
rules:
  - {id: plate, when: plate.confidence > 0.3, notify: [guards], rate_limit: {cooldown_seconds: 40}}
  - {id: camera, when: plate.confidence > 0.6, notify: [], rate_limit: {dedup_key: camera_id}}
  - {id: all, when: "true", notify: [], rate_limit: {enabled: false}, mute_time_intervals: [odd]}
  - {id: unsure, when: 10 / latency_ms > 3, notify: [], rate_limit: {cooldown_seconds: 20}}
"""


def test_what_is_explained_later_is_what_was_done(tmp_path: Path) -> None:
    chance = random.Random(3)
    site = PlantedSite(tmp_path, MANY)
    us = int(NOON.timestamp() * 1e6)
    site.silences.append(
        Silence(
            silence_id="0a0b0c0d",
            camera_id="cam-2",
            starts_us=us + 30_000_000,
            ends_us=us + 90_000_000,
        )
    )
    done = {}
    for _ in range(60):
        record = site.seen(
            chance.uniform(0, 240),
            camera_id=chance.choice(("cam-1", "cam-2")),
            latency_ms=chance.choice((0, 1, 2, 5)),
            plate={"confidence": chance.random(), "normalized_text": chance.choice("ABC")},
        )
        done[record.offset] = {each.rule.rule_id: each.verdict for each in site.process(record)}
    explainer = Explainer(site.today, site.decoder.schema, site.store.archive, site.silences)
    for record in site.records:
        found = explainer.explain(site.decoder.decode(record))
        assert {
            each.rule.rule_id: each.verdict for each in found if each.verdict is not Verdict.FALSE
        } == done[record.offset]
    verdicts = {verdict for each in done.values() for verdict in each.values()}
    assert verdicts >= {
        Verdict.ALERT,
        Verdict.SUPPRESSED,
        Verdict.ERROR,
        Verdict.MUTED,
        Verdict.SILENCED,
    }
