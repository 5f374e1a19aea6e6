"""Finds the tests of rules in a document, for the lenses above them by which they are run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.editor.text import Text
from engine.errors import Place
from engine.rules.document import parse_document
from engine.rules.faults import Faults
from engine.rules.nodes import MappingNode, ScalarNode, SequenceNode, YamlNode


@dataclass(frozen=True, slots=True)
class TestPlace:
    """A test of a rule, or with `number` None all `count` tests of it, and where they stand."""

    place: Place
    rule_id: str
    number: int | None
    count: int = 1


def test_places(text: Text) -> list[TestPlace]:
    """The tests of all rules of a document, in its order; none where it is no valid YAML."""
    root = parse_document(text.source, Faults())
    rules = root.values.get("rules") if isinstance(root, MappingNode) else None
    return [place for rule in _items(rules) for place in _of_rule(rule)]


def _of_rule(rule: YamlNode) -> Iterator[TestPlace]:
    if not isinstance(rule, MappingNode):
        return
    rule_id, tests = rule.values.get("id"), _items(rule.values.get("tests"))
    if not isinstance(rule_id, ScalarNode) or not tests:
        return
    yield TestPlace(rule.keys["tests"].place, rule_id.text, None, len(tests))
    for number, test in enumerate(tests):
        yield TestPlace(test.place, rule_id.text, number)


def _items(node: YamlNode | None) -> list[YamlNode]:
    return node.items if isinstance(node, SequenceNode) else []
