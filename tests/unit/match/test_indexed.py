from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.cel import Expression
from engine.errors import EvaluationError, ExpressionError
from engine.event import Event
from engine.match import IndexedMatcher, LinearMatcher, Matcher
from engine.rules import Rule
from tests.unit.match.random_rules import CONDITIONS, a_rule, events, operator_conditions

POOL = events(250, seed=11)
RULES_A_SET = 6


class Outcomes:
    """What a matcher says of events: who matched, and who failed with what."""

    def __init__(self) -> None:
        self._errors: list[tuple[str, str]] = []

    def on_error(self, rule: Rule, error: EvaluationError) -> None:
        self._errors.append((rule.rule_id, error.error_type))

    def of(self, matcher: Matcher, event: Event) -> tuple[list[str], list[tuple[str, str]]]:
        self._errors.clear()
        matches = [match.rule_id for match in matcher.match(event)]
        return matches, list(self._errors)


def assert_same(rules: list[Rule], pool: Iterable[Event]) -> None:
    outcomes = Outcomes()
    linear = LinearMatcher(rules, outcomes.on_error)
    indexed = IndexedMatcher(rules, outcomes.on_error)
    for event in pool:
        wanted, got = outcomes.of(linear, event), outcomes.of(indexed, event)
        if wanted != got:
            (wrong, *_) = {name for name, *_ in _flat(wanted) ^ _flat(got)}
            text = next(rule.condition.cel for rule in rules if rule.rule_id == wrong)
            raise AssertionError(f"{text}\n{event.values}\nwanted {wanted}\ngot {got}")


def _flat(outcome: tuple[list[str], list[tuple[str, str]]]) -> set[tuple[str, ...]]:
    return {(name,) for name in outcome[0]} | set(outcome[1])


def _rules(conditions: list[str | Expression]) -> list[Rule]:
    rules = []
    for number, condition in enumerate(conditions):
        try:
            rules.append(a_rule(f"r{number}", condition))
        except ExpressionError:
            continue
    return rules


SETS = st.lists(CONDITIONS | operator_conditions(), min_size=RULES_A_SET, max_size=RULES_A_SET)
SLICE = settings(
    max_examples=25,
    deadline=None,
    derandomize=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("part", range(3))
@SLICE
@given(conditions=SETS)
def test_the_index_changes_neither_matches_nor_errors(
    part: int, conditions: list[str | Expression]
) -> None:
    assert_same(_rules(conditions), POOL)
