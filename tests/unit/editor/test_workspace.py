"""A workspace checks what is typed in place of what is saved, and finds tests and names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lsprotocol.types import Position

from engine.editor.lenses import test_places as find_tests
from engine.editor.names import defined_names
from engine.editor.text import Text
from engine.editor.workspace import Workspace
from engine.errors import Place, RulesError
from engine.settings import Settings
from tests.support.handbook import ROOT

GOOD = "rules:\n  - {id: gate, when: 'camera_id == \"gate\"', notify: []}\n"
TESTED = GOOD.replace("[]}", "[],\n     tests: [{event: {camera_id: gate}, expect: match},\n"
                      "             {event: {camera_id: door}, expect: match}]}")  # fmt: skip


@pytest.fixture
def site(tmp_path: Path) -> Workspace:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yaml").write_text(GOOD)
    settings = Settings(rules_path=tmp_path / "rules", schemas_path=ROOT / "schemas")
    return Workspace(settings)


def real(path: Path) -> str:
    return os.path.realpath(path)


def test_a_typed_text_stands_in_place_of_its_file(site: Workspace, tmp_path: Path) -> None:
    path = real(tmp_path / "rules" / "a.yaml")
    assert site.check({}).faults == {}
    faults = site.check({path: GOOD.replace("when", "whne")}).faults[path]
    assert "unknown key `whne` in a rule" in [fault.what for fault in faults]
    assert site.check({path: GOOD}).faults == {}


def test_an_unsaved_document_of_the_folder_belongs_to_the_rules(
    site: Workspace, tmp_path: Path
) -> None:
    path = real(tmp_path / "rules" / "b.yaml")
    (fault,) = site.check({path: GOOD}).faults[path]
    assert fault.what.startswith("the rule id `gate` is used twice")


def test_a_rule_file_elsewhere_is_checked_by_itself(site: Workspace, tmp_path: Path) -> None:
    path = real(tmp_path / "draft.yaml")
    assert site.check({path: GOOD}).faults == {}
    assert path in site.check({path: GOOD.replace("gate,", "Gate,")}).faults
    assert site.check({real(tmp_path / "compose.yml"): "services: {}\n"}).faults == {}


def test_without_a_rules_folder_only_documents_are_checked(tmp_path: Path) -> None:
    settings = Settings(rules_path=tmp_path / "none", schemas_path=ROOT / "schemas")
    assert Workspace(settings).check({}).faults == {}


def test_names_of_a_section_that_is_being_typed_are_those_of_before(
    site: Workspace, tmp_path: Path
) -> None:
    path = real(tmp_path / "rules" / "a.yaml")
    text = "channels: {guards: 'json://127.0.0.1:1/'}\n" + GOOD
    assert site.check({path: text}).names["channels"] == ("guards",)
    broken = text.replace("guards:", "guards: [")
    found = site.check({path: broken}).names
    assert found == {"channels": ("guards",), "rules": ("gate",)}


def test_all_sections_define_names() -> None:
    text = (
        "channels:\n  a: json://x\nnotifications: {email: {}}\n"
        "time_intervals:\n  - name: night\nwatchlists: {stolen: s.csv}\n" + GOOD
    )
    assert defined_names(text) == {
        "channels": ("a", "email"),
        "time_intervals": ("night",),
        "watchlists": ("stolen",),
    }


def test_tests_of_a_typed_rule_are_run(site: Workspace, tmp_path: Path) -> None:
    path = real(tmp_path / "rules" / "a.yaml")
    results = site.run_tests(path, "gate", None, {path: TESTED})
    assert [result.is_passed for result in results] == [True, False]
    (second,) = site.run_tests(path, "gate", 1, {path: TESTED})
    assert second.problem == "expected match, got false"
    assert site.run_tests(path, "other", None, {path: TESTED}) == []
    with pytest.raises(RulesError):
        site.run_tests(path, "gate", None, {path: TESTED.replace("when", "whne")})


def test_a_file_of_tests_is_checked_and_run(site: Workspace, tmp_path: Path) -> None:
    path = real(tmp_path / "rules" / "all.test.yaml")
    text = "tests:\n  - {event: {camera_id: gate}, expect: [gate]}\n"
    text += "  - {event: {camera_id: door}, expect: {gate: alert}}\n"
    assert site.check({path: text}).faults == {}
    (fault,) = site.check({path: text.replace("[gate]", "[gat]")}).faults[path]
    assert fault.what == "there is no rule `gat`"
    results = site.run_tests(path, "", None, {path: text})
    assert [result.is_passed for result in results] == [True, False]
    found = find_tests(Text(path, text))
    assert [(each.rule_id, each.number) for each in found] == [("", None), ("", 0), ("", 1)]
    with pytest.raises(RulesError):
        site.run_tests(path, "", None, {path: text.replace("expect", "exspect")})


def test_lenses_stand_at_the_tests() -> None:
    found = find_tests(Text("r.yaml", TESTED))
    assert [(each.place.line, each.rule_id, each.number, each.count) for each in found] == [
        (3, "gate", None, 2),
        (3, "gate", 0, 1),
        (4, "gate", 1, 1),
    ]
    assert find_tests(Text("r.yaml", TESTED + "  - [")) == []


def test_positions_count_as_editors_do() -> None:
    text = Text("r.yaml", "a: 🚗 b\r\nc: d\u2028e\nf")
    assert text.position(text.text.index("b")) == Position(0, 6)
    assert text.offset(Position(0, 6)) == text.text.index("b")
    # A line separator ends a line for YAML only.
    assert text.position(text.text.index("e")) == Position(1, 5)
    assert text.offset_of(Place("r.yaml", 3, 1)) == text.text.index("e")
    assert text.offset(Position(9, 9)) == len(text.text)
    assert text.marked(Place("r.yaml", 9, 9)).start == text.position(len(text.text))
