from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.errors import Fault, Place, Refusal, Severity
from engine.health import Check
from engine.metrics import Metrics
from engine.reload.watcher import RulesHealth

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 1, 13, tzinfo=UTC)


def fault(line: int, severity: Severity = Severity.ERROR) -> Fault:
    return Fault(Place("a.yaml", line), "code", "wrong", "mend it", severity)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def health(metrics: Metrics) -> RulesHealth:
    return RulesHealth(metrics, 10)


def reloads(metrics: Metrics) -> dict[str, float]:
    lines = metrics.exposition().decode().splitlines()
    prefix = 'alert_engine_rule_reloads_total{outcome="'
    found = [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]
    return {line.partition('"')[0]: float(line.rpartition(" ")[2]) for line in found}


def test_rules_as_they_stand_in_the_files_are_good(health: RulesHealth, metrics: Metrics) -> None:
    assert health.check() == Check(True, "10 rules in force")
    assert not health.is_outdated
    assert metrics.total("rules_outdated") == 0
    assert reloads(metrics) == {"loaded": 0, "refused": 0, "failed": 0}


def test_refused_files_are_told_and_leave_the_engine_ready(
    health: RulesHealth, metrics: Metrics
) -> None:
    health.note_refused([fault(3), fault(4, Severity.WARNING), fault(7)], NOON)
    check = health.check()
    assert (check.is_good, check.is_essential) == (False, False)
    assert check.detail == (
        "2 faults in the files since 2026-03-01T12:00:00+00:00; 10 rules in force, loaded before"
    )
    assert check.facts == {"faults": ("a.yaml:3:1: wrong, mend it", "a.yaml:7:1: wrong, mend it")}
    assert metrics.total("rules_outdated") == 1
    assert reloads(metrics)["refused"] == 1


def test_the_first_refusal_tells_since_when(health: RulesHealth) -> None:
    health.note_refused([fault(3)], NOON)
    health.note_refused([fault(3)], LATER)
    assert health.check().detail.startswith("1 fault in the files since 2026-03-01T12:00:00")


def test_mended_files_are_good_again(health: RulesHealth, metrics: Metrics) -> None:
    health.note_refused([fault(3)], NOON)
    health.note_loaded(11)
    assert health.check() == Check(True, "11 rules in force")
    assert metrics.total("rules_outdated") == 0
    assert reloads(metrics) == {"loaded": 1, "refused": 1, "failed": 0}


def test_the_last_good_set_is_told_with_its_age(health: RulesHealth, metrics: Metrics) -> None:
    health.note_last_good([fault(3)], NOON, LATER)
    assert health.check().detail == (
        "1 fault in the files since 2026-03-01T13:00:00+00:00; 10 rules in force, "
        "of the last good set, kept at 2026-03-01T12:00:00+00:00"
    )
    assert metrics.total("rules_outdated") == 1
    # A start is no reload.
    assert metrics.total("rule_reloads_total") == 0


def test_a_defect_of_ours_is_told_too(health: RulesHealth, metrics: Metrics) -> None:
    health.note_failed("loading failed (ZeroDivisionError)", NOON)
    assert "loading failed (ZeroDivisionError) since" in health.check().detail
    assert health.check().facts == {}
    assert reloads(metrics)["failed"] == 1


def test_of_a_thousand_faults_the_first_are_shown(health: RulesHealth) -> None:
    health.note_refused([fault(line) for line in range(1, 1001)], NOON)
    shown = health.check().facts["faults"]
    assert len(shown) == 21
    assert shown[-1] == "and 980 more, see the log"


def refusal(name: str) -> Refusal:
    return Refusal(name, Path(f"{name}.csv"), 1_040, 100_000, True, fault(9))


def test_a_refused_list_is_told_until_it_is_taken(health: RulesHealth, metrics: Metrics) -> None:
    health.note_lists(["stolen", "staff"], [refusal("stolen")], NOON)
    health.note_lists(["stolen", "staff"], [refusal("stolen")], LATER)
    assert health.check() == Check(
        False,
        "10 rules in force; refused files of watchlists, which stay as they were: "
        "stolen (1,040 rows) since 2026-03-01T12:00:00+00:00",
        is_essential=False,
        facts={"faults": ("a.yaml:9:1: wrong, mend it",)},
    )
    # The rules are those of the files.
    assert not health.is_outdated
    assert metrics.total("watchlist_refused") == 1
    health.note_lists(["stolen", "staff"], [], LATER)
    assert health.check() == Check(True, "10 rules in force")
    assert metrics.total("watchlist_refused") == 0


def test_faults_beside_a_refused_list_are_told_with_it(health: RulesHealth) -> None:
    health.note_lists(["stolen"], [refusal("stolen")], NOON)
    health.note_refused([fault(3)], NOON)
    assert health.check().facts == {
        "faults": ("a.yaml:3:1: wrong, mend it", "a.yaml:9:1: wrong, mend it")
    }
