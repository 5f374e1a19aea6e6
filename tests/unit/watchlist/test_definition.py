"""When two definitions mean the same list."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.errors import Place
from tests.unit.watchlist.list_files import definition


def test_a_definition_is_the_same_wherever_it_stands_and_whatever_it_may_lose() -> None:
    one = definition(Path("list.csv"))
    assert one == replace(one, place=Place("other.yaml", 9, 9), max_shrink=0.9)
    assert one != replace(one, column="x")
    assert one != replace(one, path=Path("other.csv"))
