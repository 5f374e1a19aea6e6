from __future__ import annotations

from engine.match.keys import Key
from engine.match.matcher import CROWD, Index
from engine.match.needs import NOTHING, Anything, Atom, Every, Need, Points

PLATE = Key("plate", lambda bindings: bindings["plate"], 0.2, is_nullable=False, path="plate")
COLOR = Key("color", lambda bindings: bindings["color"], 0.2, is_nullable=True, path="color")


def equals(key: Key, value: str) -> Atom:
    return Atom(key, Points(frozenset({value})))


def candidates(needs: list[Need], plate: str = "", color: str | None = None) -> list[int]:
    return list(Index(needs).candidates({"plate": plate, "color": color}))


def test_only_what_may_hold_is_given_in_rule_order() -> None:
    needs: list[Need] = [equals(PLATE, "b"), Anything("x"), equals(PLATE, "a"), NOTHING]
    needs += [equals(PLATE, f"p{number}") for number in range(10)]
    assert candidates(needs, "a") == [1, 2]
    assert candidates(needs, "b") == [0, 1]
    assert candidates(needs, "c") == [1]


def test_a_crowd_of_one_value_is_told_apart_by_what_else_it_needs() -> None:
    crowd: list[Need] = [
        Every((equals(COLOR, "red"), equals(PLATE, f"p{number // 2}")))
        for number in range(4 * CROWD)
    ]
    everywhere: list[Need] = [equals(COLOR, f"c{number}") for number in range(500)]
    assert candidates(crowd + everywhere, "p3", "red") == [6, 7]
    assert candidates(crowd + everywhere, "p3", "c7") == [4 * CROWD + 7]


def test_a_crowd_that_needs_nothing_else_stays_together() -> None:
    crowd: list[Need] = [equals(COLOR, "red")] * (2 * CROWD)
    assert candidates(crowd, color="red") == list(range(2 * CROWD))
    assert candidates(crowd, color=None) == []


def test_those_of_a_crowd_that_need_nothing_else_are_always_given() -> None:
    crowd: list[Need] = [
        Every((equals(COLOR, "red"), equals(PLATE, f"p{number}"))) for number in range(2 * CROWD)
    ]
    everywhere: list[Need] = [equals(COLOR, f"c{number}") for number in range(500)]
    needs = [equals(COLOR, "red"), *crowd, *everywhere]
    assert candidates(needs, "p3", "red") == [0, 4]


def test_the_root_tells_why_a_rule_is_there() -> None:
    index = Index([Anything("it is so"), *(equals(PLATE, str(number)) for number in range(9))])
    assert list(index.root()) == [(0, "it is so")]
    assert list(index.describe()) == ["plate", "    one of 9 values: 9 rules"]


def test_no_rules_give_none() -> None:
    assert list(Index([]).candidates({})) == []
