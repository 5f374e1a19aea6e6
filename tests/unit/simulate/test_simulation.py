"""The pipeline on the events' own clock gives what it gave when they were live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.pipeline.active_rules import prepare
from engine.pipeline.outcome import RuleOutcome, Verdict
from engine.simulate import GivenEvents, Simulation
from engine.simulate.given_events import timestamp_ms
from engine.store import Silence
from tests.support.avro import plate_schema
from tests.unit.plate import NOON, plate_event
from tests.unit.rules.rule_text import load

RULES = """\
rules:
  - id: seen
    when: plate.confidence > 0.9
    notify: []
    rate_limit: {cooldown_seconds: 300}
    message_template: "{plate.normalized_text}, {suppressed_count} before"
  - {id: broken, when: 1 / latency_ms > 5, notify: [], rate_limit: {enabled: false}}
"""


def outcomes(
    folder: Path,
    *seconds: float,
    remembers: bool = True,
    late: timedelta = timedelta(),
    silences: Sequence[Silence] = (),
    **more: Any,
) -> list[RuleOutcome]:
    """What became of rule `seen` on readings at noon and so many seconds, each a batch."""
    events = GivenEvents(plate_schema())
    kafka = timestamp_ms(NOON + late) if late else 0
    with Simulation(
        prepare(load(folder, RULES)), events, remembers=remembers, silences=silences
    ) as simulation:
        return [
            outcome
            for each in seconds
            for outcome in simulation.process(
                [events.record(plate_event(each, **more), kafka)]
            ).outcomes
            if outcome.rule.rule_id == "seen"
        ]


def test_the_cooldown_goes_by_the_time_of_the_events(tmp_path: Path) -> None:
    first, second, third = outcomes(tmp_path, 0, 120, 360)
    assert [each.verdict for each in (first, second, third)] == [
        Verdict.ALERT,
        Verdict.SUPPRESSED,
        Verdict.ALERT,
    ]
    assert first.alert is not None
    assert first.alert.alert.message == "ABC123, 0 before"
    assert second.suppressed_by_us == first.alert.time_us
    assert second.key == first.key == first.alert.dedup_key
    assert third.alert is not None
    assert third.alert.alert.message == "ABC123, 1 before"


def test_an_event_that_comes_again_is_a_duplicate(tmp_path: Path) -> None:
    assert [each.verdict for each in outcomes(tmp_path, 0, 0)] == [Verdict.ALERT, Verdict.DUPLICATE]


def test_without_a_memory_each_call_has_nothing_before_it(tmp_path: Path) -> None:
    found = outcomes(tmp_path, 0, 0, 120, remembers=False)
    assert [each.verdict for each in found] == [Verdict.ALERT] * 3


def test_an_event_that_kafka_got_two_days_later_is_expired(tmp_path: Path) -> None:
    (found,) = outcomes(tmp_path, 0, late=timedelta(days=2))
    assert found.verdict is Verdict.EXPIRED
    assert found.alert is not None
    assert found.alert.alert.late_seconds == 2 * 86_400


def test_an_alert_is_made_when_its_event_was_captured(tmp_path: Path) -> None:
    (found,) = outcomes(tmp_path, 0)
    assert found.alert is not None
    assert found.alert.alert.created_at == "2026-03-01T12:00:00.000Z"
    assert found.alert.alert.late_seconds == 0


def test_a_rule_that_fails_is_an_outcome_and_one_that_does_not_hold_is_none(tmp_path: Path) -> None:
    events = GivenEvents(plate_schema())
    with Simulation(prepare(load(tmp_path, RULES)), events) as simulation:
        record = events.record(plate_event(plate={"confidence": 0.5}))
        (found,) = simulation.process([record]).outcomes
    assert (found.rule.rule_id, found.verdict) == ("broken", Verdict.ERROR)
    assert found.error is not None
    assert found.error.error_type == "division_by_zero"


@pytest.mark.parametrize("remembers", [True, False])
def test_a_simulation_knows_the_silences_of_its_time(tmp_path: Path, remembers: bool) -> None:
    noon_us = round(NOON.timestamp() * 1e6)
    silence = Silence(
        silence_id="0a1b2c3d", plate="ABC123", starts_us=noon_us, ends_us=noon_us + 100_000_000
    )
    found = outcomes(tmp_path, 99, 100, remembers=remembers, silences=[silence])
    assert [(each.verdict, each.silenced_by) for each in found] == [
        (Verdict.SILENCED, "0a1b2c3d"),
        (Verdict.ALERT, ""),
    ]
