"""Likeness: one number for whether a reading could be a plate that a camera has misread.

It is a weighted edit distance (Wagner and Fischer, 1974) with merges of two characters into one, as
a share of the length. The costs are whole numbers, so that nothing depends on rounding.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from engine.watchlist.costs import MAX_COST, PlateCosts
from engine.watchlist.plates import MAX_TEXT, normalise

DEFAULT_THRESHOLD: Final = 0.9
#: Lists are asked with no lower one: two edits outside classes could be within its budget.
MIN_LIST_THRESHOLD: Final = 0.84
#: Longer plates are compared as if they had so many characters, so that a second misread
#: character of a long plate weighs as much as that of a usual one.
COUNTED_LENGTH: Final = 6
#: Longer texts are like the same text only.
MAX_COMPARED: Final = 16
#: Thresholds are read with four places, so that 0.9 of 600 is 540 and not a little less.
PLACES: Final = 10_000


class Edit(NamedTuple):
    """One difference of a reading from a plate, at a `place` of the plate, counted from 1.

    `plate` and `reading` are the characters of each; one of them may be empty.
    """

    place: int
    plate: str
    reading: str
    cost: int


def comparable(text: str) -> str:
    """The text as it is compared: as lists have plates, with other scripts' characters kept."""
    if text.isascii():
        return normalise(text)
    return "".join(
        normalise(character) or (character if character.isalnum() else "")
        for character in text.upper()
    )


def budget(threshold: float, length: int) -> int:
    """The highest cost with which two texts, the longer one of `length`, reach the threshold."""
    return (PLACES - round(threshold * PLACES)) * min(COUNTED_LENGTH, length) * MAX_COST // PLACES


def likeness_of(cost: int, length: int) -> float:
    """The likeness, 0 to 1, that a cost makes of two texts, the longer one of `length`."""
    whole = MAX_COST * min(COUNTED_LENGTH, length)
    return max(0, whole - cost) / whole


def likeness(one: str, two: str, costs: PlateCosts) -> float:
    """How alike two texts are, 0 to 1: 1 for the same text, 0 where either is empty.

    Both are compared as `comparable` gives them.
    """
    if len(one) > MAX_TEXT or len(two) > MAX_TEXT:
        return 0.0
    one, two = comparable(one), comparable(two)
    if not one or not two:
        return 0.0
    if one == two:
        return 1.0
    longer = max(len(one), len(two))
    if longer > MAX_COMPARED:
        return 0.0
    return likeness_of(cost_of(one, two, costs), longer)


def cost_of(one: str, two: str, costs: PlateCosts) -> int:
    """The least cost of the edits that make one text of the other; both are `comparable`."""
    return _costs(one, two, costs)[-1][-1]


def edits_of(plate: str, reading: str, costs: PlateCosts) -> tuple[Edit, ...]:
    """The edits of `cost_of`, in the order of the plate; none for the same text."""
    table = _costs(plate, reading, costs)
    found: list[Edit] = []
    row, column = len(plate), len(reading)
    while row or column:
        cost, rows, columns = next(
            (cost, rows, columns)
            for cost, rows, columns in _steps(plate, reading, row, column, costs)
            if table[row - rows][column - columns] + cost == table[row][column]
        )
        row, column = row - rows, column - columns
        if cost:
            was, is_now = plate[row : row + rows], reading[column : column + columns]
            found.append(Edit(row + 1, was, is_now, cost))
    return tuple(reversed(found))


def _costs(one: str, two: str, costs: PlateCosts) -> list[list[int]]:
    """The least cost for each two begins of the texts."""
    table: list[list[int]] = []
    for row in range(len(one) + 1):
        table.append([])
        for column in range(len(two) + 1):
            ways = [
                table[row - rows][column - columns] + cost
                for cost, rows, columns in _steps(one, two, row, column, costs)
            ]
            table[row].append(min(ways, default=0))
    return table


def _steps(
    one: str, two: str, row: int, column: int, costs: PlateCosts
) -> list[tuple[int, int, int]]:
    """The edits that may come last in two begins: the cost, and the characters taken of each."""
    steps: list[tuple[int, int, int]] = []
    if row and column:
        steps.append((costs.change(one[row - 1], two[column - 1]), 1, 1))
    if row:
        steps.append((costs.absence(one, row - 1), 1, 0))
    if column:
        steps.append((costs.absence(two, column - 1), 0, 1))
    if row > 1 and column:
        merged = costs.merges.get(one[row - 2 : row], {}).get(two[column - 1])
        if merged is not None:
            steps.append((merged, 2, 1))
    if row and column > 1:
        merged = costs.merges.get(two[column - 2 : column], {}).get(one[row - 1])
        if merged is not None:
            steps.append((merged, 1, 2))
    return steps
