"""Which needs of a rule are looked up: those that the fewest events meet, as far as can be guessed.

The guesses rest on the rules alone: a key that is compared with many values is taken to have many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from engine.match.needs import (
    Affixes,
    Anything,
    Atom,
    Every,
    Interval,
    Listed,
    Need,
    Parts,
    Points,
    Present,
    atoms_of,
)
from engine.watchlist import Watchlist

#: A rule is not worth a look-up that most events pass.
MAX_COST: Final = 0.9
_NULL_SHARE: Final = 0.3
_FAILED_SHARE: Final = 0.1
#: How many values a key has for each one that rules name, and how many letters a place may have.
_UNNAMED: Final = 20.0
_LETTERS: Final = 20.0
_PLACES: Final = 8
_HALF_OPEN: Final = 0.4
_CLOSED: Final = 0.2
_PRESENT: Final = 0.7
#: From so many values on a key has many, and nobody counts.
_MAX_NAMED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Cover:
    """Atoms of which every event meets one that the rule's condition isn't false on.

    `cost` is the share of events that do so, with the rule's share in reading the keys.
    """

    cost: float
    atoms: tuple[Atom, ...]


class Selectivity:
    """What the needs of a set of rules tell of their keys."""

    def __init__(self, needs: Iterable[Need]) -> None:
        self._rules: Counter[str] = Counter()
        self._values: dict[str, set[Any]] = {}
        self._lists: set[tuple[str, Watchlist]] = set()
        self._plates: Counter[str] = Counter()
        for need in needs:
            atoms = tuple(atoms_of(need))
            self._rules.update({atom.key.text for atom in atoms})
            for atom in atoms:
                self._count(atom)

    def _count(self, atom: Atom) -> None:
        key, test = atom.key.text, atom.test
        if isinstance(test, Listed) and (key, test.watchlist) not in self._lists:
            self._lists.add((key, test.watchlist))
            self._plates[key] += len(test.watchlist.plates)
        elif isinstance(test, Points):
            named = self._values.setdefault(key, set())
            if len(named) < _MAX_NAMED:
                named.update(islice(test.values, _MAX_NAMED))

    def cover(self, need: Need) -> Cover | Anything:
        """The cheapest cover of a need, or why it has none."""
        match need:
            case Anything():
                return need
            case Atom():
                share = self._share(need)
                cost = share + need.key.weight / self._rules[need.key.text]
                if cost > MAX_COST:
                    return Anything(f"to look up {need.key.text} costs more than the rule")
                return Cover(cost, (need,))
            case Every(needs):
                covers = [self.cover(each) for each in needs]
                found = [cover for cover in covers if isinstance(cover, Cover)]
                return min(found, key=lambda cover: cover.cost) if found else covers[0]
        return self._union([self.cover(each) for each in need.needs])

    def _union(self, covers: list[Cover | Anything]) -> Cover | Anything:
        cost = 0.0
        atoms: list[Atom] = []
        for cover in covers:
            if isinstance(cover, Anything):
                return cover
            cost += cover.cost
            atoms.extend(cover.atoms)
        if cost > MAX_COST:
            return Anything("its alternatives hold on most events")
        return Cover(cost, tuple(atoms))

    def _share(self, atom: Atom) -> float:
        """The share of events that meet an atom."""
        share = self._test_share(atom)
        if atom.or_null:
            share += _NULL_SHARE
        if atom.or_failed:
            share += _FAILED_SHARE
        return min(share, 1.0)

    def _test_share(self, atom: Atom) -> float:
        match atom.test:
            case Points(values):
                if values & {True, False} and all(type(value) is bool for value in values):
                    return len(values) / 2
                return len(values) / (_UNNAMED * max(len(self._values[atom.key.text]), 1))
            case Listed(watchlist):
                return len(watchlist.plates) / (_UNNAMED * max(self._plates[atom.key.text], 1))
            case Interval(low, high):
                is_closed = low != -high and abs(low) < float("inf") > abs(high)
                return _CLOSED if is_closed else _HALF_OPEN
            case Affixes(pairs):
                return sum(_LETTERS ** -len(begin + end) for begin, end in pairs)
            case Parts(texts):
                return sum(_PLACES * _LETTERS ** -len(text) for text in texts)
            case Present():
                return _PRESENT
