"""The conversion functions at their edges."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import evaluate
from engine.cel.values.numbers import double_text, is_number
from engine.errors import EvaluationError


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
