"""The pairs of plates on one list of which a reading of one may be taken for the other.

Below a cost of 100 at most one edit is severe (`SEVERE`), so two such plates are equal by the
classes of their characters, either whole or with one character left out. Numbers for all these
texts are sorted, and only plates that share one are compared, by numpy: a million plates take about
as long as it takes to read their list, where a million questions would take ten times that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.watchlist.costs import MAX_COST, PlateCosts
from engine.watchlist.likeness import MAX_COMPARED, budget
from engine.watchlist.plates import CHARACTERS

#: Of more candidates only those of a part of the list are compared.
MOST_CANDIDATES: Final = 4_000_000

_Numbers = NDArray[np.int64]
_Codes = NDArray[np.uint8]
_Costs = NDArray[np.int16]
_Keys = NDArray[np.uint64]

#: A key is a hash, the place of the character left out, from 1, or 0 for the whole text, and the
#: number of the plate.
_ID_BITS: Final = 23
_PLACE_BITS: Final = 5
_WHOLE: Final = 0
_PRIME: Final = 0x9E3779B97F4A7C15
_INVERSE: Final = pow(_PRIME, -1, 1 << 64)
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


def find_pairs(plates: Sequence[str], thresholds: Sequence[float], costs: PlateCosts) -> Pairs:
    """The pairs of plates whose likeness reaches the lower one of their thresholds.

    `plates` are normalised and different, at most 2 ** 23; longer ones than `MAX_COMPARED` have no
    pairs. `thresholds` are at least 0.84, one for each plate.
    """
    table = _Table(plates, thresholds, costs)
    keys = table.keys()
    share, candidates = 1.0, _count(keys)
    crowd = _crowd(keys)
    if candidates > MOST_CANDIDATES:
        share = (MOST_CANDIDATES / candidates) ** 0.5
        chosen = np.random.default_rng(len(plates)).random(len(plates)) < share
        keys = keys[chosen[_ids(keys)]]
    found = [table.reaching(*each) for each in _candidates(keys)]
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
        )

    def keys(self) -> _Keys:
        """The sorted keys of all plates: of each text, and of it with one character left out."""
        whole = np.zeros(len(self._codes), np.uint64)
        for place in range(int(self._lengths.max(initial=0))):
            whole += self._term(place)
        is_any = self._lengths > 0
        keys = [_packed(whole[is_any], _WHOLE, np.flatnonzero(is_any))]
        before = np.zeros_like(whole)
        for place in range(int(self._lengths.max(initial=0))):
            ids = np.flatnonzero(self._lengths > place)
            term = self._term(place)
            behind = (whole - before - term) * np.uint64(_INVERSE)
            keys.append(_packed((before + behind)[ids], place + 1, ids))
            before += term
        found = np.concatenate(keys)
        found.sort()
        return found

    def _term(self, place: int) -> _Keys:
        """What the characters at a place add to the hashes of their texts."""
        classes = self._costs.classes[self._codes[:, place]].astype(np.uint64)
        return classes * np.uint64(pow(_PRIME, place, 1 << 64))

    def reaching(
        self, one: _Numbers, two: _Numbers, place: _Numbers
    ) -> tuple[_Numbers, _Numbers, _Costs]:
        """Those of the candidates that reach the threshold, with their costs.

        `place` is that of the character left out in both, 0 where it is not the same in both.
        """
        first, second = np.minimum(one, two), np.maximum(one, two)
        longer = np.maximum(self._lengths[first], self._lengths[second])
        highest = np.maximum(
            self._budgets[self._threshold[first], longer],
            self._budgets[self._threshold[second], longer],
        )
        changed = np.maximum(place - 1, 0)
        old, new = self._codes[first, changed], self._codes[second, changed]
        # Characters of one class left out in both: the whole texts are candidates, too.
        is_severe = self._costs.classes[old] != self._costs.classes[new]
        is_cheap = self._costs.changes[old, new] <= highest
        kept = np.flatnonzero((place == _WHOLE) | (is_severe & is_cheap))
        first, second, highest = first[kept], second[kept], highest[kept]
        cost = np.zeros(len(first), np.int16)
        for start in range(0, len(first), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
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


def _packed(hashes: _Keys, place: int, ids: _Numbers) -> _Keys:
    # The low bits of a sum of powers reach its high bits only here.
    hashes = (hashes ^ (hashes >> np.uint64(32))) * np.uint64(_PRIME)
    hashes ^= hashes >> np.uint64(29)
    hashes *= np.uint64(_PRIME)
    kept = ~np.uint64((1 << (_ID_BITS + _PLACE_BITS)) - 1)
    low = np.uint64(place << _ID_BITS) | ids.astype(np.uint64)
    return (hashes & kept) | low


def _ids(keys: _Keys) -> _Numbers:
    return (keys & np.uint64((1 << _ID_BITS) - 1)).astype(np.int64)


def _places(keys: _Keys) -> _Numbers:
    return ((keys >> np.uint64(_ID_BITS)) & np.uint64((1 << _PLACE_BITS) - 1)).astype(np.int64)


def _hashes(keys: _Keys) -> _Keys:
    return keys >> np.uint64(_ID_BITS + _PLACE_BITS)


def _run_lengths(numbers: _Keys) -> _Numbers:
    """The lengths of the runs of equal numbers."""
    ends = np.flatnonzero(np.append(numbers[1:] != numbers[:-1], True)) + 1
    return np.diff(ends, prepend=0)


def _crowd(keys: _Keys) -> int:
    """How many plates share the key that the most have."""
    if not len(keys):
        return 0
    runs = _run_lengths(_hashes(keys))
    largest = int(runs.argmax())
    start = int(runs[:largest].sum())
    return len(np.unique(_ids(keys[start : start + int(runs[largest])])))


def _count(keys: _Keys) -> int:
    """How many candidates there are among sorted keys."""
    if not len(keys):
        return 0
    same = _run_lengths(keys >> np.uint64(_ID_BITS))
    runs = _run_lengths(_hashes(keys))
    wholes = np.add.reduceat(_places(keys) == _WHOLE, np.cumsum(runs) - runs, dtype=np.int64)
    return int((same * (same - 1) // 2).sum() + (wholes * (runs - wholes)).sum())


def _candidates(keys: _Keys) -> Iterator[tuple[_Numbers, _Numbers, _Numbers]]:
    """The candidates among sorted keys: two plates, and the place left out in both.

    A pair may come more than once. The place is 0 for two whole texts, and for a whole text and one
    without a character.
    """
    texts = keys >> np.uint64(_ID_BITS)
    for at, other in _in_runs(texts, np.flatnonzero(texts[1:] == texts[:-1])):
        yield _ids(keys[at]), _ids(keys[other]), _places(keys[at])
    hashes, is_whole = _hashes(keys), _places(keys) == _WHOLE
    is_start = (hashes[1:] == hashes[:-1]) & is_whole[:-1]
    for at, other in _in_runs(hashes, np.flatnonzero(is_start)):
        is_part = ~is_whole[other]
        one, two = at[is_part], other[is_part]
        yield _ids(keys[one]), _ids(keys[two]), np.zeros(len(one), np.int64)


def _in_runs(numbers: _Keys, starts: _Numbers) -> Iterator[tuple[_Numbers, _Numbers]]:
    """From each start the places behind it with the same number, the next ones first.

    The number behind each start is the same.
    """
    step = 1
    while len(starts):
        yield starts, starts + step
        step += 1
        starts = starts[starts + step < len(numbers)]
        starts = starts[numbers[starts] == numbers[starts + step]]
