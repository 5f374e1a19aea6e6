"""On which line of its file each row stands, kept only where rows do not follow line by line."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Final


class Lines:
    """Takes rows in their order; of most files it keeps no more than where the first row stands."""

    __slots__ = ("_lines", "_rows")

    def __init__(self) -> None:
        self._rows: Final = array("I")
        self._lines: Final = array("I")

    def note(self, row: int, line: int) -> None:
        """The row stands on that line, those behind it on the next ones, until the next note."""
        self._rows.append(row)
        self._lines.append(line)

    def line_of(self, row: int) -> int:
        """The line of a row, at or behind the first that was noted."""
        place = bisect_right(self._rows, row) - 1
        return self._lines[place] + row - self._rows[place]
