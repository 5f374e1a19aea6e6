"""Whatever costs a site writes, as long as the reader takes them: costs and index are exact."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path

import pytest

from engine.watchlist.costs import SEVERE, read_costs
from engine.watchlist.likeness import budget, cost_of
from engine.watchlist.likeness_index import LikenessIndex
from engine.watchlist.plates import CHARACTERS
from tests.support.likeness_oracle import LikenessOracle
from tests.support.plate_costs import costs_file

WORDS = ("end", "double", "inside", "mixed", "other")


def some_table(draw: random.Random, alphabet: str) -> str:
    """A table whose pairs cost anything, and all else what the reader takes."""
    lines = [f"{draw.randint(SEVERE, 100)} {word}" for word in WORDS]
    named = list(combinations(alphabet, 2))
    for one, two in draw.sample(named, draw.randint(0, len(named))):
        lines.append(f"{draw.choice((draw.randint(1, 49), draw.randint(1, 100)))} {one}{two}")
    for _ in range(draw.randint(0, 5)):
        merged = f"{draw.choice(alphabet)}{draw.choice(alphabet)}={draw.choice(alphabet)}"
        if not any(line.endswith(merged) for line in lines):
            lines.append(f"{draw.randint(SEVERE, 100)} {merged}")
    return "\n".join(lines)


def check_table(seed: int, folder: Path) -> int:
    """Costs and index by a table of that number beside the plain reading; returns the hits."""
    draw = random.Random(seed)
    alphabet = "".join(draw.sample(CHARACTERS, draw.randint(3, 8)))
    table = some_table(draw, alphabet)
    costs, oracle = read_costs(costs_file(folder, table)), LikenessOracle(table)

    def text() -> str:
        return "".join(draw.choices(f"{alphabet}{alphabet}Ж", k=draw.randint(1, 8)))

    plates = list(dict.fromkeys(text() for _ in range(40)))
    thresholds = [draw.randint(8_400, 10_000) / 10_000 for _ in plates]
    index = LikenessIndex(plates, thresholds, costs)
    hits = 0
    for reading in (text() for _ in range(10)):
        wanted = {}
        for number, plate in enumerate(plates):
            cost = oracle.cost(plate, reading)
            assert cost_of(reading, plate, costs) == cost
            if cost <= budget(thresholds[number], max(len(plate), len(reading))):
                wanted[number] = cost
        assert {each.number: each.cost for each in index.near(reading)} == wanted, table
        hits += len(wanted)
    return hits


def test_any_costs_are_exact(tmp_path: Path) -> None:
    assert sum(check_table(seed, tmp_path) for seed in range(1)) > 0


@pytest.mark.slow
def test_many_more_costs_are_exact(tmp_path: Path) -> None:
    assert sum(check_table(seed, tmp_path) for seed in range(100, 250)) > 100
