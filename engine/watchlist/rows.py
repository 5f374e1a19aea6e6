"""The rows of a list as they are kept in memory: packed columns, and the line of each row.

A million notes as Python texts take 90 MB, packed about 10. To unpack a block takes 30 µs.
"""

from __future__ import annotations

import marshal
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, cast

#: Rows of one block.
BLOCK: Final = 256
_LEVEL: Final = 1
_KEPT_BLOCKS: Final = 8

Row = tuple[str, ...]
"""One row: the text of each column as it stands in the file."""


class RowLines:
    """The line of each row. Only rows that don't follow the line before take memory."""

    __slots__ = ("_lines", "_rows")

    def __init__(self) -> None:
        self._rows: Final = array("I")
        self._lines: Final = array("I")

    def add(self, row: int, line: int) -> None:
        """Says that the row is on that line, and the next rows on the next lines.

        Rows are added in ascending order.
        """
        self._rows.append(row)
        self._lines.append(line)

    def line_of(self, row: int) -> int:
        """The line of a row, which is not before the first one added."""
        place = bisect_right(self._rows, row) - 1
        return self._lines[place] + row - self._rows[place]


class Rows:
    """The rows by their number, from 0; immutable and safe for threads."""

    __slots__ = ("_block", "columns")

    def __init__(self, columns: Sequence[str], blocks: Sequence[bytes]) -> None:
        self.columns: Final = tuple(columns)

        @lru_cache(maxsize=_KEPT_BLOCKS)
        def block(number: int) -> list[Row]:
            # These bytes were packed by RowPacker; they never come from a file.
            return cast("list[Row]", marshal.loads(zlib.decompress(blocks[number])))  # noqa: S302

        self._block = block

    def block(self, number: int) -> list[Row]:
        """The rows of one block: `BLOCK` rows from row `number * BLOCK` on, the last has fewer."""
        return self._block(number)

    def __getitem__(self, row: int) -> Row:
        if not self.columns:
            return ()
        return tuple(self._block(row // BLOCK)[row % BLOCK])


class RowPacker:
    """Packs rows that are added one by one; rows without columns are dropped."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns: Final = tuple(columns)
        self._open: list[Sequence[str]] = []
        self._blocks: Final[list[bytes]] = []
        self.add = self._open.append if self._columns else _ignore

    def close_block(self) -> None:
        """Packs the rows of one block; the caller calls it after every `BLOCK` rows."""
        self._blocks.append(zlib.compress(marshal.dumps(self._open), _LEVEL))
        self._open.clear()

    def rows(self) -> Rows:
        """All rows that were added."""
        if self._open:
            self.close_block()
        return Rows(self._columns, self._blocks)


def _ignore(row: Sequence[str]) -> None:
    pass
