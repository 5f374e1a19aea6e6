"""Problems inside expressions and templates come out at their place in the file."""

from __future__ import annotations

from pathlib import Path

from engine.errors import Place
from engine.rules.document import parse_document
from engine.rules.expressions import Compiler
from engine.rules.faults import Faults
from engine.rules.nodes import MappingNode, ScalarNode, Source
from tests.unit.rules.rule_text import faults, one, schema


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
