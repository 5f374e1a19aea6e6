"""Finds the tests of rules in a document, for the lenses above them by which they are run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.editor.text import Text
from engine.errors import Place
from engine.rules.document import parse_document
from engine.rules.faults import Faults
from engine.rules.load import is_test_file
from engine.rules.nodes import MappingNode, ScalarNode, SequenceNode, YamlNode


@dataclass(frozen=True, slots=True)
class TestPlace:
    """A test of a rule, or with `number` None all `count` tests of it, and where they stand.

    `rule_id` is empty in a file of tests over several rules.
    """

    place: Place
    rule_id: str
    number: int | None
    count: int = 1


def test_places(text: Text) -> list[TestPlace]:
    """The tests of all rules of a document, in its order; none where it is no valid YAML."""
    root = parse_document(text.source, Faults())
    if not isinstance(root, MappingNode):
        return []
    if is_test_file(Path(text.source.file)):
        return list(_of_mapping(root, ""))
    return [place for rule in _items(root.values.get("rules")) for place in _of_rule(rule)]


def _of_rule(rule: YamlNode) -> Iterator[TestPlace]:
    if not isinstance(rule, MappingNode):
        return
    rule_id = rule.values.get("id")
    if isinstance(rule_id, ScalarNode):
        yield from _of_mapping(rule, rule_id.text)


def _of_mapping(mapping: MappingNode, rule_id: str) -> Iterator[TestPlace]:
    """The items of a mapping's `tests`."""
    tests = _items(mapping.values.get("tests"))
    if tests:
        yield TestPlace(mapping.keys["tests"].place, rule_id, None, len(tests))
    for number, test in enumerate(tests):
        yield TestPlace(test.place, rule_id, number)


def _items(node: YamlNode | None) -> list[YamlNode]:
    return node.items if isinstance(node, SequenceNode) else []
