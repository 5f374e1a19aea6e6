from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.bench.measurement import (
    FEWEST_EVENTS,
    Job,
    MeasuringStage,
    compile_rules,
    count_matches,
    measure,
)
from engine.bench.rule_sets import SetKind, traffic
from engine.errors import RulesError
from engine.watchlist import standard_costs
from tests.support.avro import PLATE_EVENT, plate_schema

pytestmark = pytest.mark.waits

RULES = """\
rules:
  - id: always
    when: plate.confidence >= 0.0
  - id: errs
    when: vehicle.color.startsWith("w")
  - id: wanted
    when: plate.normalized_text == "WANTED1"
    tests:
      - {name: wanted, event: {plate: {normalized_text: WANTED1}}, expect: match}
  - id: draft
    enabled: false
    when: plate.confidence >= 0.0
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(RULES)
    return path


def job(path: Path, kind: SetKind = SetKind.OWN, seconds: float = 0.2) -> Job:
    return Job(kind, (str(path),), str(PLATE_EVENT), "UTC", seconds)


def test_a_set_is_compiled_and_then_matched(rules: Path) -> None:
    stages: list[MeasuringStage] = []
    result = measure(job(rules), stages.append)
    assert stages == [MeasuringStage.COMPILE, MeasuringStage.MATCH]
    assert (result.kind, result.rules) == (SetKind.OWN, 3)
    assert result.us_per_event > 0
    assert result.compile_cpu_seconds > 0
    assert result.compile_seconds > 0


def test_matches_and_errors_are_averages_of_an_event(rules: Path) -> None:
    result = measure(job(rules, seconds=0.5), lambda stage: None)
    # `always` on each; colours begin with w on one of six, are absent on another; wanted on 1 %.
    assert result.matches_per_event == pytest.approx(1 + 1 / 6 + 0.01, abs=0.03)
    assert result.errors_per_event == pytest.approx(1 / 6, abs=0.03)


def test_only_ones_own_rules_say_what_matches_them(rules: Path) -> None:
    result = measure(job(rules, SetKind.MIXED), lambda stage: None)
    assert result.matches_per_event == pytest.approx(1 + 1 / 6, abs=0.03)


def test_rules_that_do_not_load_are_not_measured(rules: Path) -> None:
    rules.write_text(RULES.replace("plate.confidence", "plate.confidenc"))
    with pytest.raises(RulesError, match="confidenc"):
        measure(job(rules), lambda stage: None)


def test_counting_ends_in_time(rules: Path) -> None:
    made = compile_rules([rules], plate_schema(), UTC, standard_costs())
    events = traffic(200, plate_schema(), UTC, datetime.now(UTC))
    assert count_matches(made.matcher, events, 0.0).events == FEWEST_EVENTS
    whole = count_matches(made.matcher, events, 60.0)
    assert whole.events == 200
    assert 0 < whole.errors < whole.matches
