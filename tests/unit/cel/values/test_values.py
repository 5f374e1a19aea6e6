"""Values of the language as Python's, and how they compare."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel.values.values import (
    INT_MAX,
    MISSING,
    ORDERINGS,
    CelMap,
    CelType,
    Duration,
    FailureKind,
    Timestamp,
    UInt,
    constant_membership,
    contains,
    describe,
    equal,
    from_python,
    look_up,
    no_overload,
    not_equal,
    to_datetime,
    to_python,
    to_timestamp,
    type_of,
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


class Colour(StrEnum):
    RED = "red"


def test_true_and_one_are_two_keys_of_a_map() -> None:
    entries = CelMap()
    assert entries.add(True, "yes")
    assert entries.add(1, "one")
    assert not entries.add(UInt(1), "uint")
    assert (entries.get(True, MISSING), entries.get(1.0, MISSING)) == ("yes", "one")
    assert entries.get(False, MISSING) is MISSING
    assert entries.get([1], MISSING) is MISSING
    assert (list(entries), len(entries)) == ([True, 1], 2)


def test_type_of_tells_bool_uint_and_int_apart() -> None:
    values: list[Any] = [True, 1, UInt(1), 1.0, None, "", b"", [], {}]
    kinds = [type_of(value).name for value in values]
    assert kinds == [
        "bool", "int", "uint", "double", "null_type", "string", "bytes", "list", "map",
    ]  # fmt: skip
    assert type_of(CelType("int")).name == "type"
    assert describe(None) == "null"
    assert describe(Timestamp(0)) == "timestamp"


def test_datetimes_become_timestamps_exactly_and_back() -> None:
    moment = datetime(2025, 12, 25, 16, 0, 0, 123456, tzinfo=timezone(timedelta(hours=-5)))
    stamp = to_timestamp(moment)
    assert stamp.nanoseconds % 1_000_000_000 == 123_456_000
    assert to_datetime(stamp) == moment
    assert to_datetime(Timestamp(-1)) == datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ((1, "a"), [1, "a"]),
        (MappingProxyType({"a": (1,)}), {"a": [1]}),
        (Colour.RED, "red"),
        (bytearray(b"x"), b"x"),
        (timedelta(days=-1, microseconds=5), Duration(-86_400_000_000_000 + 5_000)),
        (None, None),
    ],
)
def test_plain_values_are_taken(given: Any, taken: Any) -> None:
    assert from_python(given) == taken
    assert type(from_python(given)) is type(taken)


def test_a_mapping_with_other_keys_becomes_a_map_of_the_language() -> None:
    assert type(from_python({1: "a"})) is CelMap
    assert isinstance(to_python(from_python({1: "a", False: "b"})), Mapping)


@pytest.mark.parametrize(
    "given", [datetime(2025, 1, 1), INT_MAX + 1, {1.5: 1}, object(), {1, 2}, [object()]]
)
def test_what_the_language_has_no_value_for_is_a_type_error(given: Any) -> None:
    with pytest.raises(TypeError):
        from_python(given)


def test_times_beyond_the_languages_are_a_type_error() -> None:
    early = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))
    for value in (early, timedelta(days=200_000), timedelta(days=-200_000)):
        with pytest.raises(TypeError, match="must"):
            from_python(value)


def test_results_are_plain_python_values() -> None:
    assert to_python([Timestamp(0), {"a": Duration(1_500)}]) == [
        datetime(1970, 1, 1, tzinfo=UTC),
        {"a": timedelta(microseconds=1)},
    ]
    mixed = CelMap()
    mixed.add(1, "one")
    assert to_python(mixed) == {1: "one"}
    mixed.add(True, "yes")
    assert to_python(mixed) is mixed


def test_a_missing_overload_names_the_operator_and_the_types() -> None:
    error = no_overload("_+_", UInt(1), "a")
    assert error.error_type == FailureKind.NO_OVERLOAD
    assert str(error) == "'+' can't be applied to (uint, string)"


def test_a_null_operand_has_a_kind_of_its_own() -> None:
    assert no_overload("contains", None, "a").error_type == FailureKind.NULL_OPERAND


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
