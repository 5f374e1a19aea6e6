"""What an event must be like for a rule not to be false: tests of single keys, and their logic.

A need may hold on too many events, never on too few.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from engine.match.keys import Key
from engine.watchlist import Watchlist
from engine.watchlist.costs import PlateCosts


@dataclass(frozen=True, slots=True)
class Points:
    """The key's value is one of these; numbers are equal whatever their kind."""

    values: frozenset[Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """The key's value is a plate of this list, at whatever time."""

    watchlist: Watchlist


@dataclass(frozen=True, slots=True)
class Similar:
    """The key's value is a text that is like one of these plates, so much as its threshold says.

    The plates are `comparable`.
    """

    costs: PlateCosts
    plates: frozenset[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class SimilarListed:
    """The key's value is like a plate of this list, at whatever time.

    `threshold` says how much; None: as much as the list or its row says.
    """

    watchlist: Watchlist
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Interval:
    """The key's value is a number between bounds; `with_nan`: or it is not a number."""

    low: float
    high: float
    is_low_open: bool
    is_high_open: bool
    with_nan: bool = False


@dataclass(frozen=True, slots=True)
class Affixes:
    """The key's value is a text that begins and ends with one of these pairs."""

    pairs: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Parts:
    """The key's value is a text that contains one of these."""

    texts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Present:
    """The key's value is not null."""


Test: TypeAlias = Points | Listed | Similar | SimilarListed | Interval | Affixes | Parts | Present
#: Tests of which two are one only where they are equal.
_SINGLE: Final = (Present, Listed, Similar, SimilarListed)


@dataclass(frozen=True, slots=True)
class Atom:
    """A test of one key; with `or_null` null meets it too, with `or_failed` FAILED.

    A value of a type that the test is not made for meets it.
    """

    key: Key
    test: Test
    or_null: bool = False
    or_failed: bool = False


@dataclass(frozen=True, slots=True)
class Anything:
    """Met by every event; `reason` says why nothing better is known."""

    reason: str


@dataclass(frozen=True, slots=True)
class Every:
    """All of these are met."""

    needs: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """One of these is met; without any it is met by no event."""

    needs: tuple[Need, ...]


Need: TypeAlias = Atom | Anything | Every | Some
#: Most pairs that all begins and all ends are combined to.
MAX_PAIRS: Final = 200
NOTHING: Final = Some(())
#: What is known of an atom in some supposed state of the event; None is nothing.
Supposed = Callable[[Atom], bool | None]


def every(needs: Iterable[Need]) -> Need:
    """The need that all of `needs` are met, simplified."""
    flat: list[Need] = []
    reason: Anything | None = None
    for need in needs:
        if isinstance(need, Anything):
            reason = reason or need
        elif isinstance(need, Every):
            flat.extend(need.needs)
        elif need == NOTHING:
            return NOTHING
        else:
            flat.append(need)
    if not flat:
        return reason or Anything("it asks for nothing")
    merged = _merged(flat, _both)
    if any(_is_never(need) for need in merged):
        return NOTHING
    return _guarded(merged)


def some(needs: Iterable[Need]) -> Need:
    """The need that one of `needs` is met, simplified."""
    flat: list[Need] = []
    for need in needs:
        if isinstance(need, Anything):
            return need
        if isinstance(need, Some):
            flat.extend(need.needs)
        else:
            flat.append(need)
    merged = [need for need in _merged(flat, _either) if not _is_never(need)]
    return merged[0] if len(merged) == 1 else Some(tuple(merged))


def _is_never(need: Need) -> bool:
    if not isinstance(need, Atom) or need.or_null or need.or_failed:
        return False
    match need.test:
        case Points(values):
            return not values
        case Interval(low, high, with_nan=with_nan):
            # What is no number can't be compared, and that is an error.
            return need.key.is_number and low > high and not with_nan
    return False


def _merged(needs: list[Need], merge: Callable[[Atom, Atom], Atom | None]) -> list[Need]:
    """The needs, with atoms of one key merged where that is possible."""
    if len(needs) == 1:
        return needs
    result: list[Need] = []
    places: dict[tuple[str, type], int] = {}
    for need in needs:
        if isinstance(need, Atom):
            place = places.setdefault((need.key.text, type(need.test)), len(result))
            if place < len(result):
                one = result[place]
                assert isinstance(one, Atom)
                both = merge(one, need)
                if both is not None:
                    result[place] = both
                    continue
        result.append(need)
    return result


def _both(one: Atom, two: Atom) -> Atom | None:
    test: Test
    match one.test, two.test:
        case Points(values), Points(others):
            test = Points(values & others)
        case Interval(), Interval():
            test = _overlap(one.test, two.test)
        case Affixes(pairs), Affixes(others):
            if not _can_pair(pairs, others):
                return None
            test = Affixes(frozenset((a, b) for a, _ in pairs for _, b in others))
        case _ if isinstance(one.test, _SINGLE) and one.test == two.test:
            test = one.test
        case _:
            return None
    return Atom(one.key, test, one.or_null and two.or_null, one.or_failed and two.or_failed)


def _can_pair(pairs: frozenset[tuple[str, str]], others: frozenset[tuple[str, str]]) -> bool:
    return (
        len(pairs) * len(others) <= MAX_PAIRS
        and not any(end for _, end in pairs)
        and not any(begin for begin, _ in others)
    )


def _either(one: Atom, two: Atom) -> Atom | None:
    test: Test
    match one.test, two.test:
        case Points(values), Points(others):
            test = Points(values | others)
        case Affixes(pairs), Affixes(others):
            test = Affixes(pairs | others)
        case Parts(texts), Parts(others):
            test = Parts(texts | others)
        case Similar(costs, plates), Similar(others_costs, others) if costs is others_costs:
            test = Similar(costs, plates | others)
        case _ if isinstance(one.test, _SINGLE) and one.test == two.test:
            test = one.test
        case _:
            return None
    return Atom(one.key, test, one.or_null or two.or_null, one.or_failed or two.or_failed)


def _overlap(one: Interval, two: Interval) -> Interval:
    low, is_low_open = max((one.low, one.is_low_open), (two.low, two.is_low_open))
    high, is_high_closed = min((one.high, not one.is_high_open), (two.high, not two.is_high_open))
    with_nan = one.with_nan and two.with_nan
    is_empty = low > high or (low == high and (is_low_open or not is_high_closed))
    if is_empty:
        return Interval(math.inf, -math.inf, True, True, with_nan)
    return Interval(low, high, is_low_open, not is_high_closed, with_nan)


def _guarded(needs: list[Need]) -> Need:
    """All of `needs`, without the nulls and failures that another of them rules out."""
    if len(needs) == 1:
        return needs[0]
    for path in _keys(needs, lambda atom: atom.key.path if atom.or_null else ""):
        if _contradicts(needs, _with_null(path)):
            needs = [_changed(need, _not_null(path)) for need in needs]
    for text in _keys(needs, lambda atom: atom.key.number_of if atom.or_failed else ""):
        if _contradicts(needs, _without_number(text)):
            needs = [_changed(need, _not_failed(text)) for need in needs]
    return NOTHING if any(map(_is_never, needs)) else Every(tuple(needs))


def _keys(needs: list[Need], choose: Callable[[Atom], str]) -> list[str]:
    return sorted({choose(atom) for need in needs for atom in atoms_of(need)} - {""})


def _contradicts(needs: list[Need], supposed: Supposed) -> bool:
    return any(is_met(need, supposed) is False for need in needs)


def is_met(need: Need, supposed: Supposed) -> bool | None:
    """Whether the need is met in a supposed state of the event; None: it may be."""
    match need:
        case Atom():
            return supposed(need)
        case Anything():
            return True
        case Every(needs):
            answers = [is_met(each, supposed) for each in needs]
            return False if False in answers else None if None in answers else True
        case Some(needs):
            answers = [is_met(each, supposed) for each in needs]
            return True if True in answers else None if None in answers else False


def _with_null(path: str) -> Supposed:
    return lambda atom: atom.or_null if atom.key.path == path else None


def _without_number(text: str) -> Supposed:
    def supposed(atom: Atom) -> bool | None:
        if atom.key.is_number_of == text and isinstance(atom.test, Points):
            return False in atom.test.values
        return None

    return supposed


def _not_null(path: str) -> Callable[[Atom], Atom]:
    return lambda atom: replace(atom, or_null=False) if atom.key.path == path else atom


def _not_failed(text: str) -> Callable[[Atom], Atom]:
    return lambda atom: replace(atom, or_failed=False) if atom.key.number_of == text else atom


def _changed(need: Need, change: Callable[[Atom], Atom]) -> Need:
    match need:
        case Atom():
            return change(need)
        case Every(needs):
            return Every(tuple(_changed(each, change) for each in needs))
        case Some(needs):
            return Some(tuple(_changed(each, change) for each in needs))
    return need


def atoms_of(need: Need) -> Iterable[Atom]:
    """Every atom in a need."""
    match need:
        case Atom():
            yield need
        case Every(needs) | Some(needs):
            for each in needs:
                yield from atoms_of(each)
