from __future__ import annotations

from engine.cel.syntax.parser import parse
from engine.match.keys import Keyring
from engine.match.necessary import MAX_AFFIX, text_need
from engine.match.needs import (
    Affixes,
    Anything,
    Atom,
    Every,
    Need,
    Parts,
    Points,
    Some,
    Test,
)
from tests.unit.cel.plate_variables import VARIABLES


def need(function: str, text: str) -> Need:
    keyring = Keyring()
    key = keyring.key(parse("camera_id"), VARIABLES)
    assert key is not None
    return text_need(function, key, text, keyring)


def test_of(found: Need) -> Test:
    assert isinstance(found, Atom)
    return found.test


test_of.__test__ = False  # type: ignore[attr-defined]  # a helper


def test_each_function_has_its_look_up() -> None:
    assert test_of(need("contains", "ab")) == Parts(frozenset({"ab"}))
    assert test_of(need("startsWith", "ab")) == Affixes(frozenset({("ab", "")}))
    assert test_of(need("endsWith", "ab")) == Affixes(frozenset({("", "ab")}))


def test_the_empty_text_asks_for_nothing() -> None:
    assert isinstance(need("contains", ""), Anything)


def test_a_long_begin_is_cut() -> None:
    assert test_of(need("startsWith", "x" * 100)) == Affixes(frozenset({("x" * MAX_AFFIX, "")}))


def test_a_pattern_for_whole_texts_is_equality() -> None:
    assert test_of(need("matches", "^(ab|cd)$")) == Points(frozenset({"ab", "cd"}))


def test_begin_and_end_of_a_pattern_are_pairs() -> None:
    found = need("matches", "^ab.*[12]$")
    tests = (
        [each.test for each in found.needs if isinstance(each, Atom)]
        if isinstance(found, Every | Some)
        else [test_of(found)]
    )
    assert Affixes(frozenset({("ab", "1"), ("ab", "2")})) in tests


def test_a_pattern_that_ignores_case_is_looked_up_folded() -> None:
    found = need("matches", "(?i)^AB")
    assert isinstance(found, Atom)
    assert found.key.text == "fold(camera_id)"


def test_an_anchor_in_the_middle_is_never_met() -> None:
    found = need("matches", "x(a|^)b")
    assert isinstance(found, Atom)
    assert found.test == Parts(frozenset({"xab"}))
    assert isinstance(need("matches", "a^b"), Anything)
