"""Builds a list row by row: plates, periods, other columns, and the faults of its rows."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum
from typing import Final

from engine.errors import Fault, Place, Severity
from engine.watchlist.costs import PlateCosts
from engine.watchlist.dates import DateReader
from engine.watchlist.likeness import DEFAULT_THRESHOLD, PLACES
from engine.watchlist.near_plates import NearPlates, Thresholds, threshold_of
from engine.watchlist.plates import (
    BAD_LETTER,
    NoPlateError,
    has_look_alikes,
    has_other_letters,
    normalise,
    written_plate,
)
from engine.watchlist.watchlist import (
    NOTE,
    Definition,
    FileMark,
    RowLines,
    RowPacker,
    Validity,
    Watchlist,
)
from engine.watchlist.wildcards import (
    MAX_WILDCARDS,
    WildcardRows,
    has_wildcards,
    wildcard_plate,
)

#: So many unusable rows are reported one by one; further ones are only counted.
MAX_REPORTED: Final = 20
MAX_ROWS: Final = 5_000_000
_LEFT_OUT: Final = "this row is left out: "
#: Most rows of one plate.
MAX_REPEATED: Final = 1_000

Period = tuple[int, int]
"""Start and end of a row's validity, in microseconds since 1970."""


class ListFaultCode(StrEnum):
    """The stable codes of faults in list files."""

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
    THRESHOLD = "watchlist-threshold"


class ListError(Exception):
    """The list can't be used; `line` is the line of its file that is at fault, 0 for none."""

    def __init__(self, code: ListFaultCode, what: str, remedy: str, line: int = 0) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.remedy = remedy
        self.line = line


@dataclass(slots=True)
class LineCount:
    """The number of rows of one kind, and the line of the first."""

    count: int = 0
    line: int = 0

    def add(self, line: int) -> None:
        self.count += 1
        self.line = self.line or line


class WatchlistBuilder:
    """Builds the list of one definition; times without a zone are read in `zone`.

    `costs` are those of misreadings of its plates.
    The readers of files set `row_count` and write plates into `plates` themselves, for speed, also
    those with wildcards.
    """

    def __init__(self, definition: Definition, zone: tzinfo, costs: PlateCosts) -> None:
        self.definition: Final = definition
        self.plates: Final[dict[str, int]] = {}
        self.row_count = 0
        self.has_periods = False
        self._zone: Final = zone
        self._costs: Final = costs
        #: Gives all cells with dates, for a date that can be read in two ways.
        self.date_cells: Callable[[], Iterable[str]] = tuple
        self._dates: Final = DateReader(
            zone, definition.dates, definition.date_format, lambda: self.date_cells()
        )
        self.is_date: Final = self._dates.is_date
        self.starts: array[int] | None = None
        self.ends: array[int] | None = None
        #: The threshold of each row in ten-thousandths, if they have their own.
        self.thresholds: array[int] | None = None
        self.lines: Final = RowLines()
        self._repeated: Final[list[list[int]]] = []
        #: The plates with wildcards, in the order of the file.
        self._wildcards: Final[dict[str, None]] = {}
        self.packer = RowPacker(())
        self._faults: Final[list[Fault]] = []
        self._skipped = 0
        self._too_often_repeated = 0
        self._bad_thresholds = 0
        self._threshold: Final = (
            DEFAULT_THRESHOLD if definition.threshold is None else definition.threshold
        )
        self._with_other_letters = LineCount()
        self._with_look_alikes = LineCount()

    def set_columns(
        self, kept: Sequence[str], *, has_start: bool, has_end: bool, has_threshold: bool
    ) -> None:
        """Sets the columns of the rows beside the plate: to keep, the period's, the threshold's."""
        self.packer = RowPacker(kept)
        self.starts = array("q") if has_start else None
        self.ends = array("q") if has_end else None
        self.has_periods = has_start or has_end
        self.thresholds = array("H") if has_threshold else None

    def skip(self, line: int, what: str) -> None:
        """Reports a row that can't be used; `what` says why."""
        self._skipped += 1
        if self._skipped <= MAX_REPORTED:
            place = Place(str(self.definition.path), line)
            what = f"{_LEFT_OUT}{what}"
            self._faults.append(Fault(place, ListFaultCode.ROW, what, "", Severity.WARNING))

    def check_none_skipped(self, what: str) -> None:
        """Raises ListError, with `what` and the reason of the first row, where one was skipped."""
        if self._faults:
            first = self._faults[0]
            reason = first.what.removeprefix(_LEFT_OUT)
            raise ListError(ListFaultCode.HEADER, what, reason, first.place.line)

    def warn(self, code: ListFaultCode, what: str, remedy: str, line: int = 0) -> None:
        """Adds a warning about the whole list, at a line of its file or where it is defined."""
        place = Place(str(self.definition.path), line) if line else self.definition.place
        what = f"the watchlist {self.definition.name}: {what}"
        self._faults.append(Fault(place, code, what, remedy, Severity.WARNING))

    def warn_of_guessed(self, count: int, first_line: int) -> None:
        """Warns where `count` lines were not UTF-8 and were read as cp1252."""
        if count:
            lines = "1 line is" if count == 1 else f"{count:,} lines are"
            what = f"{lines} not UTF-8, read as Windows writes text in Western Europe (cp1252)"
            self.warn(ListFaultCode.NOT_UTF8, what, "save the file as CSV UTF-8", first_line)

    def plate(self, line: int, text: str, *, is_guessed: bool = False) -> str:
        """The normalised plate of a cell; "" where it holds none, which is reported.

        `is_guessed` says that the encoding was guessed: a plate with letters beyond ASCII is then
        unusable.
        """
        try:
            written = written_plate(text)
        except NoPlateError as error:
            if has_wildcards(text):
                return self._wildcard_plate(line, text)
            self.skip(line, str(error))
            return ""
        if is_guessed and has_other_letters(written):
            self.skip(line, BAD_LETTER)
            return ""
        if not written.isascii():
            if has_other_letters(written):
                self._with_other_letters.add(line)
            if has_look_alikes(written):
                self._with_look_alikes.add(line)
        return normalise(written)

    def _wildcard_plate(self, line: int, text: str) -> str:
        try:
            plate = wildcard_plate(text)
        except NoPlateError as error:
            self.skip(line, str(error))
            return ""
        if plate not in self._wildcards:
            if len(self._wildcards) >= MAX_WILDCARDS:
                self.skip(line, f"{MAX_WILDCARDS:,} other plates with wildcards stand before it")
                return ""
            self._wildcards[plate] = None
        return plate

    def period(self, line: int, start: str, end: str) -> Period | None:
        """The period of two cells; None where they hold none, which is reported."""
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

    def add_threshold(self, line: int, text: str) -> None:
        """Adds the threshold of the next row; a bad one is reported, and is the list's instead."""
        assert self.thresholds is not None
        threshold = self._threshold
        try:
            threshold = threshold_of(text) if text.strip() else threshold
        except ValueError as error:
            self._bad_thresholds += 1
            if self._bad_thresholds <= MAX_REPORTED:
                place = Place(str(self.definition.path), line)
                what = f"its threshold is no likeness: this row has the list's, {threshold}"
                code = ListFaultCode.THRESHOLD
                self._faults.append(Fault(place, code, what, str(error), Severity.WARNING))
        self.thresholds.append(round(threshold * PLACES))

    def _instant(self, text: str, *, is_end: bool) -> int:
        try:
            return self._dates.end(text) if is_end else self._dates.start(text)
        except ValueError as error:
            column = "valid_until" if is_end else "valid_from"
            raise ValueError(f"{column} {error}") from None

    def add_repeated(self, line: int, plate: str, row: int) -> None:
        """Adds a further row of a plate that is on the list."""
        first = self.plates[plate]
        if first >= 0:
            self._repeated.append([first, row])
            self.plates[plate] = -len(self._repeated)
        elif len(self._repeated[-1 - first]) < MAX_REPEATED:
            self._repeated[-1 - first].append(row)
        else:
            self._too_often_repeated += 1
            self.skip(line, f"its plate stands in {MAX_REPEATED:,} rows before it")

    def build(self, mark: FileMark) -> Watchlist:
        """The finished list; ListError where no row of it is usable, or too few rows are."""
        if not self.plates and self._skipped:
            raise self._all_unusable()
        self.row_count -= self._too_often_repeated
        if self._skipped > max(MAX_REPORTED, self.row_count):
            raise self._too_many_unusable()
        self._add_summary()
        validity = Validity(self.starts, self.ends) if self.has_periods else None
        rows = self.packer.rows()
        repeated = tuple(map(tuple, self._repeated))
        thresholds = Thresholds(self._threshold, self.thresholds, repeated)
        # A plate whose every row has a bad period is in none of them.
        numbers = {each: self.plates.pop(each) for each in self._wildcards if each in self.plates}
        wildcards = WildcardRows(numbers, self._costs, thresholds.lowest) if numbers else None
        return Watchlist(
            definition=self.definition,
            plates=self.plates,
            row_count=self.row_count,
            skipped_count=self._skipped,
            columns=tuple(name for name in rows.columns if name != NOTE),
            rows=rows,
            validity=validity,
            repeated=repeated,
            most_rows=min(MAX_REPEATED, max(map(len, repeated), default=1) + len(numbers)),
            lines=self.lines,
            mark=mark,
            zone=self._zone,
            costs=self._costs,
            faults=tuple(self._faults),
            wildcards=wildcards,
            thresholds=thresholds,
            near_plates=NearPlates(self.plates, wildcards, thresholds, self._costs),
        )

    def _all_unusable(self) -> ListError:
        rows = (
            "its only row can't"
            if self._skipped == 1
            else f"none of its {self._skipped:,} rows can"
        )
        return self._unusable(ListFaultCode.EMPTY, f"{rows} be used")

    def _too_many_unusable(self) -> ListError:
        """More than half of the rows can't be used: the rest would pass for the whole list."""
        total = self.row_count + self._skipped
        what = f"{self._skipped:,} of its {total:,} rows can't be used"
        return self._unusable(ListFaultCode.ROWS, what)

    def _unusable(self, code: ListFaultCode, what: str) -> ListError:
        first = next(fault for fault in self._faults if fault.code == ListFaultCode.ROW)
        reason = first.what.removeprefix(_LEFT_OUT)
        return ListError(code, what, f"the first for this reason: {reason}", first.place.line)

    def _add_summary(self) -> None:
        if self._skipped:
            total = self.row_count + self._skipped
            verb = "is" if self._skipped == 1 else "are"
            what = f"{self._skipped:,} of its {total:,} rows {verb} left out"
            more = f", the first {MAX_REPORTED} are told" if self._skipped > MAX_REPORTED else ""
            self.warn(ListFaultCode.ROWS, f"{what}{more}", "correct them; the others are used")
        if self._bad_thresholds > MAX_REPORTED:
            what = f"{self._bad_thresholds:,} rows have no likeness as their threshold, the first "
            remedy = "correct them; the list's threshold counts for these rows"
            self.warn(ListFaultCode.THRESHOLD, f"{what}{MAX_REPORTED} are told", remedy)
        if len(shown := self._dates.orders_shown) > 1:
            day_first, month_first = (shown[order] for order in sorted(shown))
            what = f"its dates have the day first, as in {day_first}, and the month, as in "
            remedy = "write all of them one way, the day first or the month first"
            self.warn(ListFaultCode.DATES, f"{what}{month_first}", remedy)
        if self._with_other_letters.count:
            count = self._with_other_letters.count
            plates = "1 plate has" if count == 1 else f"{count:,} plates have"
            what = f"{plates} letters other than A to Z, which are left out as cameras do"
            remedy = "write plates as cameras read them"
            self.warn(ListFaultCode.LETTERS, what, remedy, self._with_other_letters.line)
        if self._with_look_alikes.count:
            count = self._with_look_alikes.count
            rows = "1 row has" if count == 1 else f"{count:,} rows have"
            what = f"{rows} letters that look like A to Z (Cyrillic, Greek or full-width)"
            remedy = "they are read as those; write A to Z to be rid of this warning"
            self.warn(ListFaultCode.LOOKS, what, remedy, self._with_look_alikes.line)
