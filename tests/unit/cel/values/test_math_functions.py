"""The math extension: rounding, bits and choices as C has them, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import evaluate
from engine.cel.values import numbers as m
from engine.cel.values.values import INT_MAX, INT_MIN, UINT_MAX, UInt
from engine.errors import EvaluationError
from tests.support.random_cases import examples

DOUBLES = st.floats() | st.floats(-10, 10) | st.integers(-9, 9).map(lambda n: n / 2)
INTS = st.integers(INT_MIN, INT_MAX)


def failure_of(text: str, **bindings: Any) -> str:
    with pytest.raises(EvaluationError) as caught:
        evaluate(text, bindings)
    return caught.value.error_type


@examples(200)
@given(DOUBLES)
def test_rounding_gives_a_whole_number_at_most_one_away(value: float) -> None:
    for rounding in (m.ceil, m.floor, m.trunc, m.round_):
        whole = rounding(value)
        if math.isfinite(value):
            assert whole.is_integer()
            assert abs(whole - value) <= 1
        else:
            assert repr(whole) == repr(value)


@pytest.mark.parametrize(
    ("value", "nearest"),
    [
        (0.5, 1.0),
        (-0.5, -1.0),
        (2.5, 3.0),
        # Adding a half and cutting would give 1.
        (0.49999999999999994, 0.0),
        (4503599627370497.5, 4503599627370498.0),
        (9007199254740993.0, 9007199254740992.0),
        (1e300, 1e300),
    ],
)
def test_a_half_is_rounded_away_from_zero(value: float, nearest: float) -> None:
    assert m.round_(value) == nearest


@pytest.mark.parametrize("name", ["ceil", "trunc", "round"])
def test_a_zero_keeps_its_sign(name: str) -> None:
    assert math.copysign(1, evaluate(f"math.{name}(-0.25)")) == -1


def test_the_first_of_equal_numbers_is_taken_with_its_kind() -> None:
    assert type(evaluate("math.greatest(1, 1.0)")) is int
    assert type(evaluate("math.greatest(1.0, 1)")) is float
    assert type(evaluate("math.least(1u, 1, 1.0)")) is UInt


def test_numbers_of_all_kinds_are_compared_on_one_line() -> None:
    assert evaluate("math.greatest(-1, 18446744073709551615u, 1.5)") == UINT_MAX
    assert evaluate("math.least(0u, -1, -0.5)") == -1


def test_nan_is_neither_greater_nor_less() -> None:
    assert evaluate("math.greatest(1, 0.0 / 0.0)") == 1
    assert evaluate("math.least([2, 0.0 / 0.0, 1])") == 1
    assert math.isnan(evaluate("math.greatest(0.0 / 0.0, 1)"))


def test_what_is_no_number_and_an_empty_list_are_refused() -> None:
    assert failure_of("math.greatest('a')") == "no_such_overload"
    assert failure_of("math.least(1, 'a')") == "no_such_overload"
    assert failure_of("math.greatest(1, 2, 'a')") == "no_such_overload"
    assert failure_of("math.greatest(['a'])") == "no_such_overload"
    assert failure_of("math.greatest([true])") == "no_such_overload"
    assert failure_of("math.greatest(1, 2, null)") == "null_operand"
    assert failure_of("math.least([])") == "bad_argument"
    assert failure_of("math.greatest()") == "no_such_overload"


def test_the_least_int_has_no_absolute_value() -> None:
    assert evaluate("math.abs(-9223372036854775807)") == INT_MAX
    assert failure_of("math.abs(-9223372036854775808)") == "overflow"
    assert math.copysign(1, evaluate("math.abs(-0.0)")) == 1


def test_signs() -> None:
    assert [m.sign_of_int(value) for value in (-5, 0, 5)] == [-1, 0, 1]
    assert type(evaluate("math.sign(5u)")) is UInt
    assert math.copysign(1, evaluate("math.sign(-0.0)")) == 1
    assert math.isnan(evaluate("math.sign(0.0 / 0.0)"))


def test_square_roots() -> None:
    assert evaluate("math.sqrt(2u)") == math.sqrt(2)
    assert math.isnan(evaluate("math.sqrt(-1)"))
    assert math.isnan(evaluate("math.sqrt(0.0 / 0.0)"))
    assert evaluate("math.sqrt(1.0 / 0.0)") == math.inf


@examples(100)
@given(INTS, INTS, st.integers(0, 70))
def test_bits_are_those_of_two_to_the_64(left: int, right: int, places: int) -> None:
    def ask(text: str) -> Any:
        return evaluate(text, {"a": left, "b": right, "n": places})

    assert ask("math.bitXor(a, b)") == ask("math.bitOr(a, b) - math.bitAnd(a, b)")
    assert ask("math.bitNot(a)") == -left - 1
    bits = left % 2**64
    assert ask("math.bitShiftLeft(a, n)") % 2**64 == bits * 2**places % 2**64
    assert ask("math.bitShiftRight(a, n)") % 2**64 == bits // 2**places
    for text in ("math.bitShiftLeft(a, n)", "math.bitShiftRight(a, n)"):
        assert INT_MIN <= ask(text) <= INT_MAX


@examples(100)
@given(st.integers(0, UINT_MAX), st.integers(0, UINT_MAX), st.integers(0, 70))
def test_bits_of_uints_are_uints(left: int, right: int, places: int) -> None:
    bindings = {"a": UInt(left), "b": UInt(right), "n": places}
    expected = {
        "math.bitAnd(a, b)": left & right,
        "math.bitOr(a, b)": left | right,
        "math.bitXor(a, b)": left ^ right,
        "math.bitNot(a)": UINT_MAX - left,
        "math.bitShiftLeft(a, n)": left * 2**places % 2**64,
        "math.bitShiftRight(a, n)": left // 2**places,
    }
    for text, value in expected.items():
        answer = evaluate(text, bindings)
        assert (type(answer), answer) == (UInt, value)


@pytest.mark.parametrize("name", ["math.bitShiftLeft", "math.bitShiftRight"])
def test_a_shift_by_a_negative_number_is_refused_and_a_huge_one_is_cheap(name: str) -> None:
    assert failure_of(f"{name}(1, -1)") == "bad_argument"
    assert failure_of(f"{name}(1u, -1)") == "bad_argument"
    assert evaluate(f"{name}(-1, 9223372036854775807)") == 0
    assert failure_of(f"{name}(1, 1u)") == "no_such_overload"
    assert failure_of("math.bitAnd(1, 1u)") == "no_such_overload"
