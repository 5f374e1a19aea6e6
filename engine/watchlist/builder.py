"""The rows of a list as they are read: plates, periods, other columns, and what is wrong."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum
from typing import Final

from engine.errors import Fault, Place, Severity
from engine.watchlist.dates import DateReader
from engine.watchlist.plate_cell import BAD_LETTER, NoPlateError, written_plate
from engine.watchlist.plates import has_look_alikes, has_other_letters, normalise
from engine.watchlist.watchlist import (
    BLOCK,
    NOTE,
    VALID_FROM,
    VALID_UNTIL,
    Definition,
    FileMark,
    RowLines,
    RowPacker,
    Validity,
    Watchlist,
)

#: Rows of a list that are told one by one; the others are counted.
MAX_REPORTED: Final = 20
MAX_ROWS: Final = 5_000_000
_LEFT_OUT: Final = "this row is left out: "
#: Rows of one plate.
MAX_REPEATED: Final = 1_000

#: From when until when, in microseconds since 1970.
Period = tuple[int, int]


class ListFaultCode(StrEnum):
    """The stable kinds of faults in list files."""

    UNREADABLE = "unreadable"
    TOO_LARGE = "too-large"
    NOT_UTF8 = "not-utf8"
    SUFFIX = "watchlist-suffix"
    HEADER = "watchlist-header"
    EMPTY = "watchlist-empty"
    ROW = "watchlist-row"
    ROWS = "watchlist-rows"
    LETTERS = "watchlist-letters"
    LOOKS = "watchlist-looks"
    COLUMN = "watchlist-column"
    DATES = "watchlist-dates"


class ListError(Exception):
    """The list can't be used; `line` is the line to blame, 0 for none."""

    def __init__(self, code: ListFaultCode, what: str, remedy: str, line: int = 0) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.remedy = remedy
        self.line = line


@dataclass(slots=True)
class LineCount:
    """Rows of one kind: how many, and the line of the first."""

    count: int = 0
    line: int = 0

    def add(self, line: int) -> None:
        self.count += 1
        self.line = self.line or line


class WatchlistBuilder:
    """Takes the rows of one file, then makes the list."""

    def __init__(self, definition: Definition, zone: tzinfo) -> None:
        self.definition: Final = definition
        self.plates: Final[dict[str, int]] = {}
        self.row_count = 0
        self.has_periods = False
        self._zone: Final = zone
        #: Gives all cells with dates, of a list whose rows leave it open how to read one.
        self.date_cells: Callable[[], Iterable[str]] = tuple
        self._calendar: Final = DateReader(
            zone, definition.dates, definition.date_format, lambda: self.date_cells()
        )
        self.is_date: Final = self._calendar.is_date
        self.starts: array[int] | None = None
        self.ends: array[int] | None = None
        self.lines: Final = RowLines()
        self._repeated: Final[list[list[int]]] = []
        self.packer = RowPacker(())
        self._faults: Final[list[Fault]] = []
        self._skipped = 0
        self._beyond = 0
        self._lettered = LineCount()
        self._looked = LineCount()

    def expect(self, kept: Sequence[str], *, has_start: bool, has_end: bool) -> None:
        """Say what the rows will have beside the plate."""
        self.packer = RowPacker(kept)
        self.starts = array("q") if has_start else None
        self.ends = array("q") if has_end else None
        self.has_periods = has_start or has_end

    def skip(self, line: int, what: str) -> None:
        """Tell of a row that can't be used."""
        self._skipped += 1
        if self._skipped <= MAX_REPORTED:
            place = Place(str(self.definition.path), line)
            what = f"{_LEFT_OUT}{what}"
            self._faults.append(Fault(place, ListFaultCode.ROW, what, "", Severity.WARNING))

    def want_none_skipped(self, what: str) -> None:
        """ListError, for this reason and that of the row, where one was left out."""
        if self._faults:
            first = self._faults[0]
            reason = first.what.removeprefix(_LEFT_OUT)
            raise ListError(ListFaultCode.HEADER, what, reason, first.place.line)

    def doubt(self, code: ListFaultCode, what: str, remedy: str, line: int = 0) -> None:
        """Tell of what is odd about the list as a whole."""
        place = Place(str(self.definition.path), line) if line else self.definition.place
        what = f"the watchlist {self.definition.name}: {what}"
        self._faults.append(Fault(place, code, what, remedy, Severity.WARNING))

    def note_guessed(self, count: int, first_line: int) -> None:
        """Report that so many lines, this the first of them, were read as cp1252."""
        if count:
            lines = "1 line is" if count == 1 else f"{count:,} lines are"
            what = f"{lines} not UTF-8, read as Windows writes text in Western Europe (cp1252)"
            self.doubt(ListFaultCode.NOT_UTF8, what, "save the file as CSV UTF-8", first_line)

    def plate(self, line: int, text: str, *, is_guessed: bool = False) -> str:
        """The plate that a cell holds; "" where it holds none, which is told.

        `is_guessed` says that letters beyond ASCII may be others: a plate with such has none.
        """
        try:
            written = written_plate(text)
        except NoPlateError as error:
            self.skip(line, str(error))
            return ""
        if is_guessed and has_other_letters(written):
            self.skip(line, BAD_LETTER)
            return ""
        if not written.isascii():
            if has_other_letters(written):
                self._lettered.add(line)
            if has_look_alikes(written):
                self._looked.add(line)
        return normalise(written)

    def period(self, line: int, start: str, end: str) -> Period | None:
        """The period of two cells; None where they give none, which is told."""
        try:
            begin = self._instant(start, is_end=False)
            finish = self._instant(end, is_end=True)
        except ValueError as error:
            self.skip(line, str(error))
            return None
        if finish <= begin:
            self.skip(line, "valid_until is before valid_from")
            return None
        return begin, finish

    def _instant(self, text: str, *, is_end: bool) -> int:
        try:
            return self._calendar.end(text) if is_end else self._calendar.start(text)
        except ValueError as error:
            column = "valid_until" if is_end else "valid_from"
            raise ValueError(f"{column} {error}") from None

    def repeat(self, line: int, plate: str, row: int) -> None:
        """Note that the plate, which is on the list, stands in this row too."""
        first = self.plates[plate]
        if first >= 0:
            self._repeated.append([first, row])
            self.plates[plate] = -len(self._repeated)
        elif len(self._repeated[-1 - first]) < MAX_REPEATED:
            self._repeated[-1 - first].append(row)
        else:
            self._beyond += 1
            self.skip(line, f"its plate stands in {MAX_REPEATED:,} rows before it")

    def watchlist(self, mark: FileMark) -> Watchlist:
        """The list of all rows; ListError where most of a long list is bad, or all of any."""
        if not self.plates and self._skipped:
            raise self._uselessness()
        self.row_count -= self._beyond
        if self._skipped > max(MAX_REPORTED, self.row_count):
            raise self._badness()
        self._sum_up()
        validity = Validity(self.starts, self.ends) if self.has_periods else None
        rows = self.packer.rows()
        return Watchlist(
            definition=self.definition,
            plates=self.plates,
            row_count=self.row_count,
            skipped_count=self._skipped,
            columns=tuple(name for name in rows.columns if name != NOTE),
            rows=rows,
            validity=validity,
            repeated=tuple(map(tuple, self._repeated)),
            most_rows=max(map(len, self._repeated), default=1),
            lines=self.lines,
            mark=mark,
            zone=self._zone,
            faults=tuple(self._faults),
        )

    def _uselessness(self) -> ListError:
        rows = (
            "its only row can't"
            if self._skipped == 1
            else f"none of its {self._skipped:,} rows can"
        )
        return self._unusable(ListFaultCode.EMPTY, f"{rows} be used")

    def _badness(self) -> ListError:
        """Few rows are told one by one; where many are lost, the rest is no list."""
        total = self.row_count + self._skipped
        what = f"{self._skipped:,} of its {total:,} rows can't be used"
        return self._unusable(ListFaultCode.ROWS, what)

    def _unusable(self, code: ListFaultCode, what: str) -> ListError:
        first = self._faults[0]
        reason = first.what.removeprefix(_LEFT_OUT)
        return ListError(code, what, f"the first for this reason: {reason}", first.place.line)

    def _sum_up(self) -> None:
        if self._skipped:
            total = self.row_count + self._skipped
            verb = "is" if self._skipped == 1 else "are"
            what = f"{self._skipped:,} of its {total:,} rows {verb} left out"
            more = f", the first {MAX_REPORTED} are told" if self._skipped > MAX_REPORTED else ""
            self.doubt(ListFaultCode.ROWS, f"{what}{more}", "correct them; the others are used")
        if len(shown := self._calendar.shown) > 1:
            day_first, month_first = (shown[order] for order in sorted(shown))
            what = f"its dates have the day first, as in {day_first}, and the month, as in "
            remedy = "write all of them one way, the day first or the month first"
            self.doubt(ListFaultCode.DATES, f"{what}{month_first}", remedy)
        if self._lettered.count:
            count = self._lettered.count
            plates = "1 plate has" if count == 1 else f"{count:,} plates have"
            what = f"{plates} letters other than A to Z, which are left out as cameras do"
            remedy = "write plates as cameras read them"
            self.doubt(ListFaultCode.LETTERS, what, remedy, self._lettered.line)
        if self._looked.count:
            count = self._looked.count
            rows = "1 row has" if count == 1 else f"{count:,} rows have"
            what = f"{rows} letters that look like A to Z (Cyrillic, Greek or full-width)"
            remedy = "they are read as those; write A to Z to be rid of this warning"
            self.doubt(ListFaultCode.LOOKS, what, remedy, self._looked.line)


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
