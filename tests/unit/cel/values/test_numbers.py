"""Arithmetic with its bounds, the extension `math`, and conversions."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import evaluate
from engine.cel.values import numbers as m
from engine.cel.values.numbers import (
    MAX_SIZE,
    OPERATIONS,
    add,
    divide,
    double_text,
    is_number,
    make_duration,
    make_timestamp,
    multiply,
    negate,
    remainder,
    subtract,
)
from engine.cel.values.values import (
    DURATION_MAX,
    INT_MAX,
    INT_MIN,
    TIMESTAMP_MAX,
    UINT_MAX,
    Duration,
    FailureKind,
    Timestamp,
    UInt,
)
from engine.errors import EvaluationError
from tests.support.random_cases import examples

DOUBLES = st.floats() | st.floats(-10, 10) | st.integers(-9, 9).map(lambda n: n / 2)
INTS = st.integers(INT_MIN, INT_MAX)


def operation_failure_of(function: str, *args: Any) -> str:
    with pytest.raises(EvaluationError) as caught:
        OPERATIONS[function](*args)
    return caught.value.error_type


def failure_of(text: str, **bindings: Any) -> str:
    with pytest.raises(EvaluationError) as caught:
        evaluate(text, bindings)
    return caught.value.error_type


def test_integers_are_cut_towards_zero() -> None:
    assert [divide(7, 2), divide(-7, 2), divide(7, -2)] == [3, -3, -3]
    assert [remainder(7, 3), remainder(-7, 3), remainder(7, -3)] == [1, -1, 1]
    assert type(divide(UInt(7), UInt(2))) is UInt


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("_+_", (INT_MAX, 1)),
        ("_-_", (INT_MIN, 1)),
        ("_*_", (INT_MIN, -1)),
        ("_/_", (INT_MIN, -1)),
        ("_%_", (INT_MIN, -1)),
        ("_+_", (UInt(UINT_MAX), UInt(1))),
        ("_-_", (UInt(0), UInt(1))),
        ("_*_", (UInt(2**40), UInt(2**40))),
    ],
)
def test_results_beyond_64_bits_fail(function: str, args: tuple[Any, Any]) -> None:
    assert operation_failure_of(function, *args) == FailureKind.OVERFLOW


def test_the_least_integer_has_no_opposite() -> None:
    assert negate(INT_MAX) == -INT_MAX
    with pytest.raises(EvaluationError):
        negate(INT_MIN)
    with pytest.raises(EvaluationError):
        negate(UInt(1))


def test_division_by_zero_fails_for_integers_and_not_for_doubles() -> None:
    assert operation_failure_of("_/_", 1, 0) == FailureKind.DIVISION_BY_ZERO
    assert operation_failure_of("_%_", UInt(1), UInt(0)) == FailureKind.DIVISION_BY_ZERO
    assert divide(1.0, 0.0) == math.inf
    assert divide(-1.0, 0.0) == -math.inf
    assert divide(1.0, -0.0) == -math.inf
    assert math.isnan(divide(0.0, 0.0))


@pytest.mark.parametrize("function", sorted(OPERATIONS))
def test_kinds_of_numbers_never_mix(function: str) -> None:
    for left, right in [(1, 1.0), (1, UInt(1)), (UInt(1), 1.0), (True, 1), (True, True)]:
        assert operation_failure_of(function, left, right) == FailureKind.NO_OVERLOAD
    assert operation_failure_of(function, None, 1) == FailureKind.NULL_OPERAND


def test_doubles_overflow_to_infinity_and_have_no_remainder() -> None:
    assert multiply(1e308, 10.0) == math.inf
    assert operation_failure_of("_%_", 5.0, 2.0) == FailureKind.NO_OVERLOAD


def test_text_bytes_and_lists_are_joined() -> None:
    assert (add("a", "b"), add(b"a", b"b"), add([1], ["x"])) == ("ab", b"ab", [1, "x"])
    assert operation_failure_of("_+_", "a", b"b") == FailureKind.NO_OVERLOAD
    assert operation_failure_of("_+_", "a" * MAX_SIZE, "b") == FailureKind.TOO_LARGE


def test_instants_and_durations_are_added_and_subtracted() -> None:
    assert add(Timestamp(5), Duration(2)) == add(Duration(2), Timestamp(5)) == Timestamp(7)
    assert subtract(Timestamp(5), Timestamp(7)) == Duration(-2)
    assert subtract(Timestamp(5), Duration(7)) == Timestamp(-2)
    assert subtract(Duration(5), Duration(7)) == Duration(-2)
    assert operation_failure_of("_+_", Timestamp(0), Timestamp(0)) == FailureKind.NO_OVERLOAD
    assert operation_failure_of("_-_", Duration(0), Timestamp(0)) == FailureKind.NO_OVERLOAD


def test_instants_and_durations_have_their_ranges() -> None:
    assert (
        operation_failure_of("_+_", Timestamp(TIMESTAMP_MAX), Duration(1))
        == FailureKind.OUT_OF_RANGE
    )
    assert (
        operation_failure_of("_+_", Duration(DURATION_MAX), Duration(1)) == FailureKind.OUT_OF_RANGE
    )
    assert make_timestamp(TIMESTAMP_MAX) == Timestamp(TIMESTAMP_MAX)
    with pytest.raises(EvaluationError):
        make_duration(DURATION_MAX + 1)


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


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("int(-7.9)", -7),
        ("int('+12')", 12),
        ("int(timestamp(-1))", -1),
        ("uint(1.9) == 1u", True),
        ("double('1e3')", 1000.0),
        ("double('-Infinity')", -math.inf),
        ("string(b'\\xc3\\xa9')", "é"),
        ("string(1.5)", "1.5"),
        ("string(5.0)", "5"),
        ("string(duration('90m'))", "5400s"),
        ("bytes('é')", b"\xc3\xa9"),
        ("bool('True')", True),
        ("bool('0')", False),
    ],
)
def test_values_are_converted(expression: str, value: Any) -> None:
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "int('1.5')", "int('')", "int(' 1')", "int('١')", "int(9223372036854775808u)",
        "int(0.0 / 0.0)", "int('" + "9" * 60 + "')", "uint(-1)", "uint(-0.5)", "uint('+1')",
        "uint(1e30)", "double('')", "double('1_0')", "double(' 1')", "double('0x10')",
        "string(b'\\xff')", "bool('yes')", "bool(1)", "string(null)", "int(null)", "bytes(1)",
    ],
)  # fmt: skip
def test_what_can_not_be_converted_fails(expression: str) -> None:
    with pytest.raises(EvaluationError):
        evaluate(expression)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "-0"), (0.1, "0.1"), (100000.0, "100000"), (1e6, "1e+06"),
        (123456.789, "123456.789"), (0.0001, "0.0001"), (0.00001, "1e-05"), (1e100, "1e+100"),
        (1.25e-7, "1.25e-07"), (-2.5, "-2.5"), (math.nan, "NaN"), (-math.inf, "-Inf"),
    ],
)  # fmt: skip
def test_a_double_is_written_as_short_as_it_can_be(value: float, text: str) -> None:
    assert double_text(value) == text


@given(st.floats(allow_nan=False))
def test_a_double_reads_back_from_its_text(value: float) -> None:
    assert float(double_text(value)) == value


@given(st.text("0123456789+-.eE _", max_size=6))
def test_is_number_says_whether_double_takes_the_text(text: str) -> None:
    try:
        evaluate("double(x)", {"x": text})
    except EvaluationError:
        assert not is_number(text)
    else:
        assert is_number(text)
