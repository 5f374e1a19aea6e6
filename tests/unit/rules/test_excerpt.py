"""The excerpt shows rules, and never a line that may hold a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import Place
from engine.rules.report import Excerpts

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
