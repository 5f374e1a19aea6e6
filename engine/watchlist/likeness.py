"""Likeness: one number for whether a reading could be a plate that a camera has misread.

It is a weighted edit distance (Wagner and Fischer, 1974) with merges of two characters into one, as
a share of the length. The costs are whole numbers, so that nothing depends on rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import Final, NamedTuple

from engine.watchlist.costs import MAX_COST, NO_CHANGES, PlateCosts
from engine.watchlist.plates import MAX_TEXT, folded, normalise

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
    return "".join(filter(str.isalnum, folded(text)))


def budget(threshold: float, length: int) -> int:
    """The highest cost with which two texts, the longer one of `length`, reach the threshold."""
    return (PLACES - round(threshold * PLACES)) * min(COUNTED_LENGTH, length) * MAX_COST // PLACES


def likeness_of(cost: int, length: int) -> float:
    """The likeness, 0 to 1, that a cost makes of two texts, the longer one of `length`."""
    whole = MAX_COST * min(COUNTED_LENGTH, length)
    return max(0, whole - cost) / whole


def percent(likeness: float) -> str:
    """A likeness for people, `97 %`; only that of the same text is 100 %."""
    return f"{100 if likeness >= 1 else min(99, round(100 * likeness))} %"


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
    # Beyond this cost the likeness is 0.
    limit = MAX_COST * min(COUNTED_LENGTH, longer)
    return likeness_of(cost_of(one, two, costs, limit), longer)


def cost_of(one: str, two: str, costs: PlateCosts, limit: int | None = None) -> int:
    """The least cost of the edits that make one text of the other; both are `comparable`.

    Where it is more than `limit`, any number above that is returned.
    """
    shorter, longer = (one, two) if len(one) <= len(two) else (two, one)
    shifts = len(longer) - len(shorter)
    most = MAX_COST * len(longer) if limit is None else limit
    # The ways with as few shifts as can be need no table. All others have two shifts more.
    if not shifts:
        cost, others = _changed(one, two, costs, most), 2 * costs.least_shift
    elif shifts == 1:
        cost, others = _shifted(shorter, longer, costs), 3 * costs.least_shift
    else:
        cost, others = most + 1, shifts * costs.least_shift
    if cost <= others or most < others:
        return cost
    table = _table(one, two, costs, most)
    return table[-1][-1] if len(table) > len(one) else most + 1


def edits_of(plate: str, reading: str, costs: PlateCosts) -> tuple[Edit, ...]:
    """The edits of `cost_of`, in the order of the plate; none for the same text."""
    table = _table(plate, reading, costs, MAX_COST * (len(plate) + len(reading)))
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


def edits_text(edits: Iterable[Edit]) -> str:
    """The edits for people: `8↔B 20, at 2`, the reading's character first."""
    texts: list[str] = []
    for place, plate, reading, cost in edits:
        what = f"{reading}↔{plate}"
        if not plate or not reading:
            what = f"{reading} added" if reading else f"{plate} left out"
        texts.append(f"{what} {cost}, at {place}")
    return "; ".join(texts)


def _changed(one: str, two: str, costs: PlateCosts, most: int) -> int:
    """The cost of two texts of one length without shifts, or any number above `most`."""
    cost = 0
    for was, is_now in zip(one, two, strict=True):
        if was != is_now:
            cost += costs.change(was, is_now)
            if cost > most:
                break
    return cost


def _shifted(shorter: str, longer: str, costs: PlateCosts) -> int:
    """The least cost of two texts, one a character longer, with a single shift."""
    count = len(shorter)
    # For each place of the shift, the cost of the characters behind it.
    behind = [0] * (count + 1)
    for place in range(count - 1, -1, -1):
        was, is_now = longer[place + 1], shorter[place]
        behind[place] = behind[place + 1] + (costs.change(was, is_now) if was != is_now else 0)
    before, least = 0, MAX_COST * (count + 2)
    for place, was in enumerate(longer):
        if before + behind[place] + costs.least_shift < least:
            least = min(least, before + costs.absence(longer, place) + behind[place])
        if place == count or before + costs.least_shift >= least:
            break
        is_now = shorter[place]
        merges = costs.merges.get(longer[place : place + 2])
        if merges is not None and is_now in merges:
            least = min(least, before + merges[is_now] + behind[place + 1])
        if was != is_now:
            before += costs.change(was, is_now)
    return least


def _table(one: str, two: str, costs: PlateCosts, most: int) -> list[list[int]]:
    """The least cost for each two begins of the texts, up to where all are above `most`."""
    other = costs.other
    absences = [costs.absence(two, column) for column in range(len(two))]
    merges_of_two = [costs.merges.get(two[column - 1 : column + 1]) for column in range(len(two))]
    table = [list(accumulate(absences, initial=0))]
    least_above = 0
    for row, was in enumerate(one):
        above, absence = table[-1], costs.absence(one, row)
        changes = costs.changes.get(was, NO_CHANGES)
        merges = costs.merges.get(one[row - 1 : row + 1])
        least = above[0] + absence
        line = [least]
        for column, is_now in enumerate(two):
            least += absences[column]
            cost = above[column + 1] + absence
            if cost < least:
                least = cost
            cost = above[column]
            if was != is_now:
                cost += changes.get(is_now, other)
            if cost < least:
                least = cost
            if merges is not None and is_now in merges:
                least = min(least, table[row - 1][column] + merges[is_now])
            merges_here = merges_of_two[column]
            if merges_here is not None and was in merges_here:
                least = min(least, above[column - 1] + merges_here[was])
            line.append(least)
        table.append(line)
        # A merge skips a line: two have to be above.
        least_above, least_before = min(line), least_above
        if least_above > most and least_before > most:
            break
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
