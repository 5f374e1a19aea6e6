from __future__ import annotations

import itertools

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from engine.match.keys import fold
from engine.match.regex_parts import BEGIN, END, MAX_LENGTH, MAX_TEXTS, regex_parts
from tests.support.random_cases import examples


@pytest.mark.parametrize(
    ("pattern", "sets"),
    [
        ("AB", [{"AB"}]),
        ("^AB", [{f"{BEGIN}AB"}]),
        ("AB$", [{f"AB{END}"}]),
        ("^AB$", [{f"{BEGIN}AB{END}"}]),
        ("^A.*[01]2$", [{f"{BEGIN}A"}, {f"02{END}", f"12{END}"}]),
        ("cat|dog", [{"cat", "dog"}]),
        ("(foo|ba[rz])+x", [{"foox", "barx", "bazx"}]),
        ("x?ab", [{"ab", "xab"}]),
        ("(?m)^A$", [{"A"}]),
        ("ab{3}", [{"abbb"}]),
    ],
)
def test_what_a_match_must_hold(pattern: str, sets: list[set[str]]) -> None:
    parts = regex_parts(pattern)
    assert parts is not None
    assert not parts.is_folded
    assert all(frozenset(each) in parts.sets for each in sets)


@pytest.mark.parametrize("pattern", [".*", "x*", "a?", "$^", r"\pL", "[^a]", r"\x41", "(?i)ü", ""])
def test_nothing_is_told_of_patterns_that_match_too_much_or_are_not_understood(
    pattern: str,
) -> None:
    assert regex_parts(pattern) is None


def test_a_pattern_that_ignores_case_speaks_of_lower_case() -> None:
    parts = regex_parts("(?i)^KS")
    assert parts is not None
    assert parts.is_folded
    assert parts.sets == (frozenset({f"{BEGIN}ks"}),)


def test_sets_stay_small_and_short() -> None:
    for pattern in (r"\d{6}x{300}", "(abc|def){9}", "[a-p][a-p][a-p]", "(a|b|c|d|e|f){4}z"):
        parts = regex_parts(pattern)
        assert parts is None or all(len(each) <= MAX_TEXTS for each in parts.sets)
        assert parts is None or all(len(text) <= MAX_LENGTH for each in parts.sets for text in each)


_LITERALS = st.sampled_from([*"abkAB12sü.", "[ab]", "[^a]", "[a-c1]", r"\d", r"\w", r"\b", r"\."])
_PATTERNS = st.recursive(
    _LITERALS | st.sampled_from(("^", "$", "", "(?i)", "(?i:b)", "(?m)^", r"\A", r"\z")),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.tuples(inner, inner).map("|".join),
        st.tuples(inner, st.sampled_from(("*", "+", "?", "{2}", "{1,3}", "{0}", "{2,}", "+?"))).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
        inner.map(lambda part: f"({part})"),
    ),
    max_leaves=8,
)
_TEXTS = st.lists(st.text(alphabet="abkAB12sSüÜ.\n\u017f\u212a\u0130", max_size=6), min_size=12)


_SHORT = ["".join(each) for size in range(5) for each in itertools.product("abB1", repeat=size)]
_SMALL = st.recursive(
    st.sampled_from([*"abB1^$.", "[ab]", "[^a]", r"\d", r"\b", "", "(?i)"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(inner, inner).map("|".join).map("({})".format),
        st.tuples(inner, st.sampled_from("*+?")).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        inner.map("^(?:{})$".format),
        inner.map("(?:{}){{2,}}".format),
    ),
    max_leaves=5,
)


@examples(150)
@given(pattern=_SMALL)
def test_all_short_texts_in_which_re2_finds_a_pattern_hold_its_parts(pattern: str) -> None:
    assert_held(pattern, _SHORT)


@pytest.mark.parametrize("pattern", ["^ab+$", "^(ab){2,}$", "^b{1,3}1$", "(a|b)+1", "a{0}b"])
def test_repeated_parts_are_not_taken_for_single_ones(pattern: str) -> None:
    assert_held(pattern, _SHORT)


@examples(300)
@given(pattern=_PATTERNS, texts=_TEXTS)
def test_every_text_in_which_re2_finds_a_pattern_holds_its_parts(
    pattern: str, texts: list[str]
) -> None:
    assert_held(pattern, texts)


def assert_held(pattern: str, texts: list[str]) -> None:
    parts = regex_parts(pattern)
    if parts is None:
        return
    for text in texts:
        if re2.search(pattern, text) is not None:
            searched = BEGIN + (fold(text) if parts.is_folded else text) + END
            assert all(any(part in searched for part in each) for each in parts.sets), text
