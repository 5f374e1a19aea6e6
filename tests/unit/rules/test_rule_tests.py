"""A rule's own tests are checked as strictly as the rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.rules import Expect
from tests.unit.rules.rule_text import faults, one, rule_faults


def test_tests_keep_name_event_and_expectation(tmp_path: Path) -> None:
    rule = one(
        tmp_path,
        "when: true, tests: [{name: one, event: {plate: {text: 0123}}, expect: match},"
        " {event: {}, expect: no_match}]",
    )
    assert [(test.name, test.event, test.expect) for test in rule.tests] == [
        ("one", {"plate": {"text": "0123"}}, Expect.MATCH),
        ("test 2", {}, Expect.NO_MATCH),
    ]
    assert rule.tests[0].place.line == 2


def test_no_tests_are_no_fault(tmp_path: Path) -> None:
    assert one(tmp_path, "when: true, tests: []").tests == ()
    assert one(tmp_path, "when: true, tests: ~").tests == ()


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ("{event: {}}", "the test has no `expect`"),
        ("{expect: match}", "the test has no `event`"),
        ("{event: {}, expect: matches}", "`expect` can't be `matches`, did you mean `match`?"),
        ("{event: {}, expect: match, when: x}", "unknown key `when` in a test"),
        ("{event: [], expect: match}", "`event` must be a mapping, but it is a list"),
        ("{event: {camera: a}, expect: match}", "unknown key `camera` in the event"),
        ("{event: {time: a}, expect: match}", "`time` is no field of the event"),
        ("{event: {captured_at: noon}, expect: match}", "`captured_at` is no time: `noon`"),
        ("{event: {camera_id: null}, expect: match}", "`camera_id` is empty"),
        ("text", "a test must be a mapping, but it is a text"),
    ],
)
def test_a_faulty_test_is_an_error(tmp_path: Path, test: str, told: str) -> None:
    (found,) = rule_faults(tmp_path, f"when: true, tests: [{test}]")
    assert found.startswith(told)


def test_an_unknown_field_has_its_place(tmp_path: Path) -> None:
    text = (
        "rules:\n  - id: a\n    when: true\n    notify: []\n    tests:\n"
        "      - expect: match\n        event:\n          plate:\n            txt: A\n"
    )
    assert faults(tmp_path, text) == [
        "9:13: unknown key `txt` in the record `plate`, did you mean `text`?"
    ]
