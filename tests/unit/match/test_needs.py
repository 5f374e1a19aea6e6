from __future__ import annotations

import math
from typing import Any

from engine.match.keys import Key
from engine.match.needs import (
    NOTHING,
    Affixes,
    Anything,
    Atom,
    Every,
    Interval,
    Parts,
    Points,
    Present,
    Some,
    Test,
    atoms_of,
    every,
    is_met,
    some,
)

REGION = Key("region", lambda bindings: None, 0.2, is_nullable=True, path="region")
LOWER = Key("lower(region)", lambda bindings: None, 0.3, is_nullable=True, path="region")
COLOR = Key("color", lambda bindings: None, 0.2, is_nullable=True, path="color")
NUMBER = Key("double(t)", lambda bindings: None, 1.0, False, True, number_of="t")
SPEED = Key("speed", lambda bindings: None, 0.2, is_nullable=False, is_number=True, path="speed")
IS_NUMBER = Key("isNumber(t)", lambda bindings: None, 1.0, False, True, is_number_of="t")
ANYTHING = Anything("why not")


def points(*values: Any, key: Key = COLOR, or_null: bool = False) -> Atom:
    return Atom(key, Points(frozenset(values)), or_null)


def between(low: float, high: float, *, is_open: bool = False) -> Interval:
    return Interval(low, high, is_open, is_open)


def test_all_of_nothing_asks_for_nothing() -> None:
    assert isinstance(every(()), Anything)
    assert every((ANYTHING, ANYTHING)) is ANYTHING


def test_one_of_nothing_is_never_met() -> None:
    assert some(()) == NOTHING
    assert every((points("a"), NOTHING)) == NOTHING
    assert some((NOTHING, points("a"))) == points("a")


def test_an_alternative_that_asks_for_nothing_makes_all_ask_for_nothing() -> None:
    assert some((points("a"), ANYTHING)) is ANYTHING
    assert every((points("a"), ANYTHING)) == points("a")


def test_values_of_one_key_are_joined_or_cut() -> None:
    assert some((points("a"), points("b"))) == points("a", "b")
    assert every((points("a", "b"), points("b", "c"))) == points("b")
    assert every((points("a"), points("b"))) == NOTHING


def test_ranges_of_one_key_are_cut_exactly() -> None:
    def cut(one: Test, two: Test) -> object:
        return every((Atom(SPEED, one), Atom(SPEED, two)))

    assert cut(between(1, 3, is_open=True), between(2, 4)) == Atom(
        SPEED, Interval(2, 3, False, True)
    )
    assert cut(between(1, 2, is_open=True), between(2, 3)) == NOTHING
    assert cut(between(1, 2), between(2, 3)) == Atom(SPEED, between(2, 2))
    odd = Interval(3, math.inf, False, False, with_nan=True)
    assert cut(odd, Interval(-math.inf, 2, False, False, with_nan=True)) != NOTHING


def test_a_range_that_no_number_is_in_is_still_asked_what_is_no_number() -> None:
    below, above = (Atom(COLOR, between(low, low + 1)) for low in (0, 5))
    assert every((below, above)) != NOTHING


def test_a_begin_and_an_end_of_one_text_are_a_pair() -> None:
    begin = Atom(COLOR, Affixes(frozenset({("a", "")})))
    end = Atom(COLOR, Affixes(frozenset({("", "x"), ("", "y")})))
    assert every((begin, end)) == Atom(COLOR, Affixes(frozenset({("a", "x"), ("a", "y")})))
    assert every((begin, begin)) == Every((begin, begin))


def test_a_guard_takes_null_from_all_that_reads_the_field() -> None:
    guard = Atom(REGION, Present())
    guarded = every((guard, points("us-fl", key=LOWER, or_null=True)))
    assert guarded == Every((guard, points("us-fl", key=LOWER)))


def test_a_guard_in_another_alternative_guards_nothing() -> None:
    test = points("us-fl", key=LOWER, or_null=True)
    guard = every((Atom(REGION, Present()), points("red")))
    assert test in tuple(atoms_of(every((points("car"), some((guard, test))))))


def test_a_guard_of_another_field_guards_nothing() -> None:
    test = points("us-fl", key=LOWER, or_null=True)
    assert test in tuple(atoms_of(every((Atom(COLOR, Present()), test))))


def test_is_number_takes_the_failures_from_double() -> None:
    above = Atom(NUMBER, Interval(5, math.inf, True, False), or_failed=True)
    guard = Atom(IS_NUMBER, Points(frozenset({True})), or_failed=True)
    assert not any(atom.or_failed for atom in atoms_of(every((guard, above))) if atom.key is NUMBER)
    other = Atom(IS_NUMBER, Points(frozenset({False})), or_failed=True)
    assert above in tuple(atoms_of(every((other, above))))


def test_a_supposed_state_meets_needs_or_not_or_perhaps() -> None:
    assert is_met(points("a"), lambda atom: False) is False
    assert is_met(Every((points("a"), points("b", key=REGION))), lambda atom: None) is None
    assert is_met(Some((points("a"), ANYTHING)), lambda atom: False) is True


def test_contained_texts_are_alternatives() -> None:
    one, two = (Atom(COLOR, Parts(frozenset({text}))) for text in ("a", "b"))
    assert some((one, two)) == Atom(COLOR, Parts(frozenset({"a", "b"})))
    assert every((one, two)) == Every((one, two))
