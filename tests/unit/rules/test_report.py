"""Faults as text, JSON and GitHub annotations."""

from __future__ import annotations

import json

from engine.errors import Fault, Place, Severity
from engine.rules.report import as_github, as_json, as_text

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
