from __future__ import annotations

import math

import pytest

from engine.match.look_up import LONG, MAX_VALUES, points_step
from tests.unit.match.look_ups import found, plain


def test_every_rule_with_the_value_is_found() -> None:
    step, size = points_step(
        [(frozenset("ab"), 0), (frozenset("bc"), 1), (frozenset("c"), 2)], plain
    )
    assert [found(value, step) for value in "abcd"] == [[0], [0, 1], [1, 2], []]
    assert size == 5


def test_numbers_are_equal_whatever_their_kind() -> None:
    step, _ = points_step([(frozenset({1, 2.5}), 0)], plain)
    assert found(1.0, step) == found(1, step) == found(2.5, step) == [0]
    assert found(math.nan, step) == []


def test_rules_of_one_list_share_its_bucket() -> None:
    made: list[tuple[int, ...]] = []

    def bucket(positions: object) -> tuple[int, ...]:
        assert isinstance(positions, list)
        made.append(tuple(positions))
        return made[-1]

    values = frozenset(range(100))
    step, size = points_step([(values, 0), (frozenset(range(100)), 1)], bucket)
    assert made == [(0, 1)]
    assert found(7, step) == [0, 1]
    assert size == 100


def test_long_lists_beyond_the_tables_room_are_probed() -> None:
    lists = [frozenset(range(start, MAX_VALUES + LONG, 2)) for start in (0, 1)]
    step, _ = points_step(
        [(each, place) for place, each in enumerate([*lists, lists[0] | {-1}])], plain
    )
    assert [found(value, step) for value in (0, 1, -1, -2)] == [[0, 2], [1], [2], []]


@pytest.mark.parametrize("value", ["a", 1, True, None])
def test_no_rules_find_nothing(value: object) -> None:
    step, _ = points_step([], plain)
    assert found(value, step) == []
