"""The pairs that are found all at once are those that each pair by itself would be."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from engine.watchlist import likeness_pairs
from engine.watchlist.costs import standard_costs
from engine.watchlist.likeness import MAX_COMPARED, budget, cost_of
from engine.watchlist.likeness_index import LikenessIndex
from engine.watchlist.likeness_pairs import Pairs, find_pairs

COSTS = standard_costs()
#: Of the characters that are easily confused, with merges, with few others, and all.
ALPHABETS = ("0ODQ1IL", "VW13BI0", "8B5S", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def one_by_one(plates: list[str], thresholds: list[float]) -> dict[tuple[int, int], int]:
    """The cost of each pair that reaches the lower threshold."""
    found = {}
    for one, two in combinations(range(len(plates)), 2):
        longer = max(len(plates[one]), len(plates[two]))
        cost = cost_of(plates[one], plates[two], COSTS)
        lower = min(thresholds[one], thresholds[two])
        if longer <= MAX_COMPARED and cost <= budget(lower, longer):
            found[one, two] = cost
    return found


def pairs_of(plates: list[str], thresholds: list[float]) -> Pairs:
    return find_pairs(LikenessIndex(plates, thresholds, COSTS), plates, thresholds, COSTS)


def all_at_once(plates: list[str], thresholds: list[float]) -> dict[tuple[int, int], int]:
    found = pairs_of(plates, thresholds)
    assert found.share == 1
    assert found.count == len(found.first)
    each = zip(found.first.tolist(), found.second.tolist(), found.cost.tolist(), strict=True)
    return {(one, two): cost for one, two, cost in each}


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_they_are_equal_to_those_of_each_pair_by_itself(alphabet: str) -> None:
    chance = random.Random(alphabet)
    plates = [
        "".join(chance.choices(alphabet, k=chance.choice((1, 2, 6, 6, 7, 16, 17))))
        for _ in range(18)
    ]
    for plate in plates[:16]:
        place = chance.randrange(len(plate))
        behind = plate[place + chance.choice((0, 1)) :]
        plates.append(plate[:place] + chance.choice(alphabet) + behind)
    plates = list(dict.fromkeys(plates))
    thresholds = [chance.choice((0.84, 0.9, 0.95)) for _ in plates]
    expected = one_by_one(plates, thresholds)
    assert len(expected) > 2
    assert all_at_once(plates, thresholds) == expected


def test_a_merge_and_a_character_more_are_pairs() -> None:
    plates = ["VVB123", "WB123", "AB123", "AB1234", "A13456", "AB456"]
    expected = {(0, 1): 50, (2, 3): 50, (4, 5): 50}
    assert all_at_once(plates, [0.9] * len(plates)).items() >= expected.items()


@pytest.mark.parametrize("plates", [[], ["A"], ["ABC123", "XYZ789"], ["A" * 17, "A" * 18]])
def test_lists_without_pairs_have_none(plates: list[str]) -> None:
    assert all_at_once(plates, [0.84] * len(plates)) == {}


def test_of_too_many_candidates_a_part_tells_how_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plates = ["".join(each) for each in _products("0ODQ1IL8B", 3)]
    whole = pairs_of(plates, [0.9] * len(plates))
    monkeypatch.setattr(likeness_pairs, "MOST_CANDIDATES", 2_000)
    part = pairs_of(plates, [0.9] * len(plates))
    assert part.share < 0.5
    assert len(part.first) < whole.count / 4
    assert 0.7 < part.count / whole.count < 1.4


def _products(characters: str, length: int) -> list[str]:
    if not length:
        return [""]
    return [each + sign for each in _products(characters, length - 1) for sign in characters]
