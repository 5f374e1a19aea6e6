from __future__ import annotations

import math
from typing import Any

import pytest

from engine.match.keys import FAILED, ODD, Key
from engine.match.look_up import Bucket, KeyLookUp
from engine.match.needs import Affixes, Atom, Interval, Parts, Points, Present
from tests.unit.match.look_ups import found, plain

KEY = Key("k", lambda bindings: None, 0.2, is_nullable=True, path="k")


def table(*atoms: Atom) -> KeyLookUp:
    result = KeyLookUp(KEY)
    for place, atom in enumerate(atoms):
        result.add(atom, place)
    return result


TEXTS = table(
    Atom(KEY, Points(frozenset({"abc"}))),
    Atom(KEY, Affixes(frozenset({("a", "")})), or_null=True),
    Atom(KEY, Parts(frozenset({"b"})), or_failed=True),
    Atom(KEY, Present()),
)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("abc", [0, 1, 2, 3]),
        ("xb", [2, 3]),
        ("x", [3]),
        (None, [1]),
        (FAILED, [2]),
        (ODD, [0, 1, 2, 3]),
        (5, [0, 1, 2, 3]),
        ([], [0, 1, 2, 3]),
    ],
)
def test_a_value_finds_the_rules_whose_atoms_it_meets(value: Any, wanted: list[int]) -> None:
    assert found(value, TEXTS.look_up(plain)) == wanted


def test_a_range_is_asked_numbers_only() -> None:
    look_up = table(Atom(KEY, Interval(1, 2, False, False))).look_up(plain)
    assert [found(value, look_up) for value in (1.5, 1, 3, math.nan, "1", True)] == [
        [0], [0], [], [], [0], [0],
    ]  # fmt: skip


def test_a_look_up_without_null_finds_nothing_for_it() -> None:
    buckets: list[Bucket] = []
    table(Atom(KEY, Points(frozenset({"a"})))).look_up(plain)(None, buckets)
    assert buckets == []


def test_a_table_tells_its_look_ups() -> None:
    TEXTS.look_up(plain)
    assert list(TEXTS.describe()) == [
        "one of 1 values: 1 rule",
        "a begin or an end: 1 rule",
        "a text in it: 1 rule",
        "anything but null: 1 rule",
        "null: 1 rule",
        "not to be had: 1 rule",
    ]
