"""The rows of a list as they are kept in memory: packed columns, and the line of each row."""

from __future__ import annotations

import marshal
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, cast


class RowLines:
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


#: Rows of one block.
BLOCK: Final = 256
_LEVEL: Final = 1
_KEPT_BLOCKS: Final = 8

#: One row: the text of each column as it stands in the file.
Row = tuple[str, ...]


class Rows:
    """The rows by their number; immutable, and safe in several threads."""

    __slots__ = ("_block", "columns")

    def __init__(self, columns: Sequence[str], blocks: Sequence[bytes]) -> None:
        self.columns: Final = tuple(columns)

        @lru_cache(maxsize=_KEPT_BLOCKS)
        def block(number: int) -> list[Row]:
            # Only bytes that were packed here, never a file's.
            return cast("list[Row]", marshal.loads(zlib.decompress(blocks[number])))  # noqa: S302

        self._block = block

    def block(self, number: int) -> list[Row]:
        """The rows of one block: `BLOCK` of them from row `number * BLOCK` on, less at the end."""
        return self._block(number)

    def __getitem__(self, row: int) -> Row:
        if not self.columns:
            return ()
        return tuple(self._block(row // BLOCK)[row % BLOCK])


class RowPacker:
    """Takes rows one after the other, and packs them by the block."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns: Final = tuple(columns)
        self._open: list[Sequence[str]] = []
        self._blocks: Final[list[bytes]] = []
        self.add = self._open.append if self._columns else _ignore

    def close_block(self) -> None:
        """Pack what was added since the last time; to be called after every `BLOCK` rows."""
        self._blocks.append(zlib.compress(marshal.dumps(self._open), _LEVEL))
        self._open.clear()

    def rows(self) -> Rows:
        """All that was added."""
        if self._open:
            self.close_block()
        return Rows(self._columns, self._blocks)


def _ignore(row: Sequence[str]) -> None:
    pass
