"""Rules that ask for time intervals match by the index as they do without it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import compile_expression
from engine.errors import ExpressionError
from engine.match import IndexedMatcher
from engine.rules import Rule
from engine.schema.event import Event
from tests.support.random_cases import examples
from tests.unit.cel.plate_variables import NOON, VARIABLES
from tests.unit.cel.test_during import intervals
from tests.unit.match.random_rules import CONDITIONS, a_rule, events
from tests.unit.match.test_indexed import assert_same

#: The hours of a weekend and the days around it.
POOL = [
    Event(each.values, NOON + timedelta(hours=hours), b"")
    for hours, each in enumerate(events(96, seed=5))
]
DURING = st.sampled_from(('during("night")', 'during("week end")'))
LOGIC = st.recursive(
    st.one_of(DURING, CONDITIONS),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: f"({two[0]} && {two[1]})"),
        st.tuples(inner, DURING).map(lambda two: f"({two[0]} || {two[1]})"),
        inner.map(lambda one: f"!({one})"),
        st.tuples(DURING, inner, inner).map(lambda three: "({} ? {} : {})".format(*three)),
        inner.map(lambda one: f'["a", "b"].exists(q, during("night") && {one})'),
    ),
    max_leaves=4,
)


def a_timed_rule(name: str, text: str) -> Rule | None:
    """None where the check finds what always fails."""
    try:
        return a_rule(name, compile_expression(text, VARIABLES, intervals=intervals()))
    except ExpressionError:
        return None


@examples(8)
@given(st.lists(LOGIC, min_size=1, max_size=8))
def test_the_index_loses_no_rule_that_asks_for_an_interval(texts: list[str]) -> None:
    rules = [a_timed_rule(f"r{number}", text) for number, text in enumerate(texts)]
    assert_same([rule for rule in rules if rule is not None], POOL)


@pytest.mark.parametrize(
    ("text", "is_looked_up"),
    [
        ('during("night") && plate.normalized_text == "ABC123"', True),
        ('!during("night") && camera_id in ["gate", "yard"]', True),
        ('during("night") || plate.normalized_text == "ABC123"', False),
    ],
)
def test_the_rest_of_the_condition_is_looked_up(text: str, is_looked_up: bool) -> None:
    rule = a_timed_rule("r", text)
    assert rule is not None
    described = "\n".join(IndexedMatcher([rule]).describe())
    assert ("of which 0 are evaluated" in described) == is_looked_up, described
