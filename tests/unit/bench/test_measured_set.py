from __future__ import annotations

from pathlib import Path

from engine.bench import MeasuredSet, SetKind


def test_a_set_is_its_kind_and_its_files() -> None:
    mine = MeasuredSet(SetKind.OWN, 3, (Path("rules"),))
    assert mine == MeasuredSet(SetKind("own"), 3, (Path("rules"),))
    assert [str(kind) for kind in SetKind] == ["mixed", "site", "own"]


def test_a_larger_set_needs_more_memory() -> None:
    small, large = (MeasuredSet(SetKind.MIXED, rules, ()) for rules in (10, 100_000))
    assert 90 < small.needed_mb < 200 < 1000 < large.needed_mb < 2000
