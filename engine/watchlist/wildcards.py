"""Rows of a list with wildcards: `?` is any one character, `*` any run of them, or none.

The literal characters stand where the row has them; a camera may have misread them, as those of
plates. Two that cost `SEVERE` or more are too much together. So a row is looked at closely where no
character costs more than a row's budget, and one does so much at most. To find these rows, each
character of a reading gives whole numbers with a bit for each row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from engine.watchlist.costs import SEVERE, PlateCosts
from engine.watchlist.likeness import MAX_COMPARED, Edit, budget, likeness_of
from engine.watchlist.plates import (
    CHARACTERS,
    DOUBTFUL,
    MAX_LENGTH,
    WILDCARD,
    NoPlateError,
    normalise,
    written_plate,
)

#: Most different rows with wildcards of a list.
MAX_WILDCARDS: Final = 20_000
NO_LITERAL: Final = "the plate is nothing but wildcards: write at least one letter or digit"

_ONE: Final = "?"
_RUN: Final = "*"
_NARROW: Final = str.maketrans("＊？", "*?")
_WILDCARD: Final = re.compile(r"([*?])")
_WILDCARDS: Final = re.compile(r"\?*\*[*?]*")
#: Each stands for all wildcards where a cell is asked whether it holds one plate.
_STAND_INS: Final = ("0", "A")


def has_wildcards(text: str) -> bool:
    """Whether a text holds `?` or `*`, of any width."""
    return _WILDCARD.search(text.translate(_NARROW)) is not None


def wildcard_plate(cell: str) -> str:
    """The normalised plate with wildcards of a list's cell: "ab-?12*" becomes "AB?12*".

    NoPlateError where it is uncertain, has no wildcard, or nothing else.
    """
    parts = _WILDCARD.split(cell.translate(_NARROW))
    reasons: list[NoPlateError] = []
    for stand_in in _STAND_INS:
        # Every second part is a wildcard.
        stood = [stand_in if at % 2 else part for at, part in enumerate(parts)]
        try:
            plate = normalise(written_plate("".join(stood)))
        except NoPlateError as error:
            reasons.append(error)
            continue
        if "".join(map(normalise, stood)).startswith(plate):
            break
        reasons.append(NoPlateError(DOUBTFUL))
    else:
        raise reasons[0]
    whole = "".join(part if at % 2 else normalise(part) for at, part in enumerate(parts))
    text = whole[: len(plate)]
    if not _WILDCARD.search(text):
        raise NoPlateError(WILDCARD)
    if not literals(text):
        raise NoPlateError(NO_LITERAL)
    return _WILDCARDS.sub(lambda run: _ONE * run[0].count(_ONE) + _RUN, text)


def literals(pattern: str) -> str:
    """The characters of a plate with wildcards that are none."""
    return _WILDCARD.sub("", pattern)


def wildcard_edits(pattern: str, reading: str, costs: PlateCosts) -> tuple[Edit, ...]:
    """The cheapest edits of the literals of a plate with wildcards that give a reading.

    The reading is normalised, has all the characters that the plate needs, and each place is
    counted in it.
    """
    # By the place up to which the pattern so far has given the reading: what it costs, and how.
    ways: dict[int, tuple[int, tuple[Edit, ...]]] = {0: (0, ())}
    for one in pattern:
        further: dict[int, tuple[int, tuple[Edit, ...]]] = {}
        if one == _RUN:
            cheapest = None
            for place in range(len(reading) + 1):
                way = ways.get(place)
                if way is not None and (cheapest is None or way[0] < cheapest[0]):
                    cheapest = way
                if cheapest is not None:
                    further[place] = cheapest
        else:
            for place, (cost, edits) in ways.items():
                two = reading[place : place + 1]
                if one in (_ONE, two) and two:
                    further[place + 1] = cost, edits
                elif two:
                    edit = Edit(place + 1, one, two, costs.change(one, two))
                    further[place + 1] = cost + edit.cost, (*edits, edit)
        ways = further
    return ways[len(reading)][1]


class NearWildcard(NamedTuple):
    """A plate with wildcards: how like a reading it is, 0 to 1, and its number."""

    likeness: float
    plate: str
    number: int


_Misfits = dict[str, tuple[int, int]]
"""By the character of a reading: bits of the rows that it is too unlike, and of those very."""


@dataclass(frozen=True, slots=True)
class _Filter:
    """What tells for a threshold which rows a reading may mean.

    `needs` has rows with the characters of which a reading must have one, and those that cost much.
    `can_cost_much` are the rows with a budget for one such character.
    """

    begins: list[_Misfits]
    ends: list[_Misfits]
    needs: list[tuple[int, frozenset[str], frozenset[str]]]
    can_cost_much: int


class WildcardRows:
    """The plates with wildcards of a list; immutable and safe for threads.

    `numbers` gives each its number, as `Watchlist.plates` does. `threshold` gives the likeness from
    which on a number's row counts.
    """

    __slots__ = (
        "_begins",
        "_changes",
        "_ends",
        "_filters",
        "_lengths",
        "_literals",
        "_needs",
        "_segments",
        "_threshold",
        "numbers",
    )

    def __init__(
        self, numbers: Mapping[str, int], costs: PlateCosts, threshold: Callable[[int], float]
    ) -> None:
        self.numbers: Final = numbers
        self._threshold: Final = threshold
        self._changes: Final = {
            one + two: costs.change(one, two) for one in CHARACTERS for two in CHARACTERS
        }
        self._segments: Final = [(plate, plate.split(_RUN)) for plate in numbers]
        self._literals: Final = [len(literals(plate)) for plate in numbers]
        exact, least = _Bits(), _Bits()
        begins, ends, needs = _Bits(), _Bits(), _Bits()
        for row, (plate, (first, *others)) in enumerate(self._segments):
            length = len(plate) - plate.count(_RUN)
            (least if others else exact).add(length, "", row)
            for place, character in enumerate(first):
                begins.add(place, character, row)
            for place, character in enumerate(reversed(others[-1]) if others else ""):
                ends.add(place, character, row)
            for character in "".join(others[:-1]):
                needs.add(0, character, row)
        #: For each length of a reading the rows that it may fit.
        self._lengths: Final = _lengths(exact.numbers(), least.numbers())
        #: Rows by the characters that they have at each place, from the begin and from the end.
        self._begins: Final = begins.numbers()
        self._ends: Final = ends.numbers()
        #: Rows by a character that they have between two runs.
        self._needs: Final = needs.numbers().get(0, {})
        self._filters: Final[dict[float | None, _Filter]] = {}

    def __len__(self) -> int:
        return len(self._segments)

    def __contains__(self, plate: object) -> bool:
        return isinstance(plate, str) and next(self.on(plate), None) is not None

    def on(self, plate: str) -> Iterator[int]:
        """The numbers of those that a normalised plate fits exactly, in the order of the file."""
        for row in self._likely(plate, 1.0):
            text, segments = self._segments[row]
            if self._cost(segments, plate, 0) == 0:
                yield self.numbers[text]

    def near(self, plate: str, threshold: float | None) -> list[NearWildcard]:
        """Those that a camera may have read as a normalised plate; in the order of the file.

        `threshold` stands for their own.
        """
        found: list[NearWildcard] = []
        for row in self._likely(plate, threshold):
            text, segments = self._segments[row]
            most = self._budget(row, threshold) if len(plate) <= MAX_COMPARED else 0
            cost = self._cost(segments, plate, most)
            if cost <= most:
                likeness = likeness_of(cost, self._literals[row])
                found.append(NearWildcard(likeness, text, self.numbers[text]))
        return found

    def _budget(self, row: int, threshold: float | None) -> int:
        own = self._threshold(self.numbers[self._segments[row][0]])
        return budget(own if threshold is None else threshold, self._literals[row])

    def _likely(self, plate: str, threshold: float | None) -> Iterator[int]:
        """The rows that may be meant: none of whose characters costs too much, nor two together."""
        found = self._filters.get(threshold) or self._filter(threshold)
        never = once = twice = 0
        for tables, text in ((found.begins, plate), (found.ends, reversed(plate))):
            for misfits, character in zip(tables, text, strict=False):
                too_much, much = misfits[character]
                never |= too_much
                twice |= once & much
                once |= much
        for rows, near, further in found.needs:
            if near.isdisjoint(plate):
                if further.isdisjoint(plate):
                    never |= rows
                else:
                    twice |= once & rows
                    once |= rows
        left = self._lengths[min(len(plate), len(self._lengths) - 1)]
        left &= ~(never | twice | once & ~found.can_cost_much)
        while left:
            lowest = left & -left
            yield lowest.bit_length() - 1
            left ^= lowest

    def _filter(self, threshold: float | None) -> _Filter:
        """The tables for a threshold, which the first reading makes."""
        budgets = [self._budget(row, threshold) for row in range(len(self))]
        most = max(budgets, default=0)
        can_cost_much = _Bits()
        for row, each in enumerate(budgets):
            if each >= SEVERE:
                can_cost_much.add(0, "", row)
        changes = self._changes
        needs = [
            (
                rows,
                frozenset(two for two in CHARACTERS if changes[one + two] < min(most + 1, SEVERE)),
                frozenset(two for two in CHARACTERS if SEVERE <= changes[one + two] <= most),
            )
            for one, rows in self._needs.items()
            if one != _ONE
        ]
        found = _Filter(
            self._misfits(self._begins, most),
            self._misfits(self._ends, most),
            needs,
            can_cost_much.numbers().get(0, {}).get("", 0),
        )
        self._filters[threshold] = found
        return found

    def _misfits(self, by_place: Mapping[int, Mapping[str, int]], most: int) -> list[_Misfits]:
        """For each place and character the rows whose own costs more than `most`, or much."""
        found: list[_Misfits] = []
        for place in range(max(by_place, default=-1) + 1):
            misfits: _Misfits = {}
            for read in CHARACTERS:
                too_much = much = 0
                for character, rows in by_place.get(place, {}).items():
                    cost = 0 if character == _ONE else self._changes[character + read]
                    if cost > most:
                        too_much |= rows
                    elif cost >= SEVERE:
                        much |= rows
                misfits[read] = too_much, much
            found.append(misfits)
        return found

    def _cost(self, segments: Sequence[str], plate: str, most: int) -> int:
        """The least cost of the plate's characters for the literals, or more than `most`.

        The plate has at least as many characters as the segments.
        """
        first, *others = segments
        cost = self._changed(first, plate[: len(first)])
        if not others:
            return cost
        last = others.pop()
        end = len(plate) - len(last)
        cost += self._changed(last, plate[end:])
        if cost > most or not others:
            return cost
        # The least cost of the segments so far, if they end at each place from `begin` or before.
        begin = len(first)
        costs = [cost] * (end - begin + 1)
        for segment in others:
            size, least = len(segment), most + 1
            ending: list[int] = []
            for place in range(begin, end - size + 1):
                changed = self._changed(segment, plate[place : place + size])
                least = min(least, costs[place - begin] + changed)
                ending.append(least)
            begin, costs = begin + size, ending
        return costs[-1]

    def _changed(self, segment: str, text: str) -> int:
        changes = self._changes
        return sum(
            changes[one + two]
            for one, two in zip(segment, text, strict=True)
            if one != two and one != _ONE
        )


class _Bits:
    """Whole numbers with a bit for each row, by a place and a character."""

    def __init__(self) -> None:
        self._bits: Final[dict[int, dict[str, bytearray]]] = {}

    def add(self, place: int, character: str, row: int) -> None:
        bits = self._bits.setdefault(place, {}).setdefault(character, bytearray())
        byte = row >> 3
        if byte >= len(bits):
            bits.extend(bytes(byte + 1 - len(bits)))
        bits[byte] |= 1 << (row & 7)

    def numbers(self) -> dict[int, dict[str, int]]:
        return {
            place: {each: int.from_bytes(bits, "little") for each, bits in by_character.items()}
            for place, by_character in self._bits.items()
        }


def _lengths(
    exact: Mapping[int, Mapping[str, int]], least: Mapping[int, Mapping[str, int]]
) -> list[int]:
    """For each length the rows that have it, or need no more; the last is for all beyond, too."""
    found, enough = [], 0
    for length in range(MAX_LENGTH + 2):
        enough |= least.get(length, {}).get("", 0)
        found.append(enough | exact.get(length, {}).get("", 0))
    return found
