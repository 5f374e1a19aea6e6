"""The edits of a plate with wildcards are those that its likeness comes from."""

from __future__ import annotations

import random

import pytest

from engine.watchlist.costs import standard_costs
from engine.watchlist.likeness import edits_text, likeness_of
from engine.watchlist.wildcards import WildcardRows, literals, wildcard_edits

COSTS = standard_costs()


@pytest.mark.parametrize(
    ("pattern", "reading", "edits"),
    [
        ("AB?12*", "A8X12", "8↔B 20, at 2"),
        ("AB?12*", "ABXI279", "I↔1 10, at 4"),
        ("*78", "ABC7B", "B↔8 20, at 5"),
        ("A*B*C", "AXXBYYC", ""),
        ("A*B*C", "AX8YYC", "8↔B 20, at 3"),
        ("A*B*C", "A88BC", ""),
    ],
)
def test_they_are_told_by_their_places_in_the_reading(
    pattern: str, reading: str, edits: str
) -> None:
    assert edits_text(wildcard_edits(pattern, reading, COSTS)) == edits


def test_their_costs_make_the_likeness() -> None:
    chance = random.Random(5)
    compared = 0
    for _ in range(300):
        pattern = "".join(chance.choices("B813?*", k=6))
        if not literals(pattern) or not {"*", "?"} & {*pattern}:
            continue
        rows = WildcardRows({pattern: 0}, COSTS, lambda number: 0.84)
        reading = "".join(chance.choices("B8138", k=chance.choice((5, 6, 7))))
        for near in rows.near(reading, 0.84):
            compared += 1
            cost = sum(edit.cost for edit in wildcard_edits(pattern, reading, COSTS))
            assert near.likeness == likeness_of(cost, len(literals(pattern)))
    assert compared > 20
