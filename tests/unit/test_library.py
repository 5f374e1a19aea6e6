from __future__ import annotations

from pathlib import Path

import pytest

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
