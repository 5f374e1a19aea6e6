"""Patterns by RE2."""

from __future__ import annotations

import pytest

from engine.cel.values.text import BadRegexError, compile_search, matches
from engine.cel.values.values import FailureKind
from engine.errors import EvaluationError


def test_a_pattern_is_searched_for_anywhere() -> None:
    search = compile_search("b+ñ")
    assert search("aabbñ")
    assert not search("aab")
    assert matches("abc", "^b|c$")


def test_ignoring_case_is_unicode_wide() -> None:
    assert compile_search("(?i)köln")("KÖLN")


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("(?=a)", "lookahead"),
        ("(?!a)", "lookahead"),
        ("(?<=a)b", "lookbehind"),
        ("(?<!a)b", "lookbehind"),
        (r"(a)\1", "back-references"),
        ("(?>a)", "atomic group"),
        ("(", "missing )"),
        ("[", "missing ]"),
        ("a{1001}", "repetition"),
        ("\ud800", "not a regular expression"),
    ],
)
def test_what_re2_does_not_take_is_named(pattern: str, named: str) -> None:
    with pytest.raises(BadRegexError, match=named.replace("(", r"\(").replace(")", r"\)")):
        compile_search(pattern)


def test_a_pattern_that_is_bad_only_now_is_an_evaluation_failure() -> None:
    with pytest.raises(EvaluationError) as caught:
        matches("a", "(")
    assert caught.value.error_type == FailureKind.BAD_REGEX
    with pytest.raises(EvaluationError) as caught:
        matches("\ud800", "a")
    assert caught.value.error_type == FailureKind.BAD_ARGUMENT


def test_no_pattern_can_hang() -> None:
    assert not compile_search("(a*)*b")("a" * 5_000)
