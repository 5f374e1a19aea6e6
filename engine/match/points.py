"""Equality and membership: one probe of a hash table for all values of all rules.

Long lists that would make the table too large stay sets, probed in turn; equal ones are one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from engine.match.bucket import Bucket, Bucketer, Step
from engine.watchlist import CHARACTERS, Watchlist, plate_of

#: Values in the table from which on a long list stays a set of its own.
MAX_VALUES: Final = 500_000
#: A list of so many values is long: its own probe costs less than its share of the table.
LONG: Final = 1_000
#: The longest watchlists, so many, are asked themselves if they are long.
MAX_PROBES: Final = 16

Values = frozenset[Any]


def points_step(rules: Sequence[tuple[Values, int]], bucket: Bucketer) -> tuple[Step, int]:
    """The look-up of values, and how many there are."""
    groups: dict[Values, list[int]] = {}
    for values, position in rules:
        groups.setdefault(values, []).append(position)
    tabled: list[tuple[Values, list[int]]] = []
    probes: list[tuple[Values, Bucket]] = []
    total = 0
    for values, positions in sorted(groups.items(), key=lambda item: len(item[0])):
        if len(values) < LONG or total + len(values) <= MAX_VALUES:
            tabled.append((values, positions))
        else:
            probes.append((values, bucket(positions)))
        total += len(values)
    return _step(_table(tabled, bucket), tuple(probes)), total


def lists_step(rules: Sequence[tuple[Watchlist, int]], bucket: Bucketer) -> tuple[Step, int]:
    """The look-up of plates among watchlists, and how many plates those have.

    A value is normalised as the lists' plates were.

    Long lists are asked themselves, so that nothing is copied; short ones, and the others of very
    many, share a table.
    """
    groups: dict[Watchlist, list[int]] = {}
    for watchlist, position in rules:
        groups.setdefault(watchlist, []).append(position)
    by_size = sorted(groups.items(), key=lambda item: len(item[0].plates))
    tabled: list[tuple[Collection[Any], list[int]]] = []
    probes: list[tuple[Collection[Any], Bucket]] = []
    total = 0
    for place, (watchlist, positions) in enumerate(by_size):
        plates = watchlist.plates
        total += len(plates)
        is_asked = len(plates) >= LONG and place >= len(by_size) - MAX_PROBES
        if not is_asked and total <= MAX_VALUES:
            tabled.append((plates, positions))
        else:
            probes.append((plates, bucket(positions)))
    return _plates_step(_table(tabled, bucket), tuple(probes)), total


def _plates_step(
    table: Mapping[Any, Bucket], probes: tuple[tuple[Collection[Any], Bucket], ...]
) -> Step:
    # Both have `plate_of` in them, without its call where the producer has normalised.
    get = table.get

    def look_up(value: Any, found: list[Bucket]) -> None:
        if type(value) is str:
            bucket = get(plate_of(value) if value.lstrip(CHARACTERS) else value)
            if bucket is not None:
                found.append(bucket)

    if not probes:
        return look_up

    def look_up_all(value: Any, found: list[Bucket]) -> None:
        if type(value) is str:
            plate = plate_of(value) if value.lstrip(CHARACTERS) else value
            bucket = get(plate)
            if bucket is not None:
                found.append(bucket)
            for plates, bucket in probes:
                if plate in plates:
                    found.append(bucket)

    return look_up_all


def _table(
    groups: Sequence[tuple[Collection[Any], list[int]]], bucket: Bucketer
) -> dict[Any, Bucket]:
    """The bucket of each value; values of one list only share that list's."""
    owners: dict[Any, list[int]] = {}
    shared: dict[Any, list[int]] = {}
    for values, positions in groups:
        for value in values:
            known = owners.setdefault(value, positions)
            if known is not positions:
                shared[value] = [*shared.get(value, known), *positions]
    buckets = {id(positions): bucket(positions) for _, positions in groups}
    table = {value: buckets[id(positions)] for value, positions in owners.items()}
    table.update((value, bucket(positions)) for value, positions in shared.items())
    return table


def _step(table: Mapping[Any, Bucket], probes: tuple[tuple[Collection[Any], Bucket], ...]) -> Step:
    get = table.get

    def look_up(value: Any, found: list[Bucket]) -> None:
        bucket = get(value)
        if bucket is not None:
            found.append(bucket)

    if not probes:
        return look_up

    def look_up_all(value: Any, found: list[Bucket]) -> None:
        look_up(value, found)
        for values, bucket in probes:
            if value in values:
                found.append(bucket)

    return look_up_all
