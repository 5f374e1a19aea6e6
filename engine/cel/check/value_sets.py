"""Sets of values, as the conditions on one part allow them: `x > 3` allows all numbers above 3.

The values of a kind are ordered. A set is kept as the places (`Cut`) in that order at which
membership changes, so that intersections and unions are merges of sorted places.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.cel.values.values import Duration, Timestamp, UInt


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A set of values of one kind.

    `kind` is one of "number", "text", "bool", "instant" and "span", or "" for a set of any values.
    `begins` says whether the least values are in the set; at each of the `cuts`, which ascend,
    membership changes. `has_null` and `has_nan` say whether null and the double NaN are in it.
    """

    kind: str = ""
    begins: bool = False
    cuts: tuple[Cut, ...] = ()
    has_null: bool = False
    has_nan: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no value is in the set."""
        return not (self.begins or self.cuts or self.has_null or self.has_nan)


#: A place in the order: directly before (0) or behind (1) a value.
Cut = tuple[Any, int]

#: The kinds of values; values of one kind have an order.
_ORDERED: Final[dict[type, str]] = {
    int: "number",
    UInt: "number",
    float: "number",
    str: "text",
    bool: "bool",
    Timestamp: "instant",
    Duration: "span",
}
_LAST_SIGN: Final = 0x10FFFF

#: All values but null.
NOT_NULL: Final = ValueSet(begins=True, has_nan=True)
#: Null alone.
ONLY_NULL: Final = ValueSet(has_null=True)


def common_kind(values: Iterable[Any]) -> str | None:
    """The one kind of all these values; None where they have none in common, or no order."""
    kinds = {_ORDERED.get(type(value)) for value in values}
    if len(kinds) != 1 or any(type(value) is float and math.isnan(value) for value in values):
        return None
    return kinds.pop()


def points(kind: str, values: Iterable[Any], *, is_whole: bool) -> tuple[Cut, ...]:
    """The cuts around single values; of those `is_whole` says that all values are whole numbers."""
    cuts: list[Cut] = []
    for value in sorted(set(values)):
        before, behind = cut(value, 0, is_whole=is_whole), cut(value, 1, is_whole=is_whole)
        if cuts and cuts[-1] == before:
            cuts[-1] = behind
        elif before != behind:
            cuts += (before, behind)
    return tuple(cuts)


def cut(value: Any, side: int, *, is_whole: bool) -> Cut:
    """The place before (0) or behind (1) a value; among whole numbers there is one a gap."""
    if not is_whole or (type(value) is float and math.isinf(value)):
        return value, side
    return (math.floor(value) + 1 if side else math.ceil(value)), 0


def prefixed(text: str) -> tuple[Cut, ...]:
    """The cuts around all texts with this prefix, which is not empty."""
    head = text.rstrip(chr(_LAST_SIGN))
    if not head:
        return ((text, 0),)
    return (text, 0), (head[:-1] + chr(ord(head[-1]) + 1), 0)


def intersection(sets: Sequence[ValueSet]) -> ValueSet | None:
    """The values that are in all the sets; None where these are of several kinds."""
    return _combined(sets, len(sets))


def union(sets: Sequence[ValueSet]) -> ValueSet | None:
    """The values that are in at least one of the sets; None where these are of several kinds."""
    return _combined(sets, 1)


def _combined(sets: Sequence[ValueSet], least: int) -> ValueSet | None:
    kinds = {each.kind for each in sets if each.kind}
    if len(kinds) > 1:
        return None
    return ValueSet(
        next(iter(kinds), ""),
        sum(each.begins for each in sets) >= least,
        tuple(_changes(sets, least)),
        sum(each.has_null for each in sets) >= least,
        sum(each.has_nan for each in sets) >= least,
    )


def _changes(sets: Sequence[ValueSet], least: int) -> Iterator[Cut]:
    """The cuts of the set of values that are in at least `least` of the sets."""
    steps: dict[Cut, int] = {}
    for each in sets:
        step = -1 if each.begins else 1
        for place in each.cuts:
            steps[place] = steps.get(place, 0) + step
            step = -step
    count = sum(each.begins for each in sets)
    for place in sorted(steps):
        was, count = count >= least, count + steps[place]
        if was != (count >= least):
            yield place
