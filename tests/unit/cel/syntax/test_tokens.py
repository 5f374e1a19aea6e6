"""Tokens, their values, and the bounds that are judged before anything costly."""

from __future__ import annotations

import pytest

from engine.cel.syntax.tokens import (
    MAX_LENGTH,
    MAX_NESTING,
    TokenKind,
    literal_value,
    scan,
    tokenize,
)
from engine.cel.values.values import UInt
from engine.errors import ExpressionError


def refusal(expression: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        tokenize(expression)
    (problem,) = caught.value.problems
    return problem.code


def placeholder(text: str) -> str:
    _, end = scan(text, 0, is_placeholder=True)
    return text[:end]


def value_of(text: str) -> object:
    (token,) = tokenize(text)
    return literal_value(token)


def problem_at(text: str) -> int:
    with pytest.raises(ExpressionError) as caught:
        value_of(text)
    (problem,) = caught.value.problems
    return problem.offset


def texts(expression: str) -> list[str]:
    return [token.text for token in tokenize(expression)]


def test_tokens_carry_the_offset_in_code_points() -> None:
    tokens = tokenize("'Škoda😀' == make // said so")
    assert [(token.text, token.offset) for token in tokens] == [
        ("'Škoda😀'", 0),
        ("==", 9),
        ("make", 12),
    ]


def test_a_sign_belongs_to_the_number_only_where_no_operand_stands_before() -> None:
    assert texts("-1") == ["-1"]
    assert texts("x-1") == ["x", "-", "1"]
    assert texts("1 - -1") == ["1", "-", "-1"]
    assert texts("(x)-1") == ["(", "x", ")", "-", "1"]
    assert texts("x in -1") == ["x", "in", "-1"]
    assert texts("-1u") == ["-", "1u"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0x1F", TokenKind.INT),
        ("7U", TokenKind.UINT),
        (".5", TokenKind.DOUBLE),
        ("1e3", TokenKind.DOUBLE),
        ("r'\\'", TokenKind.STRING),
        ("'''a'b''c'''", TokenKind.STRING),
        ('bR"x"', TokenKind.BYTES),
        ("true", TokenKind.BOOL),
        ("null", TokenKind.NULL),
        ("trueish", TokenKind.IDENT),
        ("`a-b`", TokenKind.IDENT),
        ("in", TokenKind.OPERATOR),
    ],
)
def test_every_kind_of_token_is_told_apart(text: str, kind: TokenKind) -> None:
    (token,) = tokenize(text)
    assert (token.kind, token.text) == (kind, text)


def test_a_number_may_be_followed_by_a_method() -> None:
    assert texts("42.size()") == ["42", ".", "size", "(", ")"]


def test_one_comma_may_stand_before_a_closing_bracket() -> None:
    assert texts("[1,]") == ["[", "1", "]"]
    assert texts("[,]") == ["[", ",", "]"]
    assert texts("[1,,]") == ["[", "1", ",", ",", "]"]


@pytest.mark.parametrize("text", ["a = b", "a & b", "a # b", "'open", '"open\n"', "r'", "a ` b"])
def test_what_is_no_cel_is_a_syntax_problem(text: str) -> None:
    assert refusal(text) == "syntax"


def test_a_text_over_the_limit_is_refused() -> None:
    assert refusal("x" * (MAX_LENGTH + 1)) == "too-long"
    assert len(tokenize("x" * MAX_LENGTH)) == 1


@pytest.mark.parametrize(
    "unit",
    ["(", "[", "{1:", "!", "- ", "f(", "a?b:", "a.", "a < ", "a == ", "[1].map(x,", "!(", "a?("],
)
def test_ten_thousand_deep_nesting_of_any_kind_is_refused(unit: str) -> None:
    assert refusal(unit * 10_000) in ("too-deep", "too-long")
    assert refusal(unit * 500) == "too-deep"


@pytest.mark.parametrize("chain", [".b", "[0]", ".f()"])
def test_long_chains_of_fields_indices_and_methods_are_refused(chain: str) -> None:
    tokenize("a" + chain * MAX_NESTING)
    assert refusal("a" + chain * (MAX_NESTING + 1)) == "too-deep"


def test_what_stands_beside_each_other_is_not_nested() -> None:
    many = 3 * MAX_NESTING
    for unit in ("a.b.c && ", "a ? b : c, ", "!a || ", "a < b && ", "(a) + ", "-a * ", "[0], "):
        tokenize(unit * many)


def test_an_unclosed_text_with_many_escapes_is_refused_at_once() -> None:
    # celpy's own pattern for texts takes exponential time on this one.
    assert refusal('"' + "\\a" * 30_000) == "syntax"


def test_a_placeholder_ends_at_its_own_brace_or_colon() -> None:
    assert placeholder("a.b} tail") == "a.b"
    assert placeholder("a:>6} tail") == "a"
    assert placeholder("{'k': 1}.k:02d}") == "{'k': 1}.k"
    assert placeholder("a ? 'x}' : b:>4}") == "a ? 'x}' : b"
    assert placeholder("[a ? b : c][0]}") == "[a ? b : c][0]"


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
