"""The pairs of plates on one list of which a reading of one may be taken for the other.

Such plates share a key of the list's index, and equal keys stand together. Plates are compared by
numpy, many at once. So a million take about as long as it takes to read their list, where a million
questions would take ten times that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.watchlist.costs import MAX_COST, PlateCosts
from engine.watchlist.likeness import MAX_COMPARED, budget
from engine.watchlist.likeness_index import LikenessIndex
from engine.watchlist.plates import CHARACTERS

#: Of more candidates only those of a part of the list are compared.
MOST_CANDIDATES: Final = 10_000_000

_Numbers = NDArray[np.int64]
_Codes = NDArray[np.uint8]
_Costs = NDArray[np.int16]
_Hashes = NDArray[np.uint64]

#: In place of the character left out: none is.
_WHOLE: Final = 0
#: Pairs compared at once: their tables stay in the processor's cache.
_AT_ONCE: Final = 16_384
#: The cost of what is no edit.
_NEVER: Final = 10 * MAX_COST


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of plates by their numbers, `first` below `second`, and the cost of each.

    `share` is the part of the plates that was looked at, 1 for all of them. `crowd` is the largest
    number of plates that one reading may have to be compared with, by one of its keys.
    """

    first: _Numbers = field(repr=False)
    second: _Numbers = field(repr=False)
    cost: _Costs = field(repr=False)
    share: float
    crowd: int

    @property
    def count(self) -> int:
        """How many there are in the whole list; an estimate where `share` is below 1."""
        return round(len(self.first) / self.share**2)


def find_pairs(
    index: LikenessIndex, plates: Sequence[str], thresholds: Sequence[float], costs: PlateCosts
) -> Pairs:
    """The pairs of plates whose likeness reaches the lower one of their thresholds.

    `plates` are normalised and different, `index` is that of them, and `thresholds` are at least
    `MIN_LIST_THRESHOLD`, one for each. Plates that are longer than `MAX_COMPARED` have no pairs.
    """
    hashes, codes, numbers = index.keys()
    crowd = _crowd(hashes, numbers)
    lengths = _run_lengths(hashes)
    share, candidates = 1.0, int((lengths * (lengths - 1) // 2).sum())
    if candidates > MOST_CANDIDATES:
        share = (MOST_CANDIDATES / candidates) ** 0.5
        is_chosen = np.random.default_rng(len(plates)).random(len(plates)) < share
        chosen = is_chosen[numbers]
        hashes, codes, numbers = hashes[chosen], codes[chosen], numbers[chosen]
    table = _Table(plates, thresholds, costs)
    found = []
    for one, two in _in_runs(hashes):
        kept = table.may_reach(codes[one], codes[two])
        found.append(table.reaching(numbers[one[kept]], numbers[two[kept]]))
    none = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int16)
    first, second, cost = map(np.concatenate, zip(none, *found, strict=True))
    _, places = np.unique(first * len(plates) + second, return_index=True)
    return Pairs(first[places], second[places], cost[places], share, crowd)


class _Table:
    """The plates as a table of codes, a row for each; the code 0 stands for no character."""

    def __init__(
        self, plates: Sequence[str], thresholds: Sequence[float], costs: PlateCosts
    ) -> None:
        self._costs: Final = _CostTables(costs)
        texts = [plate if len(plate) <= MAX_COMPARED else "" for plate in plates]
        characters = np.array(texts, f"S{MAX_COMPARED}").view(np.uint8).reshape(-1, MAX_COMPARED)
        self._codes: Final[_Codes] = _codes()[characters]
        self._lengths: Final = np.count_nonzero(self._codes, axis=1)
        different, self._threshold = np.unique(np.asarray(thresholds), return_inverse=True)
        #: The highest costs that reach each threshold, by the length of the longer plate.
        self._budgets: Final = np.array(
            [
                [budget(threshold, length) for length in range(MAX_COMPARED + 1)]
                for threshold in different.tolist()
            ],
            np.int16,
        ).reshape(-1, MAX_COMPARED + 1)
        self._most: Final = int(self._budgets.max(initial=0))

    def may_reach(self, left_out: _Codes, other: _Codes) -> _Numbers:
        """The places of the pairs that may reach a threshold, by the characters left out for a key.

        Where both lack characters of one class, the whole texts share a key, too.
        """
        classes, changes = self._costs.classes, self._costs.changes
        is_change = (classes[left_out] != classes[other]) & (changes[left_out, other] <= self._most)
        return np.flatnonzero(is_change | (left_out == _WHOLE) | (other == _WHOLE))

    def reaching(self, one: _Numbers, two: _Numbers) -> tuple[_Numbers, _Numbers, _Costs]:
        """Those of the pairs that reach their threshold, the lower number first, with costs."""
        is_pair = one != two
        first, second = np.minimum(one, two)[is_pair], np.maximum(one, two)[is_pair]
        longer = np.maximum(self._lengths[first], self._lengths[second])
        highest = np.maximum(
            self._budgets[self._threshold[first], longer],
            self._budgets[self._threshold[second], longer],
        )
        cost = np.zeros(len(first), np.int16)
        # Of one length all characters stand for those opposite: other ways cost too much.
        for column in range(int(longer.max(initial=0))):
            codes = self._codes[:, column]
            cost += self._costs.changes[codes[first], codes[second]]
        others = np.flatnonzero(self._lengths[first] != self._lengths[second])
        for start in range(0, len(others), _AT_ONCE):
            some = others[start : start + _AT_ONCE]
            cost[some] = self._costs_of(first[some], second[some])
        reached = cost <= highest
        return first[reached], second[reached], cost[reached]

    def _costs_of(self, one: _Numbers, two: _Numbers) -> _Costs:
        """The costs of pairs, as `cost_of` gives them."""
        tables, ones, twos = self._costs, self._codes[one].T, self._codes[two].T
        rows, columns = self._lengths[one], self._lengths[two]
        absent_in_one = tables.absences(ones, rows)
        absent_in_two = tables.absences(twos, columns)
        found = np.full(len(one), _NEVER, np.int16)
        least: list[list[_Costs]] = []
        for row in range(int(rows.max(initial=0)) + 1):
            line: list[_Costs] = []
            for column in range(int(columns.max(initial=0)) + 1):
                cell = np.full(len(one), 0 if row == column == 0 else _NEVER, np.int16)
                if row:
                    cell = np.minimum(cell, least[-1][column] + absent_in_one[row - 1])
                if column:
                    cell = np.minimum(cell, line[-1] + absent_in_two[column - 1])
                if row and column:
                    change = tables.changes[ones[row - 1], twos[column - 1]]
                    cell = np.minimum(cell, least[-1][column - 1] + change)
                if row > 1 and column:
                    merge = tables.merges[ones[row - 2], ones[row - 1], twos[column - 1]]
                    cell = np.minimum(cell, least[-2][column - 1] + merge)
                if row and column > 1:
                    merge = tables.merges[twos[column - 2], twos[column - 1], ones[row - 1]]
                    cell = np.minimum(cell, least[-1][column - 2] + merge)
                line.append(cell)
                found = np.where((rows == row) & (columns == column), cell, found)
            least.append(line)
        return found


class _CostTables:
    """The costs as tables that are looked up by codes; `classes` has a code for each code."""

    def __init__(self, costs: PlateCosts) -> None:
        size = len(CHARACTERS) + 1
        code_of = {character: code for code, character in enumerate(CHARACTERS, 1)}
        self.classes: Final[_Codes] = np.arange(size, dtype=np.uint8)
        self.changes: Final[_Costs] = np.full((size, size), _NEVER, np.int16)
        self.merges: Final[_Costs] = np.full((size, size, size), _NEVER, np.int16)
        for one, code in code_of.items():
            self.classes[code] = code_of[costs.classes.get(one, one)]
            for two, other in code_of.items():
                self.changes[code, other] = costs.change(one, two)
        self.changes[0, 0] = 0
        for parts, results in costs.merges.items():
            for result, cost in results.items():
                self.merges[code_of[parts[0]], code_of[parts[1]], code_of[result]] = cost
        self._end: Final = min(costs.end, costs.inside)
        self._double: Final = min(costs.double, costs.inside)
        self._inside: Final = costs.inside

    def absences(self, codes: _Codes, lengths: _Numbers) -> list[_Costs]:
        """For each place the cost of leaving out the character; `codes` has a row for a place."""
        found: list[_Costs] = []
        for place, here in enumerate(codes):
            if place == 0:
                found.append(np.full(len(here), self._end, np.int16))
                continue
            is_double = here == codes[place - 1]
            if place + 1 < len(codes):
                is_double |= here == codes[place + 1]
            inside = np.where(is_double, self._double, self._inside)
            found.append(np.where(lengths == place + 1, self._end, inside).astype(np.int16))
        return found


def _codes() -> _Codes:
    """The code of each ASCII character; 0 for those that no plate has."""
    codes = np.zeros(256, np.uint8)
    for code, character in enumerate(CHARACTERS, 1):
        codes[ord(character)] = code
    return codes


def _run_lengths(hashes: _Hashes) -> _Numbers:
    """The lengths of the runs of equal hashes."""
    if not len(hashes):
        return np.zeros(0, np.int64)
    ends = np.flatnonzero(np.append(hashes[1:] != hashes[:-1], True)) + 1
    return np.diff(ends, prepend=0)


def _crowd(hashes: _Hashes, numbers: _Numbers) -> int:
    """How many plates share the key that the most have."""
    lengths = _run_lengths(hashes)
    if not len(lengths):
        return 0
    largest = int(lengths.argmax())
    start = int(lengths[:largest].sum())
    return len(np.unique(numbers[start : start + int(lengths[largest])]))


def _in_runs(hashes: _Hashes) -> Iterator[tuple[_Numbers, _Numbers]]:
    """The places of all two that are equal among sorted hashes, the nearest first."""
    step = 1
    starts = np.flatnonzero(hashes[1:] == hashes[:-1])
    while len(starts):
        yield starts, starts + step
        step += 1
        starts = starts[starts + step < len(hashes)]
        starts = starts[hashes[starts] == hashes[starts + step]]
