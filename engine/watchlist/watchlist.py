"""A loaded watchlist: whether a plate is on it at a time, and the columns of its rows.

Rows are kept in packed columns: a million notes as Python texts take 90 MB, packed about 10. To
unpack a block takes 30 µs.
"""

from __future__ import annotations

import marshal
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import chain, groupby, islice
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from engine.errors import Fault, Place
from engine.watchlist.costs import PlateCosts
from engine.watchlist.date_forms import DateFormat, DateOrder
from engine.watchlist.dates import instant_of, moment_of
from engine.watchlist.near_plates import NearPlate, NearPlates, Thresholds
from engine.watchlist.plates import plate_of
from engine.watchlist.wildcards import WildcardRows

DEFAULT_MAX_SHRINK: Final = 0.5
#: Lists with fewer rows may lose all of them, unless their definition says otherwise.
GUARDED_ROWS: Final = 100
#: In a definition, in place of a column's name: there is no such column.
NO_COLUMN: Final = "none"
NOTE: Final = "note"
VALID_FROM: Final = "valid_from"
VALID_UNTIL: Final = "valid_until"
#: Columns that rules may ask of every list; they are null where the file lacks them.
STANDARD_COLUMNS: Final = (NOTE, VALID_FROM, VALID_UNTIL)

#: Rows of one block.
BLOCK: Final = 256
_COMPRESSION_LEVEL: Final = 1
_KEPT_BLOCKS: Final = 8

Row = tuple[str, ...]
"""One row: the text of each column as it stands in the file."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One entry of `watchlists:` in a rule file, which stands at `place`.

    `column` names the plates' column; `note`, `valid_from` and `valid_until` name columns that have
    other names in the file. None stands for a usual name. `dates` says how 01/02/2026 is read,
    `date_format` how dates are written. `threshold` is the likeness from which on a row counts as
    near, `threshold_column` names a column with one for each row. `max_shrink` is the share of its
    rows, 0 to 1, that a list may lose from one load to the next; None is `DEFAULT_MAX_SHRINK` for
    lists of `GUARDED_ROWS` rows and more. `min_rows` is the number of rows that it must have.
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
    threshold: float | None = None
    threshold_column: str | None = None
    max_shrink: float | None = field(default=None, compare=False)
    min_rows: int = field(default=0, compare=False)

    def may_shrink(self, row_count: int) -> float:
        """The share of its rows, 0 to 1, that a list of `row_count` rows may lose."""
        if self.max_shrink is not None:
            return self.max_shrink
        return DEFAULT_MAX_SHRINK if row_count >= GUARDED_ROWS else 1.0


@dataclass(frozen=True, slots=True)
class FileMark:
    """The state of one file: device, inode, size in bytes, time of change in ns since 1970."""

    device: int
    inode: int
    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class ListSummary:
    """A list that is not in memory: its file, and the number of rows that it had."""

    path: Path
    row_count: int


@dataclass(frozen=True, slots=True)
class Validity:
    """The period of each row, start inclusive and end exclusive, in microseconds since 1970.

    `starts` or `ends` is None where the file has no such column.
    """

    starts: array[int] | None = None
    ends: array[int] | None = None

    def covers(self, row: int, instant: int) -> bool:
        """Whether the row is in force at that instant."""
        starts, ends = self.starts, self.ends
        return (starts is None or starts[row] <= instant) and (ends is None or instant < ends[row])


_OPEN: Final = Validity()


class Near(NamedTuple):
    """A row that a reading is like, in force at its time.

    `plate` is the row's, normalised, `likeness` 0 to 1, and `row` its number. `line` is its line in
    the file, 0 where rows have nothing but a plate.
    """

    plate: str
    likeness: float
    row: int
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Watchlist:
    """One loaded list; it is immutable.

    `plates` maps every normalised plate to the number of its row. A plate in several rows has a
    negative number, and its rows are `repeated[-1 - number]`; no plate has more than `most_rows`.
    Where rows have only a plate, all have the number 0. `lines` has the line of each row.
    `columns` are the columns that `[plate].name` may ask for beside `STANDARD_COLUMNS`.
    `skipped_count` is the number of rows that can't be used, `faults` are the warnings about the
    file. Times without a zone were read in `zone`. `costs` are those of misreadings of its plates,
    by which `near_plates` are found where they reach the `thresholds`. `wildcards` are the plates
    with wildcards, which `plates` has not; None where there are none.
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
    costs: PlateCosts = field(repr=False)
    faults: tuple[Fault, ...] = field(repr=False)
    wildcards: WildcardRows | None = field(repr=False)
    thresholds: Thresholds = field(repr=False)
    near_plates: NearPlates = field(repr=False)

    @property
    def name(self) -> str:
        """The name that rules use."""
        return self.definition.name

    @property
    def path(self) -> Path:
        """Its file."""
        return self.definition.path

    @property
    def plate_count(self) -> int:
        """The number of different plates, with and without wildcards."""
        return len(self.plates) + (len(self.wildcards) if self.wildcards is not None else 0)

    @property
    def absent_columns(self) -> frozenset[str]:
        """The standard columns that its file lacks, which are null in every row."""
        validity = self.validity or Validity()
        absent = {
            NOTE: NOTE not in self.rows.columns,
            VALID_FROM: validity.starts is None,
            VALID_UNTIL: validity.ends is None,
        }
        return frozenset(name for name, is_absent in absent.items() if is_absent)

    def may_be_on(self, plate: str) -> bool:
        """Whether `is_on` is true of a normalised plate at some time."""
        return plate in self.plates or (self.wildcards is not None and plate in self.wildcards)

    def is_on(self, plate: str, time: datetime) -> bool:
        """Whether a row of the plate is in force at `time` (aware)."""
        plate = plate_of(plate)
        number = self.plates.get(plate)
        if number is not None and self._row_at(number, time) is not None:
            return True
        if self.wildcards is None:
            return False
        return any(self._row_at(each, time) is not None for each in self.wildcards.on(plate))

    def row(self, plate: str, time: datetime) -> dict[str, Any] | None:
        """The columns of the plate's first row in force at `time` (aware), by name; None for none.

        A row with wildcards counts where no other is in force. A column is a text, None where it is
        empty. `valid_from` and `valid_until` are instants in UTC, None where the period is open.
        """
        plate = plate_of(plate)
        number = self.plates.get(plate)
        row = self._row_at(number, time) if number is not None else None
        if row is None and self.wildcards is not None:
            row = min(self._wildcard_rows(plate, time), default=None)
        return self._values(row) if row is not None else None

    def rows_of(self, plate: str, time: datetime) -> list[dict[str, Any]]:
        """The columns of all the plate's rows in force at `time`, in the order of the file.

        Those with wildcards come last. There are at most `most_rows`.
        """
        plate = plate_of(plate)
        number = self.plates.get(plate)
        rows = self._in_force(number, time) if number is not None else []
        if self.wildcards is not None:
            rows += sorted(self._wildcard_rows(plate, time))
        return [self._values(row) for row in rows[: self.most_rows]]

    def rows_of_entry(self, plate: str, time: datetime) -> list[dict[str, Any]]:
        """The columns of the rows in force of one of the list's plates, in the order of the file.

        The plate is written as `nearest` gives it, with its wildcards.
        """
        wildcards = self.wildcards.numbers if self.wildcards is not None else {}
        number = wildcards[plate] if plate in wildcards else self.plates[plate]
        return [self._values(row) for row in self._in_force(number, time)]

    def _wildcard_rows(self, plate: str, time: datetime) -> list[int]:
        """The rows with wildcards in force that a normalised plate fits exactly."""
        assert self.wildcards is not None
        return [row for number in self.wildcards.on(plate) for row in self._in_force(number, time)]

    def _in_force(self, number: int, time: datetime) -> list[int]:
        rows = self._numbers(number)
        if self.validity is None:
            return list(rows)
        instant = instant_of(time)
        return [row for row in rows if self.validity.covers(row, instant)]

    def similar(self, plate: str, time: datetime, threshold: float | None = None) -> bool:
        """Whether a row in force at `time` (aware) could be what a camera has read as `plate`.

        `threshold` is the likeness from which on a row counts, `MIN_LIST_THRESHOLD` or more; None
        stands for the row's own.
        """
        plate = plate_of(plate)
        number = self.plates.get(plate)
        if number is not None and self._row_at(number, time) is not None:
            return True
        found = self.near_plates.near(plate, threshold)
        return any(self._near_row(each, time, threshold) is not None for each in found)

    def closest(
        self, plate: str, time: datetime, threshold: float | None = None
    ) -> dict[str, Any] | None:
        """The columns of the row that is nearest to a reading, of those of `similar`.

        Beside those of `row` they are `plate`, the row's as normalised, `likeness`, and
        `is_ambiguous`, which says that another plate is as near; of these the first in the file
        counts, and one with wildcards after the others. None where no row is near enough.
        """
        plate = plate_of(plate)
        number = self.plates.get(plate)
        row = self._row_at(number, time) if number is not None else None
        likeness, is_ambiguous = 1.0, False
        if row is None:
            found = list(islice(self._near(plate, time, threshold), 2))
            if not found:
                return None
            plate, likeness, row, _ = found[0]
            is_ambiguous = len(found) > 1 and found[1].likeness == likeness
        values = self._values(row)
        values.update(plate=plate, likeness=likeness, is_ambiguous=is_ambiguous)
        return values

    def nearest(
        self, plate: str, time: datetime, most: int, threshold: float | None = None
    ) -> list[Near]:
        """At most so many plates of `similar`, the nearest first, then as in the file."""
        return list(islice(self._near(plate_of(plate), time, threshold), most))

    def may_be_similar(self, plate: str, threshold: float | None = None) -> bool:
        """Whether `similar` may be true of a reading at some time; cheap before it is asked."""
        plate = plate_of(plate)
        return plate in self.plates or bool(self.near_plates.near(plate, threshold))

    def prepare_likeness(self) -> None:
        """Builds what `similar` and the like need, which the first of them does otherwise.

        A million plates take about two seconds and 90 MB. Other threads go on meanwhile.
        """
        self.near_plates.prepare()

    def _near(self, plate: str, time: datetime, threshold: float | None) -> Iterator[Near]:
        """The rows of near plates in force, the nearest first, then as in the file."""
        found = self.near_plates.near(plate, threshold)
        for likeness, group in groupby(found, key=attrgetter("likeness")):
            rows = [
                (each.has_wildcards, row, each.plate)
                for each in group
                if (row := self._near_row(each, time, threshold)) is not None
            ]
            rows.sort(key=itemgetter(0, 1))
            for _, row, near in rows:
                yield Near(near, likeness, row, self.lines.line_of(row))

    def _near_row(self, near: NearPlate, time: datetime, threshold: float | None) -> int | None:
        """The first row in force of a near plate that counts with its likeness."""
        if threshold is not None or self.thresholds.of_rows is None:
            return self._row_at(near.number, time)
        rows = self._in_force(near.number, time)
        return next((row for row in rows if self.thresholds.lets(row, near.likeness)), None)

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
        """The end of a period; where it ends with a day, the last microsecond of that day."""
        moment = moment_of(end)
        if moment is None:
            return None
        local = moment.astimezone(self.zone)
        is_midnight = not (local.hour or local.minute or local.second or local.microsecond)
        return moment - timedelta(microseconds=1) if is_midnight else moment

    def count_in_force(self, time: datetime) -> int:
        """The number of plates on the list at `time`, with and without wildcards."""
        if self.validity is None:
            return self.plate_count
        wild = self.wildcards.numbers if self.wildcards is not None else {}
        numbers = chain(self.plates.values(), wild.values())
        return sum(self._row_at(number, time) is not None for number in numbers)

    def _row_at(self, number: int, time: datetime) -> int | None:
        rows = self._numbers(number)
        if self.validity is None:
            return rows[0]
        instant = instant_of(time)
        for row in rows:
            if self.validity.covers(row, instant):
                return row
        return None


def first_difference(watchlist: Watchlist, column: str) -> tuple[int, int] | None:
    """The lines of two rows of one plate that differ in a column and are in force together.

    None where no plate has such rows.
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
        """The line of a row, which is not before the first one added; 0 where none was."""
        if not self._rows:
            return 0
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
        self._blocks.append(zlib.compress(marshal.dumps(self._open), _COMPRESSION_LEVEL))
        self._open.clear()

    def rows(self) -> Rows:
        """All rows that were added."""
        if self._open:
            self.close_block()
        return Rows(self._columns, self._blocks)


def _prints(watchlist: Watchlist, column: str) -> Sequence[int] | None:
    """A number for each row, equal where the column is equal; None where it is equal in all."""
    validity = watchlist.validity or _OPEN
    if column == VALID_FROM:
        return validity.starts
    if column == VALID_UNTIL:
        return validity.ends
    if column not in watchlist.rows.columns:
        return None
    place = watchlist.rows.columns.index(column)
    # Block by block: to unpack a block takes as long as to read a hundred rows of it.
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
    """Two of the rows that differ and whose periods overlap; None where there are none."""
    starts, ends = validity.starts, validity.ends
    if starts is None or ends is None:
        # With one bound open all rows are in force at once: before the first end, or after the
        # last start.
        first = prints[rows[0]]
        return next(((rows[0], row) for row in rows if prints[row] != first), None)
    # `last` is the row that ends last of those that have begun, `other` the one that ends last of
    # those that differ from it.
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


def _ignore(row: Sequence[str]) -> None:
    pass
