"""Expressions and templates are compiled; conditions and `when` become one expression."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import Place
from engine.rules.document import parse_document
from engine.rules.expressions import MAX_CONDITIONS, Compiler
from engine.rules.faults import Faults
from engine.rules.nodes import MappingNode, ScalarNode, Source
from tests.unit.rules.rule_text import faults, load, matches, one, rule_faults, schema


def _scalar(text: str) -> ScalarNode:
    root = parse_document(Source("f", text), Faults())
    assert isinstance(root, MappingNode)
    (scalar,) = root.values.values()
    assert isinstance(scalar, ScalarNode)
    return scalar


def test_a_problem_in_the_third_line_of_a_block_is_told_there(tmp_path: Path) -> None:
    text = (
        "rules:\n  - id: a\n    notify: []\n    when: |\n"
        "      plate.confidence > 0.5\n\n        && vehicle.colour == 'red'\n"
    )
    (fault,) = faults(tmp_path, text)
    line, column, _ = fault.split(":", 2)
    assert line == "7"
    assert int(column) >= 12
    assert "color" in fault


def test_all_problems_of_a_template_are_told(tmp_path: Path) -> None:
    text = (
        "rules:\n  - id: a\n    notify: []\n    when: true\n    message_template: |\n"
        "      {plate.txt} and\n      {camera}\n"
    )
    found = faults(tmp_path, text)
    assert [fault.split(":", 1)[0] for fault in found] == ["6", "7"]


def test_equal_texts_are_compiled_once() -> None:
    faults = Faults()
    compiler = Compiler(schema(), faults)
    first = compiler.expression(_scalar("a: latency_ms > 1"))
    assert first is not None
    assert compiler.expression(_scalar("\n\nb: latency_ms > 1")) is first
    assert compiler.default_template("{camera_id}", Place("f")) is compiler.template(
        _scalar("a: '{camera_id}'")
    )


def test_the_same_mistake_twice_is_told_at_both_places() -> None:
    faults = Faults()
    compiler = Compiler(schema(), faults)
    assert compiler.expression(_scalar("a: latency > 1")) is None
    assert compiler.expression(_scalar("\nb: latency > 1")) is None
    assert [fault.place.line for fault in faults.sorted()] == [1, 2]


def test_templates_know_the_rule_and_the_suppressed_count(tmp_path: Path) -> None:
    template = "'{rule.id} {rule.name} {rule.priority} {suppressed_count}'"
    rule = one(tmp_path, f"when: true, message_template: {template}")
    bindings = {
        **schema().complete({}),
        "rule": {"id": "a", "name": "A", "priority": "low"},
        "suppressed_count": 3,
    }
    assert rule.template.render(bindings) == ("a A low 3", 0)


def test_a_condition_does_not_know_the_rule(tmp_path: Path) -> None:
    text = "rules:\n  - {id: a, notify: [], when: rule.id == 'a'}\n"
    assert len(faults(tmp_path, text)) == 1


ABC = "{field: plate.text, operator: equals, value: ABC}"
SURE = "{field: plate.confidence, operator: greater_than, value: 0.8}"


def test_all_conditions_must_hold(tmp_path: Path) -> None:
    rule = one(tmp_path, f"conditions: [{ABC}, {SURE}]")
    assert matches(rule, plate={"text": "abc", "confidence": 0.9}) is True
    assert matches(rule, plate={"text": "abc", "confidence": 0.7}) is False
    assert matches(rule, plate={"text": "abd", "confidence": 0.9}) is False


def test_conditions_and_when_must_both_hold(tmp_path: Path) -> None:
    rule = one(tmp_path, f"conditions: [{ABC}], when: latency_ms > 5")
    assert matches(rule, plate={"text": "ABC"}, latency_ms=6) is True
    assert matches(rule, plate={"text": "ABC"}, latency_ms=5) is False
    assert matches(rule, plate={"text": "X"}, latency_ms=6) is False


def test_when_alone_and_true_alone_are_enough(tmp_path: Path) -> None:
    assert matches(one(tmp_path, "when: true")) is True
    assert matches(one(tmp_path, "when: 'latency_ms == 7', conditions: []"), latency_ms=7) is True
    assert matches(one(tmp_path, "when: 'latency_ms == 7', conditions: ~"), latency_ms=8) is False


def test_a_rule_without_conditions_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    told = "the rule has no conditions, write `when: true` to match every event, or remove the rule"
    assert rule_faults(tmp_path, "priority: low") == [told]
    assert rule_faults(tmp_path, "conditions: []") == [told]
    assert rule_faults(tmp_path, "when: ~") == ["`when` is empty, give it a value, or remove it"]


def test_a_when_that_is_neither_true_nor_false_is_an_error(tmp_path: Path) -> None:
    told = "`when` must be true or false, but this is"
    for when, kind in (("plate.text", "a string"), ("(null)", "null"), ("5u", "a uint")):
        (fault,) = rule_faults(tmp_path, f"when: {when}")
        assert fault.startswith(f"{told} {kind}, ")
    text = "rules:\n  - id: r\n    notify: []\n    when: |\n      time -\n      time\n"
    (fault,) = faults(tmp_path, text)
    assert "5:7: " in fault
    assert f"{told} a duration" in fault


@pytest.mark.parametrize(
    ("condition", "remedy"),
    [
        ("{field: latency_ms, operator: '>', value: 5}", "did you mean `greater_than`?"),
        ("{field: latency_ms, operator: '==', value: 5}", "did you mean `equals`?"),
        ("{field: camera_id, operator: not_in, value: [a]}", "write `!(… in […])` under `when`"),
        ("{field: lower(camera_id), operator: equals, value: a}", "stands under `when`"),
        ("{field: latency_ms, operator: '>=', value: 5}", "write `… >= …` under `when`"),
        ("{field: camera_id, operator: in_list, value: watchlist(a)}", "write `camera_id in watch"),
        ("plate.confidence > 0.5", "write an expression under `when:`"),
        ("{plate.confidence: 0.5}", "unknown key `plate.confidence` in a condition"),
    ],
)
def test_what_was_meant_by_a_condition_is_told(tmp_path: Path, condition: str, remedy: str) -> None:
    assert any(remedy in told for told in rule_faults(tmp_path, f"conditions: [{condition}]"))


def test_spoiled_values_of_a_list_match_as_written(tmp_path: Path) -> None:
    values = "[0123, 12_34, NO, 12:30, 123456]"
    condition = f"{{field: plate.text, operator: in_list, value: {values}}}"
    rule = one(tmp_path, f"conditions: [{condition}]")
    for text in ("0123", "12_34", "no", "12:30", "123456"):
        assert matches(rule, plate={"text": text}) is True
    for text in ("83", "1234", "false", "750", "123"):
        assert matches(rule, plate={"text": text}) is False


def test_null_matches_what_is_absent(tmp_path: Path) -> None:
    rule = one(tmp_path, "conditions: [{field: extras.roi, operator: equals, value: null}]")
    assert matches(rule, extras=None) is True
    assert matches(rule, extras={"roi": None}) is True
    assert matches(rule, extras={"roi": "gate"}) is False


def test_a_regexs_fault_stands_where_the_regex_does(tmp_path: Path) -> None:
    text = (
        "rules:\n  - id: a\n    notify: []\n    conditions:\n"
        "      - field: plate.text\n        operator: regex\n        value: 'A[B'\n"
    )
    (fault,) = faults(tmp_path, text)
    assert fault.startswith("7:")


def test_an_unknown_fields_fault_stands_where_the_field_does(tmp_path: Path) -> None:
    text = (
        "rules:\n  - id: a\n    notify: []\n    conditions:\n"
        "      - field: plate.txt\n        operator: equals\n        value: A\n"
    )
    (fault,) = faults(tmp_path, text)
    assert fault.startswith("5:16:")
    assert "text" in fault


def test_too_many_conditions_are_an_error(tmp_path: Path) -> None:
    conditions = ", ".join([ABC] * (MAX_CONDITIONS + 1))
    assert rule_faults(tmp_path, f"conditions: [{conditions}]") == [
        "the rule has more than 500 conditions, use in_list for several values of a field"
    ]


def test_as_many_conditions_as_allowed_work(tmp_path: Path) -> None:
    rule = one(tmp_path, f"conditions: [{', '.join([ABC] * MAX_CONDITIONS)}]")
    assert matches(rule, plate={"text": "ABC"}) is True


def test_a_rule_that_is_not_lowered_says_why(tmp_path: Path) -> None:
    loops = "".join(f"images.plate_url.split('').all({name}, " for name in "abcdef")
    text = f"images.plate_url != null && {loops}a == b{')' * 6}"
    found = load(tmp_path, f"rules:\n  - {{id: a, notify: [], when: {text!r}}}\n").warnings
    assert [(str(each.place).rpartition("/")[2], each.code, each.what) for each in found] == [
        (
            "rules.yaml:2:25",
            "slow",
            "this is evaluated step by step, several times slower: "
            "its macros may take more than 100,000 rounds",
        )
    ]


def test_a_rule_does_not_keep_what_its_condition_was_generated_from(tmp_path: Path) -> None:
    both = "conditions: [{field: camera_id, operator: equals, value: CAM-1}], when: track_id != ''"
    rule = one(tmp_path, both)
    assert rule.condition.fragment is None
    assert not rule.condition.fallback
    assert matches(rule, camera_id="CAM-1", track_id="7") is True
