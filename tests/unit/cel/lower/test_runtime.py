"""What generated functions call."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.cel.lower.runtime import (
    FAILED,
    NAMES,
    GiveUpError,
    contains,
    equal,
    field_or_null,
    flat,
    free,
    has_member,
    instant,
    items,
    joined,
    member,
    not_equal,
    not_null,
    short,
    truth,
)
from engine.cel.values.values import Timestamp


def test_what_is_not_as_it_must_be_gives_up() -> None:
    assert truth(True) is True
    assert not_null("a") == "a"
    assert member({"a": 1}, "a") == 1
    assert list(items([1, 2], 2)) == [1, 2]
    for fails in (
        lambda: truth(1),
        lambda: not_null(None),
        lambda: member({}, "a"),
        lambda: member([1], "a"),
        lambda: has_member(1, "a"),
        lambda: items([1, 2], 1),
        lambda: items("ab", 5),
        lambda: free("x" * 64),
        lambda: free([1]),
        lambda: short("x" * 1_025),
        lambda: short([1] * 65),
        lambda: flat([1, [2]]),
        lambda: flat({"a": {}}),
        lambda: joined("x" * 600, "y" * 600),
        lambda: equal([1] * 65, [1]),
        lambda: equal([[1]], [[1]]),
        lambda: contains(1, [1] * 65),
    ):
        with pytest.raises(GiveUpError):
            fails()


def test_an_absent_record_has_null_fields() -> None:
    assert field_or_null(None, "a") is None
    assert field_or_null({"a": 1}, "a") == 1
    assert has_member({"a": None}, "a") is True
    assert free("short") == "short"


def test_short_values_are_made_and_compared_at_once() -> None:
    assert short("short") == "short"
    assert flat([1, "a"]) == [1, "a"]
    assert joined([1], [2]) == [1, 2]
    assert equal([1, 2], [1.0, 2.0]) is True
    assert not_equal({"a": 1}, [1]) is True
    assert contains(1.0, [1, 2]) is True
    assert contains("a", {"a": 1}) is True


def test_a_datetime_becomes_an_instant_and_null_stays() -> None:
    assert instant(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)) == Timestamp(1_000_000_000)
    assert instant(None) is None


def test_functions_see_no_names_of_pythons_own() -> None:
    assert NAMES["__builtins__"] == {}
    assert GiveUpError in FAILED
    assert Exception not in FAILED
