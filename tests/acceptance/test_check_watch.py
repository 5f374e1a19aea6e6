"""`check --watch` and `test --watch` report again at each change, until Ctrl-C."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.engine_process import EngineProcess
from tests.support.handbook import ROOT

pytestmark = pytest.mark.slow

GOOD = (
    "watchlists: {stolen: stolen.csv}\n"
    "rules:\n  - {id: gate, when: 'plate.text in watchlist(\"stolen\")', notify: []}\n"
)
WATCHING = "watching for changes"


def watching(folder: Path, *arguments: str, command: str = "check") -> EngineProcess:
    variables = {"SCHEMAS_PATH": str(ROOT / "schemas"), "PYTHONUNBUFFERED": "1"}
    return EngineProcess(variables, folder, (command, "--watch", *arguments))


@pytest.mark.parametrize("arguments", [(), ("rules/a.yaml", "more")])
def test_each_change_is_reported(arguments: tuple[str, ...], tmp_path: Path) -> None:
    for name in ("rules", "more"):
        (tmp_path / name).mkdir()
    (tmp_path / "more" / "c.yaml").write_text("rules: []\n")
    rules, plates = tmp_path / "rules" / "a.yaml", tmp_path / "rules" / "stolen.csv"
    rules.write_text(GOOD)
    plates.write_text("plate\nABC123\n")
    with watching(tmp_path, *arguments) as check:
        check.wait_for_line(WATCHING)
        rules.write_text(GOOD.replace("when", "whne"))
        check.wait_for_line("changed: rules/a.yaml")
        check.wait_for_line("unknown key `whne` in a rule")
        rules.write_text(GOOD)
        plates.write_text("plate\nABC123\nXYZ789\n")
        check.wait_for_line("stolen: 2 rows")
        plates.write_text("plate\nABC123\nXYZ789\nQRS456\n")
        check.wait_for_line("changed: rules/stolen.csv")
        check.wait_for_line("stolen: 3 rows")
        new = tmp_path / ("more" if arguments else "rules") / "b.yaml"
        new.write_text("rules: [{id: Bad, when: 'true', notify: []}]\n")
        check.wait_for_line("the rule's id can't be `Bad`")
        new.write_text("rules: []\n")
        check.wait_for_line(f"changed: {new.relative_to(tmp_path)}")
        tests = new.with_name("b.test.yaml")
        tests.write_text("tests: [{event: {}, expect: [gat]}]\n")
        check.wait_for_line("there is no rule `gat`")
        check.signal(signal.SIGINT)
        assert check.wait() == 1, check.output
    assert "Traceback" not in check.output


def test_tests_are_run_at_each_change(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    rules, tests = tmp_path / "rules" / "a.yaml", tmp_path / "rules" / "a.test.yaml"
    text = "rules: [{id: gate, when: 'plate.confidence > 0.5', notify: [], tests: [TEST]}]\n"
    good = text.replace("TEST", "{event: {plate: {confidence: 0.9}}, expect: match}")
    rules.write_text(good)
    with watching(tmp_path, command="test") as test:
        test.wait_for_line("1 passed, 0 failed")
        rules.write_text(good.replace("0.5", "0.95"))
        test.wait_for_line("changed: rules/a.yaml")
        test.wait_for_line("expected match, got false")
        rules.write_text(good.replace("when", "whne"))
        test.wait_for_line("unknown key `whne` in a rule")
        rules.write_text(good)
        test.wait_for_line("1 passed, 0 failed", 2)
        tests.write_text("tests: [{event: {plate: {confidence: 0.9}}, expect: [gate]}]\n")
        test.wait_for_line("2 passed, 0 failed")
        test.signal(signal.SIGINT)
        assert test.wait() == 0, test.output
    assert "Traceback" not in test.output
