"""Values of the language as Python's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import pytest

from engine.cel.values.values import (
    INT_MAX,
    MISSING,
    CelMap,
    CelType,
    Duration,
    FailureKind,
    Timestamp,
    UInt,
    describe,
    from_python,
    no_overload,
    to_datetime,
    to_python,
    to_timestamp,
    type_of,
)


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
    for given in (early, timedelta(days=200_000), timedelta(days=-200_000)):
        with pytest.raises(TypeError, match="must"):
            from_python(given)


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
