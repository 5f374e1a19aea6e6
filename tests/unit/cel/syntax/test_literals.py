"""The values of literals."""

from __future__ import annotations

import pytest

from engine.cel.syntax.tokens import literal_value, tokenize
from engine.cel.values.values import UInt
from engine.errors import ExpressionError


def value_of(text: str) -> object:
    (token,) = tokenize(text)
    return literal_value(token)


def problem_at(text: str) -> int:
    with pytest.raises(ExpressionError) as caught:
        value_of(text)
    (problem,) = caught.value.problems
    return problem.offset


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0x1f", 31),
        ("-0x10", -16),
        ("-9223372036854775808", -(2**63)),
        ("1.5e3", 1500.0),
        ("true", True),
        ("null", None),
        (r"'\n\t\\\'\"\`\?'", "\n\t\\'\"`?"),
        (r"'\x41\X42\u00e9\U0001F600\101'", "ABé😀A"),
        (r"r'\n'", "\\n"),
        ('"""a"b\n"""', 'a"b\n'),
        (r"b'\xff\377é'", b"\xff\xff\xc3\xa9"),
        (r"br'\x'", b"\\x"),
        ("''", ""),
    ],
)
def test_literals_are_read_as_cel_has_them(text: str, value: object) -> None:
    assert value_of(text) == value
    assert type(value_of(text)) is type(value)


def test_a_uint_is_not_an_int() -> None:
    assert type(value_of("18446744073709551615u")) is UInt


@pytest.mark.parametrize(
    "text", ["9223372036854775808", "18446744073709551616u", "1" * 60_000, "0x" + "f" * 60_000]
)
def test_numbers_beyond_64_bits_are_refused(text: str) -> None:
    assert problem_at(text) == 0


def test_leading_zeros_do_not_make_a_number_too_long() -> None:
    assert value_of("0" * 5_000 + "7") == 7


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        (r"'ab\q'", 3),
        (r"'\ud800'", 1),
        (r"'\U00110000'", 1),
        (r"'\x4'", 1),
        (r"'\400'", 1),
        (r"b'\u00e9'", 2),
        ("'''" + r"\9" + "'''", 3),
    ],
)
def test_a_bad_escape_is_refused_at_its_place(text: str, offset: int) -> None:
    assert problem_at(text) == offset
