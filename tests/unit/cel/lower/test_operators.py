"""Comparisons, membership and arithmetic as Python."""

from __future__ import annotations

from datetime import datetime

import pytest

from engine.cel import evaluate
from engine.cel.lower.fragments import constant, plain
from engine.cel.lower.operators import binary, negated
from tests.unit.cel.lower.lowered import body, quickly
from tests.unit.cel.plate_variables import compiled, event

WHOLE = plain("i", kind=int)
DOUBLE = plain("d", kind=float)
TEXT = plain("s", kind=str)
UNKNOWN = plain("u")


def test_known_types_are_compared_by_python() -> None:
    assert binary("_==_", TEXT, constant("a")).template == "({0} == {1})"
    assert binary("_<_", DOUBLE, constant(1)).template == "({0} < {1})"
    assert binary("_!=_", TEXT, constant(None)).template == "({0} is not {1})"
    assert binary("_==_", UNKNOWN, constant(True)).template == "({0} is {1})"
    assert binary("_==_", UNKNOWN, constant("a")).template == "({0} == {1})"


@pytest.mark.parametrize("other", [DOUBLE, constant(2.0**53), UNKNOWN, TEXT])
def test_where_python_compares_otherwise_it_is_not_asked(other: object) -> None:
    assert "<" not in binary("_<_", WHOLE, other).template  # type: ignore[arg-type]


def test_beyond_the_doubles_integers_compare_as_doubles() -> None:
    values = event(latency_ms=2**53 + 1)
    assert quickly(compiled("latency_ms == 9007199254740992.0"), values) is True
    assert quickly(compiled("latency_ms > 9007199254740992.0"), values) is False


def test_a_constant_list_is_a_set_of_what_may_be_equal() -> None:
    found = binary("@in", TEXT, constant(["a", 1, None, "b"]))
    assert found.parts[1].value == frozenset({"a", "b"})
    found = binary("@in", WHOLE, constant([1, 1.0, True, 2.5, "x"]))
    assert found.parts[1].value == frozenset({1, 2.5})
    assert "{0}({1})" in binary("@in", UNKNOWN, constant(["a"])).template
    assert quickly(compiled("vehicle.color in ['red', null]"), event()) is True
    assert quickly(compiled("latency_ms in [40.0, 9007199254740993]"), event()) is True


def test_instants_are_compared_as_they_come() -> None:
    assert body("time < timestamp('2026-01-01T00:00:00Z')") == "(b[k0] < k1)"
    assert "instant" in body("time < timestamp('2026-01-01T00:00:00.000000001Z')")
    assert quickly(compiled("time == timestamp('2025-12-25T12:30:00Z')"), event()) is True
    assert isinstance(event()["time"], datetime)


def test_integers_are_checked_for_overflow_and_doubles_are_not() -> None:
    assert binary("_+_", WHOLE, WHOLE).template == "int64({0} + {1})"
    assert binary("_*_", DOUBLE, DOUBLE).template == "({0} * {1})"
    assert negated(DOUBLE).template == "(-{0})"
    assert evaluate("-x", {"x": 5}) == -5
    assert quickly(compiled("-plate.confidence * 2.0 == -1.9"), event()) is True


def test_indexes_that_python_would_count_from_the_end_are_no_indexes() -> None:
    assert "element" in body("tags[latency_ms - 41]")
    assert "element" in body("tags[-1]")
    assert quickly(compiled("tags[1]"), event()) == "night"
