from __future__ import annotations

from engine.match.keys import Key
from engine.match.matcher import Cover, Selectivity
from engine.match.needs import Affixes, Anything, Atom, Every, Interval, Need, Points, Present, Some

PLATE = Key("plate", lambda bindings: None, 0.2, is_nullable=False, path="plate")
COLOR = Key("color", lambda bindings: None, 0.2, is_nullable=True, path="color")
COMPUTED = Key("f(x)", lambda bindings: None, 1.0, is_nullable=True, can_fail=True)

PLATES = [Atom(PLATE, Points(frozenset({f"p{number}"}))) for number in range(50)]
COLORS = [Atom(COLOR, Points(frozenset({f"c{number % 3}"}))) for number in range(50)]


def chosen(need: Need, others: list[Need]) -> list[str]:
    cover = Selectivity([need, *others]).cover(need)
    assert isinstance(cover, Cover)
    return [atom.key.text for atom in cover.atoms]


def test_the_key_of_which_rules_name_more_values_is_taken() -> None:
    assert chosen(Every((COLORS[0], PLATES[0])), [*PLATES, *COLORS]) == ["plate"]


def test_a_value_is_rarer_than_a_range_and_a_long_begin_rarer_than_a_short_one() -> None:
    above = Atom(PLATE, Interval(0.5, float("inf"), True, False))
    assert chosen(Every((above, COLORS[0])), [above, *COLORS]) == ["color"]
    short, long = (Atom(key, Affixes(frozenset({(text, "")}))) for key, text in (
        (COLOR, "a"), (PLATE, "abc")))  # fmt: skip
    assert chosen(Every((short, long)), [short, long] * 9) == ["plate"]


def test_alternatives_are_all_looked_up() -> None:
    assert chosen(Some((COLORS[0], PLATES[0])), [*PLATES, *COLORS]) == ["color", "plate"]


def test_an_alternative_that_cant_be_looked_up_leaves_the_rule_at_the_root() -> None:
    why = Anything("why not")
    assert Selectivity([]).cover(Every((why, why))) is why
    assert isinstance(Selectivity(PLATES).cover(Some((PLATES[0], why))), Anything)


def test_a_key_that_one_rule_asks_for_is_not_worth_computing() -> None:
    alone = Atom(COMPUTED, Points(frozenset({1})), or_failed=True)
    assert isinstance(Selectivity([alone]).cover(alone), Anything)
    assert isinstance(Selectivity([alone] * 10).cover(alone), Cover)


def test_what_most_events_meet_is_not_looked_up() -> None:
    either = Some((Atom(COLOR, Present()), Atom(COLOR, Interval(0, 9, False, False))))
    assert isinstance(Selectivity([either] * 10).cover(either), Anything)


def test_what_is_never_met_costs_nothing() -> None:
    assert Selectivity([]).cover(Some(())) == Cover(0.0, ())
