"""Tokens, and the bounds that are judged before anything costly."""

from __future__ import annotations

import pytest

from engine.cel.syntax.tokens import MAX_LENGTH, MAX_NESTING, TokenKind, scan, tokenize
from engine.errors import ExpressionError


def texts(expression: str) -> list[str]:
    return [token.text for token in tokenize(expression)]


def refusal(expression: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        tokenize(expression)
    (problem,) = caught.value.problems
    return problem.code


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


def placeholder(text: str) -> str:
    _, end = scan(text, 0, is_placeholder=True)
    return text[:end]


def test_a_placeholder_ends_at_its_own_brace_or_colon() -> None:
    assert placeholder("a.b} tail") == "a.b"
    assert placeholder("a:>6} tail") == "a"
    assert placeholder("{'k': 1}.k:02d}") == "{'k': 1}.k"
    assert placeholder("a ? 'x}' : b:>4}") == "a ? 'x}' : b"
    assert placeholder("[a ? b : c][0]}") == "[a ? b : c][0]"
