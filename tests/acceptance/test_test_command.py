"""`alert-engine test` runs the tests that rules carry."""

from __future__ import annotations

import re
from pathlib import Path

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
