from __future__ import annotations

from engine.match.look_up import affix_steps
from tests.unit.match.look_ups import found, plain

STEPS = affix_steps(
    [
        (frozenset({("ab", "")}), 0),
        (frozenset({("", "12")}), 1),
        (frozenset({("ab", "12"), ("xy", "12")}), 2),
        (frozenset({("abcdefg", "")}), 3),
    ],
    plain,
)


def test_texts_are_found_by_begin_by_end_and_by_both() -> None:
    assert found("ab-", *STEPS) == [0]
    assert found("-12", *STEPS) == [1]
    assert found("ab-12", *STEPS) == [0, 1, 2]
    assert found("xy12", *STEPS) == [1, 2]
    assert found("b1", *STEPS) == []


def test_a_long_begin_may_give_too_much_and_never_too_little() -> None:
    assert 3 in found("abcdefgh", *STEPS)
    assert found("abcde", *STEPS) == [0]


def test_short_texts_are_looked_up_too() -> None:
    assert found("", *STEPS) == []
    assert found("a", *STEPS) == []
