"""A list as rules ask it: is this plate on it at that time, and what do its rows say.

Other columns are packed: a million notes as Python texts take 90 MB, packed about 10. Unpacking a
block takes 30 µs.
"""

from __future__ import annotations

import marshal
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, cast

from engine.errors import Fault, Place
from engine.watchlist.date_forms import DateFormat, DateOrder
from engine.watchlist.dates import instant_of, moment_of
from engine.watchlist.plates import plate_of


@dataclass(frozen=True, slots=True)
class FileMark:
    """What tells whether a file is the one that was read: device, inode, size, and its time."""

    device: int
    inode: int
    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class ListSummary:
    """What is known of a list that is not loaded: its file, and how many rows it had."""

    path: Path
    row_count: int


@dataclass(frozen=True, slots=True)
class Validity:
    """From when (inclusive) until when (exclusive) each row counts, in microseconds since 1970.

    None where the file has no such column.
    """

    starts: array[int] | None = None
    ends: array[int] | None = None

    def covers(self, row: int, instant: int) -> bool:
        """Whether the row is in force at that instant."""
        starts, ends = self.starts, self.ends
        return (starts is None or starts[row] <= instant) and (ends is None or instant < ends[row])


@dataclass(frozen=True, slots=True, eq=False)
class Watchlist:
    """One loaded list; it never changes.

    `plates` has every plate, as the producer normalises it, with the number of its row; a number
    below 0 stands for the rows `repeated[-1 - number]`, for a plate may stand in several: in
    `most_rows` at the most. Rows that have nothing but their plate are one. `lines` has the line of
    each.
    `columns` are the names of the columns that `[plate].name` may ask for beyond the standing
    ones. `skipped_count` is how many rows can't be used, `faults` the warnings that tell of them.
    Times without a zone were read in `zone`.
    """

    definition: Definition
    plates: Mapping[str, int] = field(repr=False)
    row_count: int
    skipped_count: int
    columns: tuple[str, ...]
    rows: Rows = field(repr=False)
    validity: Validity | None = field(repr=False)
    repeated: Sequence[tuple[int, ...]] = field(repr=False)
    most_rows: int
    lines: RowLines = field(repr=False)
    mark: FileMark
    zone: tzinfo
    faults: tuple[Fault, ...] = field(repr=False)

    @property
    def name(self) -> str:
        """What rules call it."""
        return self.definition.name

    @property
    def path(self) -> Path:
        """Its file."""
        return self.definition.path

    @property
    def absent_columns(self) -> frozenset[str]:
        """The standing columns that its file lacks: null in every row."""
        validity = self.validity or Validity()
        absent = {
            NOTE: NOTE not in self.rows.columns,
            VALID_FROM: validity.starts is None,
            VALID_UNTIL: validity.ends is None,
        }
        return frozenset(name for name, is_absent in absent.items() if is_absent)

    def is_on(self, plate: str, time: datetime) -> bool:
        """Whether a row of the plate is in force at `time` (aware)."""
        number = self.plates.get(plate_of(plate))
        return number is not None and self._row_at(number, time) is not None

    def row(self, plate: str, time: datetime) -> dict[str, Any] | None:
        """What the plate's row in force at `time` says, the first of them; None if there is none.

        Columns are texts, None where they are empty; `valid_from` and `valid_until` are instants
        in UTC, None where they are open.
        """
        number = self.plates.get(plate_of(plate))
        row = self._row_at(number, time) if number is not None else None
        return self._values(row) if row is not None else None

    def rows_of(self, plate: str, time: datetime) -> list[dict[str, Any]]:
        """What all rows of the plate say that are in force at `time`, in the order of the file."""
        number = self.plates.get(plate_of(plate))
        if number is None:
            return []
        rows = self._numbers(number)
        if self.validity is not None:
            instant = instant_of(time)
            rows = [row for row in rows if self.validity.covers(row, instant)]
        return [self._values(row) for row in rows]

    def _numbers(self, number: int) -> Sequence[int]:
        return (number,) if number >= 0 else self.repeated[-1 - number]

    def _values(self, row: int) -> dict[str, Any]:
        values: dict[str, Any] = dict.fromkeys((NOTE, *self.columns))
        for column, text in zip(self.rows.columns, self.rows[row], strict=True):
            values[column] = text.strip() or None
        validity = self.validity or Validity()
        values[VALID_FROM] = moment_of(validity.starts[row]) if validity.starts else None
        values[VALID_UNTIL] = self._last(validity.ends[row]) if validity.ends else None
        return values

    def _last(self, end: int) -> datetime | None:
        """The end of a period: of one that ends with a day, the day's last instant."""
        moment = moment_of(end)
        if moment is None:
            return None
        local = moment.astimezone(self.zone)
        is_midnight = not (local.hour or local.minute or local.second or local.microsecond)
        return moment - timedelta(microseconds=1) if is_midnight else moment

    def count_in_force(self, time: datetime) -> int:
        """How many plates are on the list at `time`."""
        if self.validity is None:
            return len(self.plates)
        return sum(self._row_at(number, time) is not None for number in self.plates.values())

    def _row_at(self, number: int, time: datetime) -> int | None:
        rows = self._numbers(number)
        if self.validity is None:
            return rows[0]
        instant = instant_of(time)
        for row in rows:
            if self.validity.covers(row, instant):
                return row
        return None


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


DEFAULT_MAX_SHRINK: Final = 0.5
#: Shorter lists may lose all of their rows, unless their definition says otherwise.
GUARDED_ROWS: Final = 100
#: What a definition says in place of a header, so that no column is taken.
NO_COLUMN: Final = "none"
NOTE: Final = "note"
VALID_FROM: Final = "valid_from"
VALID_UNTIL: Final = "valid_until"
#: What every row has, be it null.
STANDING_COLUMNS: Final = (NOTE, VALID_FROM, VALID_UNTIL)


@dataclass(frozen=True, slots=True)
class Definition:
    """One entry of `watchlists:`.

    `column` names the plates' column, `note`, `valid_from` and `valid_until` those that have other
    names in the file; None is a usual name. `dates` says how 01/02/2026 is read, `date_format` how
    dates are written. `max_shrink` is the share of its rows, 0 to 1, that a list may lose from one
    load to the next; None is `DEFAULT_MAX_SHRINK` from `GUARDED_ROWS` rows on. `min_rows` is how
    many it must have. `place` is where the entry stands.
    """

    name: str
    path: Path
    place: Place = field(compare=False)
    column: str | None = None
    note: str | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    dates: DateOrder | None = None
    date_format: DateFormat | None = None
    max_shrink: float | None = field(default=None, compare=False)
    min_rows: int = field(default=0, compare=False)

    def may_shrink(self, row_count: int) -> float:
        """The share of its rows, 0 to 1, that the list may lose now that it has so many."""
        if self.max_shrink is not None:
            return self.max_shrink
        return DEFAULT_MAX_SHRINK if row_count >= GUARDED_ROWS else 1.0
