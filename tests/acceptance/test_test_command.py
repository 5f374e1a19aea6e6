"""`alert-engine test` runs the tests that rules carry."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.command import alert_engine, alert_engine_process

RULES = """\
channels:
  pager: json://localhost/${A_TOKEN_THAT_IS_NOT_SET}
rules:
  - id: sure
    when: plate.confidence > 0.8
    notify: [pager]
    tests:
      - {name: is sure, event: {plate: {confidence: 0.9}}, expect: match}
      - {name: is unsure, event: {plate: {confidence: 0.5}}, expect: match}
      - {name: is silent, event: {plate: {confidence: 0.9}}, expect: no_match}
  - id: white
    when: vehicle.color.startsWith("W")
    notify: []
    tests:
      - {name: has no colour, event: {}, expect: no_match}
  - id: bare
    when: latency_ms > 500
    notify: []
  - id: draft
    enabled: false
    when: plate.confidence > 0.8
    tests:
      - {name: is sure, event: {plate: {confidence: 0.9}}, expect: no_match}
"""


def test_the_shipped_rules_pass_their_tests(repository: Path) -> None:
    report = alert_engine_process(repository, "test")
    assert (report.status, report.stderr) == (0, "")
    assert re.fullmatch(r"\d\d+ passed, 0 failed\n", report.stdout)


def test_every_failure_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RULES)
    report = alert_engine(tmp_path, "test", "mine.yaml")
    assert (report.status, report.stderr) == (1, "")
    assert report.stdout.splitlines() == [
        "mine.yaml:9:9: sure, is unsure: expected match, got false",
        "mine.yaml:10:9: sure, is silent: expected no_match, got alert",
        "mine.yaml:15:9: white, has no colour: expected no_match, got error ('startsWith' can't "
        "be applied to (null, string))",
        "without tests: bare",
        "disabled, not tested: draft",
        "1 passed, 3 failed",
    ]


@pytest.mark.slow
def test_rules_that_do_not_load_have_no_tests(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RULES.replace("latency_ms", "latency"))
    report = alert_engine(tmp_path, "test", "mine.yaml")
    assert report.status == 1
    assert report.stderr.endswith(
        "mine.yaml:17:11: 'latency' is not known here, did you mean 'latency_ms'?\n"
        "        when: latency > 500\n"
        "              ^\n"
    )


GOOD = """\
rules:
  - id: seen
    when: plate.confidence > 0.8
    notify: []
    tests:
      - {name: 'sure <&> "#1"', event: {plate: {confidence: 0.9}}, expect: alert}
  - id: other
    when: latency_ms > 500
    notify: []
"""
BESIDE = """\
tests:
  - {name: both, event: {latency_ms: 900, plate: {confidence: 0.9}}, expect: [seen]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with rules in `rules/` and a file of tests beside them, one test of which fails."""
    (tmp_path / "rules" / "site").mkdir(parents=True)
    (tmp_path / "rules" / "mine.yaml").write_text(GOOD)
    (tmp_path / "rules" / "site" / "both.test.yaml").write_text(BESIDE)
    return tmp_path


def test_tests_beside_the_rules_are_run_with_them(folder: Path) -> None:
    report = alert_engine(folder, "test")
    assert (report.status, report.stderr) == (1, "")
    assert report.stdout.splitlines() == [
        "rules/site/both.test.yaml:2:5: both: other: expected no alert, got alert",
        "without tests: other",
        "1 passed, 1 failed",
    ]


def test_a_file_of_tests_is_run_alone_with_the_rules_of_the_settings(folder: Path) -> None:
    report = alert_engine(folder, "test", "rules/site/both.test.yaml")
    assert report.status == 1
    assert report.stdout.splitlines()[-1] == "0 passed, 1 failed"


def test_the_tests_of_one_rule_are_run_alone(folder: Path) -> None:
    report = alert_engine(folder, "test", "--rule", "other")
    assert (report.status, report.stdout) == (0, "without tests: other\n0 passed, 0 failed\n")
    unknown = alert_engine(folder, "test", "--rule", "sen")
    assert (unknown.status, unknown.stdout) == (2, "")
    assert "--rule sen: there is no such rule, did you mean `seen`?" in unknown.stderr


def test_json_has_every_test_and_what_differs(folder: Path) -> None:
    report = alert_engine(folder, "test", "--format", "json", "--coverage")
    found = json.loads(report.stdout)
    assert (report.status, found["passed"], found["failed"]) == (1, 1, 1)
    assert [(each["rule"], each["status"]) for each in found["tests"]] == [
        ("seen", "passed"),
        (None, "failed"),
    ]
    assert found["tests"][1]["problems"] == [
        {
            "event": 1,
            "rule": "other",
            "what": "verdict",
            "expected": "no alert",
            "got": "alert",
        }
    ]
    assert found["coverage"] == {
        "parts": 1,
        "covered": 0,
        "gaps": [
            {
                "rule": "seen",
                "file": "rules/mine.yaml",
                "line": 2,
                "part": "plate.confidence > 0.8",
                "was_true": True,
                "was_false": False,
            }
        ],
    }


def test_junit_is_xml_with_a_case_for_each_test(folder: Path) -> None:
    report = alert_engine(folder, "test", "--format", "junit")
    root = ElementTree.fromstring(report.stdout)
    assert root.attrib == {
        "name": "alert-engine",
        "tests": "2",
        "failures": "1",
        "errors": "0",
        "skipped": "0",
    }
    good, bad = root.iter("testcase")
    assert (good.get("classname"), good.get("name")) == ("seen", 'sure <&> "#1"')
    assert bad.get("classname") == "rules/site/both.test.yaml"
    failure = bad.find("failure")
    assert failure is not None
    assert failure.get("message") == "other: expected no alert, got alert"


def test_tap_has_a_line_for_each_test(folder: Path) -> None:
    assert alert_engine(folder, "test", "--format", "tap").stdout.splitlines() == [
        "TAP version 14",
        "1..2",
        'ok 1 - seen, sure <&> "\\#1"',
        "not ok 2 - both",
        "  ---",
        '  at: "rules/site/both.test.yaml:2:5"',
        "  problems:",
        '    - "other: expected no alert, got alert"',
        "  ...",
    ]


def test_a_test_that_names_a_disabled_rule_is_left_out(folder: Path) -> None:
    rules = folder / "rules" / "mine.yaml"
    rules.write_text(GOOD.replace("- id: seen", "- id: seen\n    enabled: false"))
    report = alert_engine(folder, "test")
    assert (report.status, report.stdout.splitlines()) == (
        0,
        [
            "rules/site/both.test.yaml:2:5: both: left out, it names what is disabled: seen",
            "without tests: other",
            "disabled, not tested: seen",
            "0 passed, 0 failed, 1 left out",
        ],
    )
    assert "# SKIP left out" in alert_engine(folder, "test", "--format", "tap").stdout


def test_coverage_is_refused_where_the_format_has_no_place_for_it(folder: Path) -> None:
    report = alert_engine(folder, "test", "--coverage", "--format", "tap")
    assert (report.status, report.stdout) == (2, "")
    assert "--coverage has no place in tap, use --format text or json" in report.stderr


def test_check_and_test_report_the_faults_of_files_of_tests(folder: Path) -> None:
    (folder / "rules" / "site" / "both.test.yaml").write_text(BESIDE.replace("[seen]", "[sen]"))
    fault = "rules/site/both.test.yaml:2:79: there is no rule `sen`, did you mean `seen`?"
    checked, tested = alert_engine(folder, "check"), alert_engine(folder, "test")
    assert (checked.status, tested.status) == (1, 1)
    assert checked.stdout.splitlines()[0] == fault
    assert checked.stdout.splitlines()[-1] == "1 fault: the tests can't be run"
    assert tested.stderr.splitlines()[0] == fault


def test_faults_of_rules_and_of_tests_come_in_one_report(folder: Path) -> None:
    (folder / "rules" / "mine.yaml").write_text(GOOD.replace("latency_ms", "latency"))
    (folder / "rules" / "site" / "both.test.yaml").write_text("tests: [{event: {}}]")
    report = alert_engine(folder, "check")
    assert report.status == 1
    assert "'latency' is not known here" in report.stdout
    assert "both.test.yaml:1:9: the test has no `expect`" in report.stdout
    assert report.stdout.splitlines()[-1] == "2 faults: the rules can't be loaded"
