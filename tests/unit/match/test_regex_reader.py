from __future__ import annotations

import pytest

from engine.match.regex_parts import (
    BEGIN,
    Chars,
    Choice,
    Edge,
    Repeat,
    Sequence,
    UnreadableError,
    read_regex,
)


def chars(text: str) -> Chars:
    return Chars(frozenset(text))


def test_parts_follow_each_other() -> None:
    assert read_regex("^a.") == (Sequence((Edge(BEGIN), chars("a"), Chars(None))), False)


def test_bars_make_a_choice_and_brackets_a_part() -> None:
    tree, _ = read_regex("a|(b+)")
    repeated = Sequence((Repeat(chars("b"), 1, None),))
    assert tree == Choice((Sequence((chars("a"),)), Sequence((repeated,))))


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [("[a-c]", "abc"), ("[]a]", "]a"), ("[a-]", "a-"), (r"[\d]", "0123456789"), (r"\.", ".")],
)
def test_classes_are_the_characters_in_them(pattern: str, wanted: str) -> None:
    assert read_regex(pattern)[0] == Sequence((chars(wanted),))


def test_counts_are_read() -> None:
    assert read_regex("a{2,5}?")[0] == Sequence((Repeat(chars("a"), 2, 5),))
    assert read_regex("a{2,}")[0] == Sequence((Repeat(chars("a"), 2, None),))


def test_flags_hold_to_the_end_of_their_group() -> None:
    tree, ignores_case = read_regex("(?:(?m)^)^")
    assert tree == Sequence((Sequence((Edge(""),)), Edge(BEGIN)))
    assert not ignores_case


def test_a_pattern_that_ignores_case_is_in_lower_case_and_tells_ascii_only() -> None:
    assert read_regex("(?i)Äb[A-C]") == (Sequence((Chars(None), chars("b"), chars("abc"))), True)


@pytest.mark.parametrize(
    "pattern",
    [r"\pL", r"\Qa\E", r"\x41", r"\1", "[[:alpha:]]", "a{b", "\x02", "(" * 60, r"\C", "(a"],
)
def test_what_is_not_surely_understood_is_refused(pattern: str) -> None:
    with pytest.raises(UnreadableError):
        read_regex(pattern)
