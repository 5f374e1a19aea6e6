from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import engine
from engine import open_rules
from engine.errors import EventError, RulesError

RULES = """
rules:
  - {id: low, name: A, when: plate.confidence < 0.5, notify: []}
  - id: list
    name: B
    conditions: [{field: plate.normalized_text, operator: in_list, value: [ABC123]}]
    notify: []
"""


@pytest.fixture(autouse=True)
def schemas(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.setenv("SCHEMAS_PATH", str(repository / "schemas"))


def test_rules_match_events_given_as_dicts(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    rules = open_rules(path)
    event = {"plate": {"normalized_text": "ABC123", "confidence": 0.1}}
    assert [match.rule_id for match in rules.match(event)] == ["low", "list"]
    assert rules.match({"plate": {"confidence": 0.9}}) == []
    assert [rule.rule_id for rule in rules.all_rules()] == ["low", "list"]


def test_rules_that_do_not_count_at_the_events_time_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        """
time_intervals: [{name: night, times: [{start_time: "22:00", end_time: "05:00"}]}]
rules:
  - {id: any, when: "true", notify: []}
  - {id: nightly, when: "true", notify: [], active_time_intervals: [night]}
"""
    )
    rules = open_rules(tmp_path)
    noon, night = ({"captured_at": f"2026-07-01T{hour}:00:00Z"} for hour in (12, 23))
    assert [match.rule_id for match in rules.match(noon)] == ["any"]
    assert [match.rule_id for match in rules.match(night)] == ["any", "nightly"]


def test_paths_may_be_text_folders_or_several(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    assert len(open_rules(str(tmp_path)).all_rules()) == 2
    assert len(open_rules([tmp_path / "rules.yaml"]).all_rules()) == 2


def test_all_faults_are_raised_at_once(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES.replace("confidence", "confidense").replace("in_list", "in_lst"))
    with pytest.raises(RulesError) as caught:
        open_rules(path)
    assert [fault.place.line for fault in caught.value.faults] == [3, 6]


def test_an_event_that_does_not_fit_is_refused_by_field(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    with pytest.raises(EventError, match=r"plate\.colour"):
        open_rules(tmp_path).match({"plate": {"colour": "red"}})


MESSAGES = """
rules:
  - id: read
    name: Read
    when: camera_id != "back"
    notify: []
    message_template: "{rule.name}: {plate.normalized_text} {time:%H:%M %Z} {suppressed_count}"
  - {id: default, name: Gate, when: camera_id == "gate", notify: []}
  - id: fails
    when: camera_id == "gate"
    notify: []
    message_template: "{vehicle.make + camera_id}"
"""


def test_a_match_has_its_rendered_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENT_TIMEZONE", "Europe/Berlin")
    (tmp_path / "rules.yaml").write_text(MESSAGES)
    event = {
        "captured_at": "2025-07-01T20:00:05Z",
        "camera_id": "gate",
        "plate": {"normalized_text": "ABC123"},
    }
    matches = open_rules(tmp_path).match(event)
    assert [(match.rule_id, match.message) for match in matches] == [
        ("read", "Read: ABC123 22:00 CEST 0"),
        ("default", "Gate: ABC123 at gate, 2025-07-01 22:00:05 CEST"),
        ("fails", "?"),
    ]


def test_a_message_is_that_of_its_own_event(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(MESSAGES)
    rules = open_rules(tmp_path)
    first, second = (
        rules.match({"camera_id": "x", "plate": {"normalized_text": plate}})[0]
        for plate in ("ABC123", "XYZ789")
    )
    assert first.message.startswith("Read: ABC123 ")
    assert second.message.startswith("Read: XYZ789 ")


def test_the_version_is_that_of_the_distribution() -> None:
    assert engine.__version__ == importlib.metadata.version("alpr-alert-engine")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = engine.nothing


def test_the_version_loads_nothing_of_the_engine() -> None:
    code = (
        "import sys, engine; engine.__version__; "
        "print([name for name in sys.modules if name.startswith('engine.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
