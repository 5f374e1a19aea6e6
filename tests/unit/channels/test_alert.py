"""What a channel takes and answers."""

from __future__ import annotations

from channels.alert import Priority


def test_most_urgent_priority_ranks_first() -> None:
    assert sorted(Priority, key=lambda priority: priority.rank) == ["high", "medium", "low"]
