"""What rows say beside their plate and their time: packed, since it is asked for in messages only.

A million notes as Python texts take 90 MB, packed about 10; unpacking a block takes 30 µs.
"""

from __future__ import annotations

import marshal
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, cast

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
