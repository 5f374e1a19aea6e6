"""Begins and ends of texts: one probe for each pair of lengths that occurs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from engine.match.bucket import Bucket, Bucketer, Step

#: Lengths to which begins and ends are cut, so that few pairs of lengths occur.
LENGTHS: Final = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)

Pairs = frozenset[tuple[str, str]]


def affix_steps(rules: Sequence[tuple[Pairs, int]], bucket: Bucketer) -> list[Step]:
    """The look-ups of texts by their begins and ends."""
    tables: dict[tuple[int, int], dict[str, list[int]]] = {}
    for pairs, position in rules:
        for begin, end in pairs:
            lengths = _cut(begin), _cut(end)
            text = begin[: lengths[0]] + end[len(end) - lengths[1] :]
            positions = tables.setdefault(lengths, {}).setdefault(text, [])
            if positions[-1:] != [position]:
                positions.append(position)
    return [
        _step(begin, end, {text: bucket(positions) for text, positions in table.items()})
        for (begin, end), table in tables.items()
    ]


def _cut(text: str) -> int:
    return max(length for length in LENGTHS if length <= len(text))


def _step(begin: int, end: int, table: dict[str, Bucket]) -> Step:
    get = table.get

    def by_begin(value: Any, found: list[Bucket]) -> None:
        bucket = get(value[:begin])
        if bucket is not None:
            found.append(bucket)

    def by_end(value: Any, found: list[Bucket]) -> None:
        bucket = get(value[-end:])
        if bucket is not None:
            found.append(bucket)

    def by_both(value: Any, found: list[Bucket]) -> None:
        bucket = get(value[:begin] + value[-end:])
        if bucket is not None:
            found.append(bucket)

    return by_both if begin and end else by_end if end else by_begin
