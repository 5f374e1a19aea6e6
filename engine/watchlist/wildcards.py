"""Rows of a list with wildcards: `?` is any one character, `*` any run of them, or none.

The literal characters stand where the row has them; a camera may have misread them, as those of
plates. As two characters read as ones outside their classes cost too much, a row is looked at
closely where one does so at most. To find these rows, each character of a reading gives one whole
number with a bit for each row that it does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from engine.watchlist.costs import SEVERE, PlateCosts
from engine.watchlist.likeness import MAX_COMPARED, budget, likeness_of
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


class NearWildcard(NamedTuple):
    """A plate with wildcards: how like a reading it is, 0 to 1, and its number."""

    likeness: float
    plate: str
    number: int


class WildcardRows:
    """The plates with wildcards of a list; immutable.

    `numbers` gives each its number, as `Watchlist.plates` does. `threshold` gives the likeness from
    which on a number's row counts.
    """

    __slots__ = (
        "_begins",
        "_changes",
        "_costs",
        "_ends",
        "_exact_lengths",
        "_least_lengths",
        "_literals",
        "_most_literals",
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
        self._costs: Final = costs
        self._changes: Final = {
            one + two: costs.change(one, two) for one in CHARACTERS for two in CHARACTERS
        }
        self._segments: Final = [(plate, plate.split(_RUN)) for plate in numbers]
        self._literals: Final = [len(literals(plate)) for plate in numbers]
        self._most_literals: Final = max(self._literals, default=0)
        exact, least = _Bits(), _Bits()
        begins, ends, needs = _Bits(), _Bits(), _Bits()
        for number, (plate, (first, *others)) in enumerate(self._segments):
            length = len(plate) - plate.count(_RUN)
            (least if others else exact).add(length, "", number)
            for place, character in enumerate(first):
                begins.add(place, character, number)
            for place, character in enumerate(reversed(others[-1]) if others else ""):
                ends.add(place, character, number)
            for character in "".join(others[:-1]):
                needs.add(0, costs.classes.get(character, character), number)
        self._exact_lengths: Final = {length: bits[""] for length, bits in exact.numbers().items()}
        self._least_lengths: Final = _running(
            {length: bits[""] for length, bits in least.numbers().items()}
        )
        self._begins: Final = _misfits(begins.numbers(), costs)
        self._ends: Final = _misfits(ends.numbers(), costs)
        #: Rows by a class of characters that they have between two runs.
        self._needs: Final = {
            each: bits for each, bits in needs.numbers().get(0, {}).items() if each != _ONE
        }

    def __len__(self) -> int:
        return len(self._segments)

    def __contains__(self, plate: object) -> bool:
        return isinstance(plate, str) and next(self.on(plate), None) is not None

    def on(self, plate: str) -> Iterator[int]:
        """The numbers of those that a normalised plate fits exactly, in the order of the file."""
        for row in self._likely(plate, can_misread=False):
            text, segments = self._segments[row]
            if self._cost(segments, plate, 0) == 0:
                yield self.numbers[text]

    def near(self, plate: str, threshold: float | None) -> list[NearWildcard]:
        """Those that a camera may have read as a normalised plate; in the order of the file.

        `threshold` stands for their own.
        """
        found: list[NearWildcard] = []
        lowest = self._threshold
        can_misread = True
        if threshold is not None:
            can_misread = budget(threshold, self._most_literals) >= SEVERE
        for row in self._likely(plate, can_misread=can_misread):
            text, segments = self._segments[row]
            number, count = self.numbers[text], self._literals[row]
            most = budget(lowest(number) if threshold is None else threshold, count)
            if len(plate) > MAX_COMPARED:
                most = 0
            cost = self._cost(segments, plate, most)
            if cost <= most:
                found.append(NearWildcard(likeness_of(cost, count), text, number))
        return found

    def _likely(self, plate: str, *, can_misread: bool) -> Iterator[int]:
        """The rows that may be meant; at most one character may be of another class."""
        length = len(plate)
        rows = self._exact_lengths.get(length, 0)
        rows |= self._least_lengths[min(length, len(self._least_lengths) - 1)]
        once = twice = 0
        for tables, text in ((self._begins, plate), (self._ends, reversed(plate))):
            for misfits, character in zip(tables, text, strict=False):
                bits = misfits[character]
                twice |= once & bits
                once |= bits
        if self._needs:
            classes = self._costs.classes
            there = {classes.get(character, character) for character in plate}
            for each, bits in self._needs.items():
                if each not in there:
                    twice |= once & bits
                    once |= bits
        rows &= ~(twice if can_misread else once)
        while rows:
            lowest = rows & -rows
            yield lowest.bit_length() - 1
            rows ^= lowest

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


def _running(by_length: Mapping[int, int]) -> list[int]:
    """For each length the rows that need no more."""
    found, rows = [], 0
    for length in range(MAX_LENGTH + 1):
        rows |= by_length.get(length, 0)
        found.append(rows)
    return found


def _misfits(by_place: Mapping[int, Mapping[str, int]], costs: PlateCosts) -> list[dict[str, int]]:
    """For each place and character the rows that have there a character of another class."""
    found: list[dict[str, int]] = []
    for place in range(max(by_place, default=-1) + 1):
        by_class: dict[str, int] = {}
        for character, rows in by_place.get(place, {}).items():
            if character != _ONE:
                one = costs.classes.get(character, character)
                by_class[one] = by_class.get(one, 0) | rows
        all_rows = 0
        for rows in by_class.values():
            all_rows |= rows
        found.append(
            {each: all_rows ^ by_class.get(costs.classes.get(each, each), 0) for each in CHARACTERS}
        )
    return found
