"""Faults as text, JSON and GitHub annotations; an excerpt never shows a line with a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import Fault, Place, Severity
from engine.rules.report import Excerpts, as_github, as_json, as_text

ERROR = Fault(Place("a,b.yaml", 2, 9), "unknown-field", "unknown field `plat`", "did you mean?")
WARNING = Fault(Place("c.yaml", 1, 1), "no-effect", "100% odd\nreally", "", Severity.WARNING)


def test_text_reads_place_what_and_remedy() -> None:
    assert as_text([ERROR, WARNING]) == (
        "a,b.yaml:2:9: unknown field `plat`, did you mean?\nc.yaml:1:1: warning: 100% odd\nreally"
    )


def test_the_caret_stands_under_the_column() -> None:
    assert as_text([ERROR], lambda place: "  when: plat.text > 1").splitlines()[1:] == [
        "      when: plat.text > 1",
        "            ^",
    ]


def test_the_caret_minds_wide_characters_and_tabs() -> None:
    line = "\twhen:🚗 plat"
    assert as_text([ERROR], lambda place: line).splitlines()[1:] == [
        "     when:🚗 plat",
        "             ^",
    ]


def test_a_long_line_is_cut_around_the_column() -> None:
    fault = Fault(Place("a.yaml", 1, 5001), "x", "wrong")
    excerpt, caret = as_text([fault], lambda place: "a" * 5000 + "b" + "a" * 5000).splitlines()[1:]
    assert len(excerpt) == 104
    assert excerpt[caret.index("^")] == "b"


def test_json_holds_every_part() -> None:
    assert json.loads(as_json([ERROR, WARNING]))["faults"][0] == {
        "file": "a,b.yaml",
        "line": 2,
        "column": 9,
        "severity": "error",
        "code": "unknown-field",
        "what": "unknown field `plat`",
        "remedy": "did you mean?",
    }


def test_github_annotations_are_escaped() -> None:
    assert as_github([ERROR, WARNING]).splitlines() == [
        "::error file=a%2Cb.yaml,line=2,col=9,title=unknown-field::"
        "unknown field `plat`, did you mean?",
        "::warning file=c.yaml,line=1,col=1,title=no-effect::100%25 odd%0Areally",
    ]


def test_json_holds_the_rules_as_cel_where_they_are_given() -> None:
    report = json.loads(as_json([], {"a": "camera_id == 'x'"}))
    assert report == {"faults": [], "rules": [{"id": "a", "cel": "camera_id == 'x'"}]}


def test_json_holds_the_watchlists_where_they_are_given() -> None:
    report = json.loads(as_json([], watchlists=[{"name": "stolen", "rows": 2}]))
    assert report == {"faults": [], "watchlists": [{"name": "stolen", "rows": 2}]}


TEXT = """\
# before
channels:
  pager: json://user:hunter2@example.org
rules:
  - id: a
    message_template: |
      channels: {x}
'notifications':
  email:
    password: hunter2
rate_limit:
  cooldown_seconds: -1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "shown"),
    [(5, "  - id: a"), (7, "      channels: {x}"), (12, "  cooldown_seconds: -1")],
)
def test_a_line_below_rules_is_shown(file: Path, line: int, shown: str) -> None:
    assert Excerpts().line(Place(str(file), line, 1)) == shown


@pytest.mark.parametrize("line", [1, 2, 3, 8, 9, 10, 99])
def test_any_other_line_is_not(file: Path, line: int) -> None:
    assert Excerpts().line(Place(str(file), line, 1)) is None


def test_a_file_in_flow_style_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text('{rules: [], channels: {a: "json://u:p@h"}}\n', encoding="utf-8")
    assert Excerpts().line(Place(str(path), 1, 1)) is None


def test_a_file_that_is_gone_has_no_lines(tmp_path: Path) -> None:
    assert Excerpts().line(Place(str(tmp_path / "none.yaml"))) is None


@pytest.mark.parametrize("name", ["list.csv", "LIST.TXT", "list.tsv"])
def test_a_line_of_a_list_is_never_shown(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("rules:\nABC123\n")
    assert Excerpts().line(Place(str(tmp_path / name), 2, 1)) is None


def test_a_line_below_watchlists_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("watchlists:\n  stolen: stolen.csv\n")
    assert Excerpts().line(Place(str(path), 2, 1)) == "  stolen: stolen.csv"
