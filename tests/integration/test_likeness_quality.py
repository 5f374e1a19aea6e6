"""Likeness finds misread plates better than simpler ways do, on the set of the benchmark."""

from __future__ import annotations

import pytest

from benchmarks.likeness_quality import LISTED, READINGS, readings, scores


@pytest.mark.slow
def test_likeness_is_ten_points_ahead_of_simpler_ways() -> None:
    listed, read = readings()
    misread = sum(each.is_listed for each in read)
    assert len(listed) == LISTED
    assert 0.2 < misread / (LISTED * READINGS) < 0.34
    found = scores()
    ours = found["likeness ≥ 0.9"]
    others = {name: each.f1 for name, each in found.items() if "likeness" not in name}
    assert len(others) == 3
    for name, f1 in others.items():
        assert ours.f1 >= f1 + 0.10, name
