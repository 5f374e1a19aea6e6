"""Sets of values: cuts, what sets have in common, and what they hold together."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from engine.cel.check.value_sets import (
    NOT_NULL,
    ONLY_NULL,
    ValueSet,
    common_kind,
    cut,
    intersection,
    points,
    prefixed,
    union,
)
from engine.cel.values.values import Duration, Timestamp, UInt


def holds(found: ValueSet, value: Any) -> bool:
    """Whether a value belongs to a set, by counting the cuts before it."""
    return found.begins ^ (sum((place, side) <= (value, 0) for place, side in found.cuts) % 2 == 1)


def some(*values: Any, kind: str = "number", is_whole: bool = False) -> ValueSet:
    return ValueSet(kind, False, points(kind, values, is_whole=is_whole))


def above(limit: Any, side: int) -> ValueSet:
    return ValueSet("number", False, (cut(limit, side, is_whole=False),))


def below(limit: Any, side: int) -> ValueSet:
    return ValueSet("number", True, (cut(limit, side, is_whole=False),))


SETS = (
    some(1, 2.5, 3),
    some(2),
    above(2, 0),
    above(2, 1),
    below(2, 0),
    below(2, 1),
    NOT_NULL,
    ONLY_NULL,
    ValueSet("number", True, points("number", [2], is_whole=False), has_null=True, has_nan=True),
)


@pytest.mark.parametrize(("one", "two"), [*itertools.product(SETS, SETS)])
def test_two_sets_have_in_common_what_both_hold_and_together_what_one_holds(
    one: ValueSet, two: ValueSet
) -> None:
    both, either = intersection([one, two]), union([one, two])
    assert both is not None
    assert either is not None
    for value in (0, 1, 1.5, 2, 2.5, 3, 4):
        assert holds(both, value) == (holds(one, value) and holds(two, value))
        assert holds(either, value) == (holds(one, value) or holds(two, value))
    assert both.has_null == (one.has_null and two.has_null)
    assert either.has_nan == (one.has_nan or two.has_nan)


def test_a_set_is_empty_without_a_value_null_and_nan() -> None:
    assert ValueSet().is_empty
    assert not any(each.is_empty for each in SETS)
    found = intersection([above(2, 1), below(2, 0)])
    assert found is not None
    assert found.is_empty


def test_whole_numbers_have_nothing_between_them() -> None:
    above_five = ValueSet("number", False, (cut(5, 1, is_whole=True),))
    below_six = ValueSet("number", True, (cut(6, 0, is_whole=True),))
    found = intersection([above_five, below_six])
    assert found is not None
    assert found.is_empty
    assert some(5.5, is_whole=True).is_empty
    assert points("number", [1, 2, 4], is_whole=True) == ((1, 0), (3, 0), (4, 0), (5, 0))


def test_infinity_is_beyond_all_whole_numbers() -> None:
    assert cut(math.inf, 0, is_whole=True) == (math.inf, 0)


@pytest.mark.parametrize("prefix", ["A", "AB", "A\U0010ffff", "\U0010ffff"])
def test_a_prefix_holds_exactly_the_texts_that_begin_with_it(prefix: str) -> None:
    found = ValueSet("text", False, prefixed(prefix))
    for text in (
        "",
        "A",
        "AA",
        "AB",
        "ABC",
        "AC",
        "B",
        "A\U0010ffff",
        "A\U0010ffffB",
        "\U0010ffffx",
    ):
        assert holds(found, text) == text.startswith(prefix)


def test_sets_of_several_kinds_have_nothing_to_be_compared_by() -> None:
    assert intersection([some(1), some("a", kind="text")]) is None
    assert union([some(1), some("a", kind="text")]) is None
    assert intersection([some(1), NOT_NULL]) == some(1)


def test_the_kind_of_values_is_that_by_which_they_compare() -> None:
    assert common_kind([1, 2.5, UInt(3)]) == "number"
    assert common_kind(["a"]) == "text"
    assert common_kind([Timestamp(0)]) == "instant"
    assert common_kind([Duration(0)]) == "span"
    assert common_kind([True, 1]) is None
    assert common_kind([math.nan]) is None
    assert common_kind([b"x"]) is None
    assert common_kind([]) is None
