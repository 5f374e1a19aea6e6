from __future__ import annotations

from pathlib import Path

from engine.bench import MeasuredSet, SetKind


def test_a_set_is_its_kind_and_its_files() -> None:
    mine = MeasuredSet(SetKind.OWN, 3, (Path("rules"),))
    assert mine == MeasuredSet(SetKind("own"), 3, (Path("rules"),))
    assert [str(kind) for kind in SetKind] == ["mixed", "site", "own"]
