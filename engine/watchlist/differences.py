"""Rows of one plate that say different things at the same time: reading the first is a choice."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Final

from engine.watchlist.definition import VALID_FROM, VALID_UNTIL
from engine.watchlist.rows import BLOCK
from engine.watchlist.watchlist import Validity, Watchlist

_OPEN: Final = Validity()


def first_difference(watchlist: Watchlist, column: str) -> tuple[int, int] | None:
    """The lines of two rows of one plate that differ in a column and are in force together.

    None where no plate has such rows. The rows of plates that stand once are not looked at.
    """
    prints = _prints(watchlist, column) if watchlist.repeated else None
    if prints is None:
        return None
    validity = watchlist.validity or _OPEN
    for rows in watchlist.repeated:
        found = _in_conflict(rows, prints, validity)
        if found is not None:
            one, two = sorted(found)
            return watchlist.lines.line_of(one), watchlist.lines.line_of(two)
    return None


def _prints(watchlist: Watchlist, column: str) -> Sequence[int] | None:
    """A number a row, the same for rows that say the same; None where all rows do."""
    validity = watchlist.validity or _OPEN
    if column == VALID_FROM:
        return validity.starts
    if column == VALID_UNTIL:
        return validity.ends
    if column not in watchlist.rows.columns:
        return None
    place = watchlist.rows.columns.index(column)
    # By the block, since unpacking one takes as long as reading a hundred rows of it.
    numbers = sorted({row // BLOCK for rows in watchlist.repeated for row in rows})
    prints = array("q", bytes(8 * BLOCK * (numbers[-1] + 1)))
    for number in numbers:
        cells = [row[place].strip() for row in watchlist.rows.block(number)]
        start = number * BLOCK
        prints[start : start + len(cells)] = array("q", map(hash, cells))
    return prints


def _in_conflict(
    rows: Sequence[int], prints: Sequence[int], validity: Validity
) -> tuple[int, int] | None:
    """Two of the rows that differ and whose periods overlap."""
    starts, ends = validity.starts, validity.ends
    if starts is None or ends is None:
        # All of them are in force before the first ends, or after the last has begun.
        first = prints[rows[0]]
        return next(((rows[0], row) for row in rows if prints[row] != first), None)
    # Of the rows that have begun, the one that ends last; of those that differ from it, the last.
    last: int | None = None
    other: int | None = None
    for row in sorted(rows, key=starts.__getitem__):
        rival = other if last is not None and prints[last] == prints[row] else last
        if rival is not None and starts[row] < ends[rival]:
            return rival, row
        if last is None or ends[row] > ends[last]:
            other = rival if rival == last else other
            last = row
        elif rival == last and (other is None or ends[row] > ends[other]):
            other = row
    return None
