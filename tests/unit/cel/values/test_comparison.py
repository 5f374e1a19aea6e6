"""Equality, ordering, membership."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel.values.values import (
    MISSING,
    ORDERINGS,
    Duration,
    Timestamp,
    UInt,
    constant_membership,
    contains,
    equal,
    from_python,
    look_up,
    not_equal,
)
from engine.errors import EvaluationError

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(0, 3).map(UInt),
    st.sampled_from([0.0, -0.0, 1.0, 1.5, math.nan, 2.0**53, 2.0**63]),
    st.sampled_from([2**53, 2**53 + 1, 2**63 - 1]),
    st.text("ab", max_size=2),
    st.binary(max_size=1),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2), max_leaves=4)


def test_true_is_not_one() -> None:
    assert not equal(True, 1)
    assert not equal([True], [1])
    assert not equal({"a": True}, {"a": 1.0})
    assert not contains(True, [1, 1.0])


def test_numbers_are_equal_across_their_kinds() -> None:
    assert equal(1, UInt(1))
    assert equal(UInt(1), 1.0)
    assert equal([1, {"a": 2.0}], [1.0, {"a": UInt(2)}])
    assert not equal(math.nan, math.nan)
    assert not_equal(1, math.nan)


def test_different_types_are_unequal_without_failing() -> None:
    pairs: list[tuple[Any, Any]] = [
        (None, 0), ("1", 1), (b"a", "a"), ([], {}), (Timestamp(0), Duration(0)),
    ]  # fmt: skip
    for left, right in pairs:
        assert not equal(left, right)


def test_maps_are_equal_whatever_their_keys_are_held_in() -> None:
    assert equal(from_python({1: "a", "b": 2}), from_python({"b": 2.0, UInt(1): "a"}))
    assert not equal(from_python({1: "a"}), {"1": "a"})
    assert not equal({"a": 1}, {"b": 1})


@pytest.mark.parametrize(
    ("sign", "less", "same"), [("_<_", True, False), ("_<=_", True, True), ("_>_", False, False)]
)
def test_orderings_hold_across_numbers_and_within_types(sign: str, less: bool, same: bool) -> None:
    order = ORDERINGS[sign]
    pairs: list[tuple[Any, Any]] = [
        (1, 1.5), (UInt(1), 2), ("a", "b"), (b"a", b"b"), (False, True),
        (Timestamp(1), Timestamp(2)), (Duration(1), Duration(2)),
    ]  # fmt: skip
    for left, right in pairs:
        assert order(left, right) is less
        assert order(left, left) is same


@pytest.mark.parametrize(("left", "right"), [(None, 1), ("a", 1), ([1], [2]), (True, 1), ({}, {})])
def test_what_has_no_order_fails(left: Any, right: Any) -> None:
    for order in ORDERINGS.values():
        with pytest.raises(EvaluationError):
            order(left, right)


def test_nan_is_neither_below_nor_above() -> None:
    assert not any(order(math.nan, 1) or order(1, math.nan) for order in ORDERINGS.values())


def test_membership_is_of_elements_or_of_keys() -> None:
    assert contains(1.0, [UInt(1)])
    assert contains("a", {"a": None})
    assert not contains(1, {"a": 1})
    assert contains(UInt(2), from_python({2: "x"}))
    with pytest.raises(EvaluationError):
        contains("a", "abc")


def test_look_up_finds_text_keys_in_a_record_only() -> None:
    assert look_up({"a": 1}, "a", MISSING) == 1
    assert look_up({"a": 1}, 1, MISSING) is MISSING


@given(st.lists(VALUES, max_size=5), VALUES)
def test_a_constant_list_answers_as_a_list_does(values: list[Any], item: Any) -> None:
    assert constant_membership(values)(item) is contains(item, values)
