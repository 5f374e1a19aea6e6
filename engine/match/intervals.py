"""Ranges of numbers: the rules whose interval holds a value, by a segment tree.

The bounds cut the line into cells, bounds being cells themselves, so that open and closed ends are
exact. An interval lies in at most two nodes of each level; a look-up walks from a cell to the root.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from engine.match.bucket import Bucket, Bucketer, Step
from engine.match.needs import Interval


def intervals_step(rules: Sequence[tuple[Interval, int]], bucket: Bucketer) -> Step:
    """The look-up of a number among intervals; not-a-number is in none but those that say so."""
    ends = {bound for test, _ in rules for bound in (test.low, test.high)}
    bounds = sorted(ends)
    leaves = 2 * len(bounds) + 1
    lists: list[list[int]] = [[] for _ in range(2 * leaves)]
    for test, position in rules:
        if test.low <= test.high:
            low = 2 * bisect_left(bounds, test.low) + 1 + test.is_low_open
            high = 2 * bisect_left(bounds, test.high) + 1 - test.is_high_open
            _insert(lists, low + leaves, high + leaves + 1, position)
    nodes = [bucket(positions) if positions else None for positions in lists]
    odd = [position for test, position in rules if test.with_nan]
    return _step(bounds, nodes, bucket(odd) if odd else None)


def _insert(lists: list[list[int]], low: int, high: int, position: int) -> None:
    """Put a rule into the nodes that cover the leaves from `low` to before `high`."""
    while low < high:
        if low & 1:
            lists[low].append(position)
            low += 1
        if high & 1:
            high -= 1
            lists[high].append(position)
        low >>= 1
        high >>= 1


def _step(bounds: list[float], nodes: list[Bucket | None], odd: Bucket | None) -> Step:
    leaves = len(nodes) // 2

    def look_up(value: Any, found: list[Bucket]) -> None:
        if value != value:
            if odd is not None:
                found.append(odd)
            return
        place = bisect_left(bounds, value)
        is_bound = place < len(bounds) and bounds[place] == value
        node = 2 * place + is_bound + leaves
        while node:
            bucket = nodes[node]
            if bucket is not None:
                found.append(bucket)
            node >>= 1

    return look_up
