from __future__ import annotations

from engine.match.look_up import Bucket
from engine.match.matcher import Index
from engine.match.needs import Anything


def test_few_rules_are_positions() -> None:
    bucket: Bucket = (1, 2)
    assert bucket == (1, 2)


def test_what_no_look_up_finds_needs_no_bucket() -> None:
    assert list(Index([Anything("x")]).candidates({})) == [0]
