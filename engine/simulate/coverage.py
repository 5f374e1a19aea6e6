"""Coverage: which parts of rules' conditions the tests have shown to be true, and to be false."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any, Final

from engine.cel.syntax.tree import AND, NOT, OR, TERNARY, Call, Comprehension, constant_of
from engine.cel.trace import Trace, trace
from engine.cel.values.values import MISSING
from engine.rules import Rule, RuleTest, SetTest
from engine.schema import EventSchema
from engine.simulate.given_events import GivenEvents, timestamp_ms

_JOINERS: Final = frozenset({AND, OR, NOT, TERNARY})
#: So many items of a macro are looked at.
_ITEMS: Final = 1_000


@dataclass(slots=True)
class PartCoverage:
    """A part of a condition that is true or false by itself, and what it was in the tests.

    `text` is CEL, or the author's own words for a condition with an operator.
    """

    text: str
    was_true: bool = False
    was_false: bool = False

    @property
    def is_covered(self) -> bool:
        """Whether it was true in a test and false in one."""
        return self.was_true and self.was_false

    @property
    def gap(self) -> str:
        """What it never was; empty where it is covered."""
        if self.was_true == self.was_false:
            return "" if self.was_true else "never evaluated"
        return "never false" if self.was_true else "never true"


@dataclass(frozen=True, slots=True)
class RuleCoverage:
    """The coverage of one rule's condition by its tests, part by part."""

    rule: Rule
    parts: Sequence[PartCoverage]

    @property
    def gaps(self) -> list[PartCoverage]:
        """The parts that are not covered."""
        return [part for part in self.parts if not part.is_covered]


def cover(
    rules: Iterable[Rule], set_tests: Sequence[SetTest], schema: EventSchema, zone: tzinfo = UTC
) -> list[RuleCoverage]:
    """The coverage of each rule that has tests: its own, and those over several that name it."""
    named: dict[str, list[SetTest]] = {}
    for test in set_tests:
        for rule_id in test.rule_ids:
            named.setdefault(rule_id, []).append(test)
    events = GivenEvents(schema, zone)
    found = []
    for rule in rules:
        tests = [*rule.tests, *named.get(rule.rule_id, ())]
        if tests:
            parts = _Parts()
            for bindings in _bindings(tests, events):
                parts.add(trace(rule.condition, bindings, _ITEMS))
            found.append(RuleCoverage(rule, parts.found()))
    return found


def _bindings(
    tests: Iterable[RuleTest | SetTest], events: GivenEvents
) -> Iterator[Mapping[str, Any]]:
    """The variables of expressions on each event of the tests."""
    for test in tests:
        for event in test.events:
            received = timestamp_ms(event.received_at) if event.received_at else 0
            yield events.decode(events.record(event.values, received)).bindings


class _Parts:
    """What the parts of one condition were so far, in their order."""

    def __init__(self) -> None:
        self._parts: dict[int, PartCoverage] = {}
        self._divided: set[int] = set()

    def add(self, whole: Trace) -> None:
        """Count one evaluation of the condition."""
        if constant_of(whole.node) is not MISSING:
            return
        for part in self._parts_of(whole):
            # The condition keeps the nodes, so that no other has this id.
            seen = self._parts.setdefault(id(part.node), PartCoverage(part.words or part.text))
            seen.was_true = seen.was_true or part.value is True
            seen.was_false = seen.was_false or part.value is False

    def found(self) -> list[PartCoverage]:
        """Every part; one that was always skipped as a whole counts as one."""
        return [part for key, part in self._parts.items() if key not in self._divided]

    def _parts_of(self, part: Trace) -> Iterator[Trace]:
        node = part.node
        if isinstance(node, Call) and node.function in _JOINERS and not part.words:
            if part.skipped is None:
                self._divided.add(id(node))
                for each in part.parts:
                    yield from self._parts_of(each)
                return
        elif isinstance(node, Comprehension):
            for each in part.parts:
                if each.item is not None:
                    yield from self._parts_of(each)
        yield part
