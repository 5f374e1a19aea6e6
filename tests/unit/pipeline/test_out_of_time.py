"""Matches outside of a rule's time intervals make no alert, spend no cooldown, and are counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.pipeline.outcome import Verdict
from tests.unit.pipeline.test_pipeline import Bench
from tests.unit.plate import plate_record

#: The events are of noon and later; a plate alerts once an hour.
RULES = """
rate_limit: {cooldown_seconds: 3600}
time_intervals:
  - {name: afternoon, times: [{start_time: "12:10", end_time: "18:00"}]}
  - {name: evening, times: [{start_time: "18:00", end_time: "22:00"}]}
  - {name: break, times: [{start_time: "12:20", end_time: "12:30"}]}
rules:
  - {id: always, when: 'true', notify: []}
  - id: scheduled
    when: 'true'
    notify: []
    active_time_intervals: [afternoon, evening]
    mute_time_intervals: [break]
"""
MINUTE = 60


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, RULES)
    with bench.store:
        yield bench


def seen(bench: Bench, *minutes: int) -> list[tuple[Verdict, str]]:
    """What becomes of the scheduled rule on events at these minutes, and by which interval."""
    found = bench.pipeline.process([plate_record(minute * MINUTE) for minute in minutes])
    return [
        (outcome.verdict, outcome.interval)
        for outcome in sorted(found.outcomes, key=lambda each: each.event.time)
        if outcome.rule.rule_id == "scheduled"
    ]


def out_of_time(bench: Bench, verdict: Verdict) -> float | None:
    return bench.metrics.registry.get_sample_value(
        "alert_engine_matches_out_of_time_total", {"rule_id": "scheduled", "verdict": str(verdict)}
    )


def test_a_match_counts_inside_of_an_active_interval_only(bench: Bench) -> None:
    assert seen(bench, 9, 10) == [
        (Verdict.INACTIVE, "afternoon, evening"),
        (Verdict.ALERT, ""),
    ]
    assert out_of_time(bench, Verdict.INACTIVE) == 1


def test_a_muting_interval_goes_before_an_active_one(bench: Bench) -> None:
    assert seen(bench, 20, 29, 30) == [
        (Verdict.MUTED, "break"),
        (Verdict.MUTED, "break"),
        (Verdict.ALERT, ""),
    ]
    assert out_of_time(bench, Verdict.MUTED) == 2


def test_a_match_out_of_time_neither_spends_nor_counts_in_the_cooldown(bench: Bench) -> None:
    seen(bench, 9)
    seen(bench, 10, 25, 40)
    seen(bench, 75)
    alerts = [
        each.alert for each in bench.store.archive.alerts(10) if each.alert.rule_id == "scheduled"
    ]
    assert [alert.suppressed_count for alert in alerts] == [1, 0]


def test_rules_without_intervals_go_on(bench: Bench) -> None:
    found = bench.pipeline.process([plate_record(0)])
    assert [new.alert.rule_id for new in found.alerts] == ["always"]


def test_an_event_without_a_match_in_time_stores_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, RULES.replace("{id: always, when: 'true'", "{id: never, when: 'false'"))
    with bench.store:
        found = bench.pipeline.process([plate_record(0)])
        assert (len(found.processed), found.alerts) == (1, [])
        assert [each.verdict for each in found.outcomes] == [Verdict.INACTIVE]
        assert bench.metrics.total("rules_matched_total") == 0
