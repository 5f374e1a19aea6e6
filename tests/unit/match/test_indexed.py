from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import Expression
from engine.errors import EvaluationError, ExpressionError
from engine.match import IndexedMatcher, LinearMatcher, Matcher
from engine.match.keys import Keyring
from engine.match.matcher import CROWD, Index
from engine.match.necessary import needs_of
from engine.rules import Rule
from engine.schema.event import Event
from tests.support.random_cases import examples
from tests.unit.match.random_rules import CONDITIONS, a_rule, events, operator_conditions

POOL = events(250, seed=11)
RULES_A_SET = 6


def outcome(matcher: Matcher, event: Event) -> tuple[list[str], list[tuple[str, str]]]:
    """The ids of the rules that match, and of those that fail, with the type of the error."""
    matches, errors = matcher.match(event)
    return (
        [match.rule_id for match in matches],
        [(failed.rule.rule_id, failed.error.error_type) for failed in errors],
    )


def assert_same(rules: list[Rule], pool: Iterable[Event]) -> None:
    linear, indexed = LinearMatcher(rules), IndexedMatcher(rules)
    for event in pool:
        wanted, got = outcome(linear, event), outcome(indexed, event)
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
SLICE = examples(25)
LONG = examples(3_000)


# Each part is 25 sets of 6 rules on 250 events, with FUZZ_FACTOR=1: 10^5 pairs in all.
@pytest.mark.parametrize("part", range(3))
@SLICE
@given(conditions=SETS)
def test_the_index_changes_neither_matches_nor_errors(
    part: int, conditions: list[str | Expression]
) -> None:
    assert_same(_rules(conditions), POOL)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@LONG
@given(conditions=SETS, seed=st.integers(0, 1_000))
def test_the_index_changes_nothing_in_a_long_run(
    conditions: list[str | Expression], seed: int
) -> None:
    assert_same(_rules(conditions), events(250, seed))


def assert_none_passed_over(conditions: list[str | Expression], pool: Iterable[Event]) -> None:
    """Many rules of each condition, so that all keys are worth their reading and crowds form."""
    rules = _rules(conditions)
    keyring = Keyring()
    needs = [needs_of(rule.condition, keyring) for rule in rules]
    index = Index([need for need in needs for _ in range(CROWD)])
    for event in pool:
        found = list(index.candidates(event.bindings))
        assert found == sorted(set(found))
        for place in set(range(len(rules))) - {position // CROWD for position in found}:
            assert_false(rules[place], event)


def assert_false(rule: Rule, event: Event) -> None:
    try:
        value = rule.condition.evaluate(event.bindings)
    except EvaluationError as error:
        value = error
    assert value is False, (rule.condition.cel, event.values, value)


@SLICE
@given(conditions=SETS)
def test_crowds_of_rules_are_never_passed_over(conditions: list[str | Expression]) -> None:
    assert_none_passed_over(conditions, POOL)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@LONG
@given(conditions=SETS, seed=st.integers(0, 1_000))
def test_crowds_are_never_passed_over_in_a_long_run(
    conditions: list[str | Expression], seed: int
) -> None:
    assert_none_passed_over(conditions, events(250, seed))


def test_all_rules_are_given_in_order() -> None:
    rules = _rules(["true", 'plate.text == "a"', "false"])
    assert IndexedMatcher(rules).all_rules() == tuple(rules)


def test_the_index_tells_what_it_looks_up_and_which_rules_it_cant() -> None:
    rules = _rules(['plate.text != "a"', *[f'camera_id == "c{number}"' for number in range(9)]])
    assert list(IndexedMatcher(rules).describe()) == [
        "10 rules, of which 1 is evaluated on every event",
        "camera_id",
        "    one of 9 values: 9 rules",
        "on every event",
        "    r0: plate.text is unequal to a constant on most events",
    ]
