"""What one step of a look-up finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.match.look_up import Bucket, Step


def plain(positions: Sequence[int]) -> Bucket:
    """The bucket of few rules."""
    return tuple(positions)


def found(value: Any, *steps: Step) -> list[int]:
    """The positions that a value gives, ascending."""
    buckets: list[Bucket] = []
    for step in steps:
        step(value, buckets)
    return sorted({each for bucket in buckets if isinstance(bucket, tuple) for each in bucket})
