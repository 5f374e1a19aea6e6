"""`alert-engine help` prints the pages of the manual wherever the engine is installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.cel.check.remedies import FIELDS_HELP
from engine.cli import main
from tests.support.command import alert_engine, alert_engine_process
from tests.support.handbook import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))
COMMAND = re.compile(r"`alert-engine help ([a-z-]+)`")


def test_a_page_is_printed_as_it_is_written(tmp_path: Path) -> None:
    printed = alert_engine_process(tmp_path, "help", "watchlists")
    written = (ROOT / "docs" / "watchlists.md").read_text(encoding="utf-8")
    assert (printed.status, printed.stdout) == (0, written)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_has_its_topic(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", page.stem]) == 0
    assert capsys.readouterr().out == page.read_text(encoding="utf-8")


def test_without_a_topic_all_pages_are_named(tmp_path: Path) -> None:
    printed = alert_engine(tmp_path, "help")
    assert printed.status == 0
    named = [line.split()[0] for line in printed.stdout.splitlines()]
    assert named == [page.stem for page in PAGES]
    assert "Writing rules" in printed.stdout


def test_an_unknown_topic_names_those_that_there_are(tmp_path: Path) -> None:
    printed = alert_engine(tmp_path, "help", "nothing")
    assert printed.status == 2
    assert all(page.stem in printed.stderr for page in PAGES)


def test_every_remedy_that_refers_to_the_manual_names_a_page() -> None:
    sources = [*(ROOT / "engine").rglob("*.py"), *(ROOT / "channels").rglob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    topics = set(COMMAND.findall(text))
    assert topics <= {page.stem for page in PAGES}
    assert COMMAND.search(FIELDS_HELP)
    texts = [line for line in text.splitlines() if '"""' not in line]
    assert not [line for line in texts if re.search(r'"[^"]*docs/[a-z-]+\.md', line)]
