"""Files of tests lie beside the rules: they are found, read strictly, and never taken for rules."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC
from pathlib import Path

import pytest

from engine.errors import RulesError
from engine.reload.file_state import WatchedFiles
from engine.rules import Expect, ExpectedAlert, SetTest, load_rules, load_set_tests
from engine.rules.faults import Faults
from tests.unit.rules.rule_text import schema

RULE = "rules: [{id: a, notify: [], when: 'true'}]\n"
ONE = "tests: [{name: one, event: {}, expect: [a]}]\n"


def read(
    path: Path, rule_ids: Collection[str] | None = ("a", "b")
) -> tuple[tuple[SetTest, ...], list[str]]:
    """The tests below a path, and the faults as `line:column: what, remedy`."""
    faults = Faults()
    tests = load_set_tests([path], schema(), UTC, rule_ids, faults)
    return tests, [str(fault).split(".yaml:", 1)[1] for fault in faults.sorted()]


@pytest.mark.parametrize("name", ["x.test.yaml", "x.test.yml", "site/gates/X.TEST.YAML"])
def test_files_of_tests_are_found_at_any_depth(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(ONE)
    (tmp_path / "rules.yaml").write_text(RULE)
    tests, faults = read(tmp_path)
    assert ([test.name for test in tests], faults) == (["one"], [])
    assert read(tmp_path / name) == (tests, [])
    assert read(tmp_path / "rules.yaml") == ((), [])


def test_files_of_tests_are_no_rules(tmp_path: Path) -> None:
    (tmp_path / "x.test.yaml").write_text(ONE)
    (tmp_path / "rules.yaml").write_text(RULE)
    files = load_rules([tmp_path], schema(), {}).files
    assert files == (tmp_path / "rules.yaml",)
    assert tmp_path / "x.test.yaml" not in WatchedFiles(tmp_path).look().marks


def test_a_file_of_tests_given_as_rules_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "x.test.yaml").write_text(ONE)
    with pytest.raises(RulesError) as caught:
        load_rules([tmp_path / "x.test.yaml"], schema(), {})
    assert "the name is that of a file of tests, which has no rules" in str(caught.value)


def test_a_list_names_the_rules_that_alert_and_a_mapping_says_more(tmp_path: Path) -> None:
    (tmp_path / "x.test.yaml").write_text(
        "tests: [{events: [{}, {}, {}],"
        " expect: [[a, b], [], {a: suppressed, b: {alert: {message: hello}}}]}]"
    )
    ((test,), faults) = read(tmp_path)
    assert faults == []
    assert test.expectations == (
        {"a": Expect.ALERT, "b": Expect.ALERT},
        {},
        {"a": Expect.SUPPRESSED, "b": ExpectedAlert("hello")},
    )
    assert test.rule_ids == {"a", "b"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (RULE, "1:1: `rules` stands in a file of tests, where nothing reads it, write it into"),
        ("tests: {}", "1:8: `tests` must be a list, but it is a mapping"),
        ("test: []", "1:1: unknown key `test` in a file of tests, did you mean `tests`?"),
        (
            "tests: [{event: {}, expect: [a, gate]}]",
            "1:33: there is no rule `gate`, write the id of a rule",
        ),
        (
            "tests: [{event: {}, expect: {aa: alert}}]",
            "1:30: there is no rule `aa`, did you mean `a`?",
        ),
        ("tests: [{event: {}, expect: {a: alrt}}]", "1:33: `expect` can't be `alrt`, did you mean"),
        (
            "tests: [{event: {}, expect: a}]",
            "1:29: what is expected of an event must be a list of rule ids, or a mapping, wr",
        ),
        ("tests: [{event: {plte: {}}, expect: [a]}]", "1:18: unknown key `plte` in the event"),
    ],
)
def test_a_faulty_file_of_tests_is_reported(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "x.test.yaml").write_text(text)
    tests, (found,) = read(tmp_path)
    assert tests == ()
    assert found.startswith(fault)


def test_any_rule_may_be_named_where_the_rules_are_not_known(tmp_path: Path) -> None:
    (tmp_path / "x.test.yaml").write_text("tests: [{event: {}, expect: [gate]}]")
    assert read(tmp_path, None)[1] == []
