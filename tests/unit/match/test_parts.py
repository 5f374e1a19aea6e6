from __future__ import annotations

from engine.match.look_up import parts_step
from tests.unit.match.look_ups import found, plain

STEP = parts_step(
    [(frozenset({"abc"}), 0), (frozenset({"b", "xyz"}), 1), (frozenset({"bc"}), 2)], plain
)


def test_all_parts_of_a_text_are_found_those_inside_others_too() -> None:
    assert found("-abc-", STEP) == [0, 1, 2]
    assert found("xyz", STEP) == [1]
    assert found("", STEP) == []


def test_letters_of_all_planes_are_letters() -> None:
    step = parts_step([(frozenset({"🚗a"}), 0), (frozenset({"\u0130"}), 1)], plain)
    assert found("x🚗a", step) == [0]
    assert found("\u0130\ud800", step) == [1]
