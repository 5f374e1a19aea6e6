"""What the index looked up for one event, for `explain`."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from engine.cel import Expression
from engine.errors import ExpressionError
from engine.match import IndexedMatcher
from engine.match.matcher import CROWD
from engine.schema.event import Event
from tests.support.random_cases import examples
from tests.unit.cel.plate_variables import NOON, event
from tests.unit.match.random_rules import CONDITIONS, a_rule, events, operator_conditions

POOL = events(60, seed=5)


def matcher(*texts: str) -> IndexedMatcher:
    return IndexedMatcher([a_rule(f"r{number}", text) for number, text in enumerate(texts)])


def an_event(**changes: object) -> Event:
    return Event(event(**changes), NOON, b"")


def test_a_rule_that_was_looked_up_has_the_keys_with_their_values() -> None:
    texts = ["camera_id == 'gate-1'", "camera_id == 'gate-2'", "latency_ms % 2 == 0"]
    found = matcher(*texts).look_ups(an_event())
    assert found.candidates == {"r0", "r2"}
    assert list(found.always) == ["r2"]
    (asked,) = found.of("r1")
    assert (asked.key, asked.value, asked.is_readable) == ("camera_id", "gate-1", True)
    assert asked.sought == {"r0", "r1"}
    assert asked.found == {"r0"}
    assert found.of("r2") == ()


def test_a_key_that_can_not_be_read_says_so() -> None:
    texts = [f"double(plate.text) == {number}.5" for number in range(9)]
    (asked,) = matcher(*texts).look_ups(an_event()).asked
    assert (asked.key, asked.value, asked.is_readable) == ("double(plate.text)", None, False)
    assert asked.found == asked.sought


def test_a_key_is_asked_of_the_rules_that_another_one_found() -> None:
    texts = [f"camera_id == 'gate-1' && plate.text == 'P{number}'" for number in range(3 * CROWD)]
    texts += [f"camera_id == 'c{number}'" for number in range(150)]
    found = matcher(*texts).look_ups(an_event())
    assert found.candidates == frozenset()
    keys = [asked.key for asked in found.of("r0")]
    assert keys in (["plate.text"], ["camera_id", "plate.text"])
    assert "r0" not in found.of("r0")[-1].found


def _matcher(conditions: list[str | Expression]) -> IndexedMatcher:
    rules = []
    for number, condition in enumerate(conditions):
        try:
            rules.append(a_rule(f"r{number}", condition))
        except ExpressionError:
            continue
    return IndexedMatcher(rules)


@examples(24)
@given(
    st.lists(CONDITIONS | operator_conditions(), min_size=4, max_size=4),
    st.integers(1, CROWD),
)
def test_every_candidate_was_found_and_no_other_rule(
    conditions: list[str | Expression], times: int
) -> None:
    made = _matcher(conditions * times)
    for each in random.Random(times).sample(POOL, 6):
        found = made.look_ups(each)
        for rule in made.all_rules():
            rule_id = rule.rule_id
            answers = [rule_id in asked.found for asked in found.of(rule_id)]
            if rule_id in found.candidates:
                assert rule_id in found.always or any(answers)
            else:
                assert not any(answers[-1:])
                assert rule_id not in found.always
