"""Reads a list's file, CSV or text, as a `Watchlist`, or reports why it can't be used.

A text file has a plate a line. Of a CSV file it finds the separator, the header and the encoding,
and reads records that may have several lines.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from functools import partial
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, Final, TextIO, cast

from engine.errors import Fault, Place
from engine.watchlist.builder import (
    MAX_ROWS,
    LineCount,
    ListError,
    ListFaultCode,
    Period,
    WatchlistBuilder,
)
from engine.watchlist.costs import PlateCosts, standard_costs
from engine.watchlist.header import (
    SEPARATORS,
    HeaderError,
    Layout,
    is_known_name,
    is_possible_name,
    layout_of,
    separator_line,
    separator_of,
)
from engine.watchlist.plates import is_clean, is_comment
from engine.watchlist.watchlist import BLOCK, Definition, FileMark, Watchlist

MAX_FILE_BYTES: Final = 256 * 1024**2
CSV_SUFFIXES: Final = frozenset({".csv", ".tsv"})
TEXT_SUFFIXES: Final = frozenset({".txt"})
SUFFIXES: Final = CSV_SUFFIXES | TEXT_SUFFIXES
#: Most lines of one record: beyond that a quotation mark was never closed.
MAX_LINES: Final = 20

_SHEET_SUFFIXES: Final = frozenset({".xlsx", ".xls", ".xlsm", ".ods", ".numbers"})
_HEAD_BYTES: Final = 4_096
_UTF16: Final = "utf-16"
_AS_UTF8: Final = "save it as CSV UTF-8"
_SEPARATOR: Final = re.compile("[,;\t|]")
_HEADER_IN_TEXT: Final = (
    "it is a header, and a .txt file has none: name it .csv, or remove this line"
)

_COMMENT: Final = "#"
#: Most periods of validity that are cached.
_MAX_PERIODS: Final = 50_000
#: So many rows are looked at to see what their columns hold.
_FIRST_ROWS: Final = 200

_ReportRow = Callable[[int, str], None]
"""Takes the line of a row, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ListResult:
    """The list of one definition, None where it can't be used, and all its faults."""

    watchlist: Watchlist | None
    faults: tuple[Fault, ...] = field(default=())


def read_watchlist(
    definition: Definition,
    zone: tzinfo,
    known: Watchlist | None = None,
    costs: PlateCosts | None = None,
) -> ListResult:
    """Reads the list of a definition; times without a zone are in `zone`.

    `known` is the list of the load before. It is returned, with its faults, where neither its file
    nor its definition nor the `costs` of misreadings have changed; those are the package's unless
    given.
    """
    costs = standard_costs() if costs is None else costs
    try:
        with _open(definition.path) as file:
            mark = _mark(file)
            if known is not None and is_same(known, definition, mark, zone, costs):
                return ListResult(known, _moved(known, definition))
            return _read(file, mark, definition, zone, costs)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            what, remedy = f"there is no file {definition.path}", "write it, or correct the path"
        else:
            what, remedy = (
                f"the file {definition.path} can't be read: {reason}",
                "look at its permissions",
            )
        return _refused(definition, ListFaultCode.UNREADABLE, what, remedy)
    except ListError as error:
        return _refused(definition, error.code, error.what, error.remedy, error.line)


def is_same(
    known: Watchlist, definition: Definition, mark: FileMark, zone: tzinfo, costs: PlateCosts
) -> bool:
    """Whether reading the file again would give the known list."""
    return (
        known.mark == mark
        and known.definition == definition
        and str(known.zone) == str(zone)
        and known.costs.digest == costs.digest
    )


def _read_text(stream: TextIO, builder: WatchlistBuilder) -> None:
    """Reads the plates of a text file, one a line.

    ListError where there are too many, or where the definition names columns.
    """
    _check_definition(builder)
    plates = builder.plates
    count = 0
    guessed = LineCount()
    lines = enumerate(stream, 1)
    first = next(((number, line) for number, line in lines if not _is_empty(line.strip())), None)
    if first is not None and _is_header(first[1]):
        builder.skip(first[0], _HEADER_IN_TEXT)
        first = None
    for some in ((first,) if first is not None else (), lines):
        for number, line in some:
            text = line.strip()
            plate = text if is_clean(text) else _plate(number, text, builder, guessed)
            if plate:
                plates[plate] = 0
                count += 1
                if count > MAX_ROWS:
                    what = f"the file has more than {MAX_ROWS:,} plates"
                    raise ListError(ListFaultCode.TOO_LARGE, what, "split it into several lists")
    builder.row_count = count
    builder.warn_of_guessed(guessed.count, guessed.line)


class GuessedFields(list[str]):
    """The fields of a record that was not UTF-8: letters beyond ASCII may be wrong."""


class Records:
    """Iterates over (line, fields); bad records are reported and left out.

    The stream must decode with `surrogateescape` and keep line ends; text that was not UTF-8 is
    read as cp1252. `first_line` is the number of the stream's first line.
    """

    def __init__(
        self, stream: TextIO, separator: str, report: _ReportRow, first_line: int = 1
    ) -> None:
        self._stream: Final = stream
        self._separator: Final = separator
        self._report: Final = report
        self._line = first_line - 1
        self._record: Final[list[str]] = []
        self._has_bad_bytes = False
        #: The number of records with `GuessedFields`, and the line of the first.
        self.guessed_count = 0
        self.first_guessed = 0

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        waiting: Iterable[str] = self._stream
        record = self._record
        while True:
            reader = csv.reader(
                self._lines(waiting),
                delimiter=self._separator,
                skipinitialspace=self._separator != "\t",
                strict=True,
            )
            try:
                for fields in reader:
                    start = self._line + 1 - len(record)
                    record.clear()
                    if self._has_bad_bytes:
                        self._has_bad_bytes = False
                        self.guessed_count += 1
                        self.first_guessed = self.first_guessed or start
                        yield start, GuessedFields(map(as_cp1252, fields))
                    else:
                        yield start, fields
                return
            except _UnclosedError:
                problem = "a quotation mark is not closed"
            except csv.Error as error:
                problem = _explained(error)
            # The lines after the first may be records of their own.
            others = record[1:]
            self._line -= len(others)
            self._report(self._line, problem)
            record.clear()
            self._has_bad_bytes = False
            waiting = chain(others, self._stream)

    def _lines(self, waiting: Iterable[str]) -> Iterator[str]:
        record = self._record
        for line in waiting:
            self._line += 1
            record.append(line)
            if len(record) > MAX_LINES:
                raise _UnclosedError
            if not line.isascii() and not is_utf8(line):
                self._has_bad_bytes = True
            yield line


def is_utf8(text: str) -> bool:
    """Whether the bytes of a text that was decoded with `surrogateescape` were UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_cp1252(text: str) -> str:
    """A text that was decoded with `surrogateescape`, decoded as cp1252 (Windows, Western Europe).

    A text that was UTF-8 stays as it is.
    """
    if text.isascii() or is_utf8(text):
        return text
    return text.encode("utf-8", "surrogateescape").decode("cp1252", "replace")


def _moved(known: Watchlist, definition: Definition) -> tuple[Fault, ...]:
    """The faults of an unchanged list, whose definition may stand at another place now."""
    was = known.definition.place
    return tuple(
        replace(fault, place=definition.place) if fault.place == was else fault
        for fault in known.faults
    )


def _read(
    file: IO[bytes], mark: FileMark, definition: Definition, zone: tzinfo, costs: PlateCosts
) -> ListResult:
    if mark.size > MAX_FILE_BYTES:
        what = f"the file is larger than {MAX_FILE_BYTES // 1024**2} MiB"
        raise ListError(ListFaultCode.TOO_LARGE, what, "split it into several lists")
    encoding = _encoding(file.read(_HEAD_BYTES))
    file.seek(0)
    builder = WatchlistBuilder(definition, zone, costs)
    is_table = definition.path.suffix.lower() not in TEXT_SUFFIXES
    errors = "replace" if encoding == _UTF16 else "surrogateescape"
    with io.TextIOWrapper(file, encoding, errors=errors, newline="") as text:
        (_read_csv if is_table else _read_text)(text, builder)
    found = builder.build(mark)
    return ListResult(found, found.faults)


def _open(path: Path) -> IO[bytes]:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        is_sheet = suffix in _SHEET_SUFFIXES
        raise ListError(
            ListFaultCode.UNREADABLE if is_sheet else ListFaultCode.SUFFIX,
            f"{path} is a spreadsheet" if is_sheet else f"{path} is no .csv, .tsv or .txt file",
            _AS_UTF8 if is_sheet else "a .txt file has a plate a line, a .csv file a header",
        )
    # To open a pipe would wait for its other end.
    if not stat.S_ISREG(path.stat().st_mode):
        raise ListError(ListFaultCode.UNREADABLE, f"{path} is not a regular file", "give a file")
    return path.open("rb")


def _mark(file: IO[bytes]) -> FileMark:
    found = os.fstat(file.fileno())
    return FileMark(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _encoding(head: bytes) -> str:
    """The encoding of a file with these first bytes; ListError where it is no text."""
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise ListError(ListFaultCode.NOT_UTF8, "the file is a spreadsheet, not text", _AS_UTF8)
    if head.startswith(b"\x1f\x8b"):
        raise ListError(
            ListFaultCode.NOT_UTF8, "the file is compressed (gzip), not text", "unpack it"
        )
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        if not head.startswith(codecs.BOM_UTF32_LE):
            return _UTF16
    elif b"\0" not in head:
        return "utf-8-sig"
    raise ListError(ListFaultCode.NOT_UTF8, "the file is not UTF-8 (perhaps UTF-16)", _AS_UTF8)


def _refused(
    definition: Definition, code: ListFaultCode, what: str, remedy: str, line: int = 0
) -> ListResult:
    """No list, and a fault at the `line` of its file, or where the list is defined."""
    place = Place(str(definition.path), line) if line else definition.place
    what = f"the watchlist {definition.name}: {what}"
    return ListResult(None, (Fault(place, str(code), what, remedy),))


def _plate(number: int, line: str, builder: WatchlistBuilder, guessed: LineCount) -> str:
    is_guessed = not line.isascii() and not is_utf8(line)
    if is_guessed:
        line = as_cp1252(line)
        guessed.add(number)
    if _is_empty(line):
        return ""
    return builder.plate(number, line, is_guessed=is_guessed)


def _is_empty(line: str) -> bool:
    return not line or line.startswith("//") or is_comment(line)


def _is_header(line: str) -> bool:
    """Whether a line is the header of a table; a word in capitals may be a plate."""
    name = _SEPARATOR.split(line, maxsplit=1)[0].strip()
    return is_known_name(name) or (is_possible_name(name) and name != name.upper())


def _check_definition(builder: WatchlistBuilder) -> None:
    asked = builder.definition
    named = (asked.column, asked.note, asked.valid_from, asked.valid_until, asked.threshold_column)
    if any(named):
        what = "a .txt file has plates only, no columns"
        raise ListError(ListFaultCode.HEADER, what, "name it .csv, and write a header line into it")


def _read_csv(stream: TextIO, builder: WatchlistBuilder) -> None:
    """Reads all rows; ListError where the file has no usable header, or too many rows."""
    separator, records = _open_csv(stream, builder.skip)
    rows = iter(records)
    found = next((each for each in rows if any(each[1])), None)
    if found is None:
        what = "the file is empty, it has no header either"
        raise ListError(
            ListFaultCode.EMPTY, what, "write its header; a list needs no plates below it"
        )
    line, header = found
    builder.check_none_skipped("the header can't be read")
    again = partial(_rows_again, stream, builder.definition.path, line)
    first = list(islice(again(), _FIRST_ROWS))
    try:
        layout = layout_of(header, builder.definition, first, builder.is_date, separator)
    except HeaderError as error:
        code = ListFaultCode.COLUMN if error.is_doubt else ListFaultCode.HEADER
        raise ListError(code, error.what, error.remedy, line) from None
    if layout.dates.doubt:
        builder.warn(ListFaultCode.DATES, layout.dates.doubt, layout.dates.remedy, line)
    bounds = [each for each in (layout.valid_from, layout.valid_until) if each is not None]
    above = () if layout.has_header else (header,)
    builder.date_cells = lambda: (
        fields[index] for fields in chain(above, again()) for index in bounds if index < len(fields)
    )
    _CsvRows(layout, builder).take(rows if layout.has_header else chain((found,), rows))
    builder.warn_of_guessed(records.guessed_count, records.first_guessed)


def _rows_again(stream: TextIO, path: Path, header_line: int) -> Iterator[list[str]]:
    """The rows below the header, read once more from the file; bad rows are not reported again."""
    with path.open(encoding=stream.encoding, errors=stream.errors, newline="") as again:
        for line, fields in _open_csv(again, _report_nothing)[1]:
            if line > header_line:
                yield fields


def _report_nothing(line: int, what: str) -> None:
    pass


def _open_csv(stream: TextIO, report: _ReportRow) -> tuple[str, Records]:
    """The separator, which the first line may name or else the header shows, and the records."""
    for number, line in enumerate(stream, 1):
        named = separator_line(line)
        if named is not None:
            return named, Records(stream, named, report, number + 1)
        if line.strip() and not line.startswith(_COMMENT):
            again = cast("TextIO", chain((line,), stream))
            separator = separator_of(line)
            return separator, Records(again, separator, report, number)
    return SEPARATORS[0], Records(stream, SEPARATORS[0], report)


class _CsvRows:
    """Adds rows of one layout to the builder."""

    def __init__(self, layout: Layout, builder: WatchlistBuilder) -> None:
        self._layout: Final = layout
        self._builder: Final = builder
        names = [name for name, _ in layout.kept]
        indices = [index for _, index in layout.kept]
        self._pick: Final = _picker(indices)
        builder.set_columns(
            names,
            has_start=layout.valid_from is not None,
            has_end=layout.valid_until is not None,
            has_threshold=layout.threshold is not None,
        )
        self._has_kept: Final = bool(names)
        self._starts: Final = builder.starts
        self._ends: Final = builder.ends
        bounds = [each for each in (layout.valid_from, layout.valid_until) if each is not None]
        self._cells: Final[Callable[[Sequence[str]], Any]] = (
            itemgetter(*bounds) if bounds else _nothing
        )
        #: Periods by their cells: most rows have one of a few.
        self._periods: Final[dict[Any, Period]] = {}

    def take(self, records: Iterable[tuple[int, list[str]]]) -> None:
        """Adds all rows that can be used."""
        builder, width, at = self._builder, self._layout.width, self._layout.plate
        plates, pick, packer = builder.plates, self._pick, builder.packer
        has_periods, has_kept = builder.has_periods, self._has_kept
        threshold_at = self._layout.threshold
        is_numbered = has_periods or has_kept or threshold_at is not None
        lines, gap = builder.lines, -1
        count = 0
        for line, fields in records:
            if len(fields) != width and not self._fit(line, fields):
                continue
            text = fields[at]
            plate = text if is_clean(text) else self._plate(line, fields)
            if not plate or (has_periods and not self._take_period(line, fields)):
                continue
            row = count if is_numbered else 0
            if is_numbered and line - row != gap:
                gap = line - row
                lines.add(row, line)
            count += 1
            if threshold_at is not None:
                builder.add_threshold(line, fields[threshold_at])
            if has_kept:
                packer.add(pick(fields))
                if not count % BLOCK:
                    packer.close_block()
            if plates.setdefault(plate, row) != row:
                builder.add_repeated(line, plate, row)
            if count > MAX_ROWS:
                what = f"the file has more than {MAX_ROWS:,} rows"
                raise ListError(ListFaultCode.TOO_LARGE, what, "split it into several lists")
        builder.row_count = count

    def _fit(self, line: int, fields: list[str]) -> bool:
        """Drops empty fields beyond the header's; False where the row can't be used."""
        width = self._layout.width
        if not any(field.strip() for field in fields) or is_comment(fields[0]):
            return False
        if len(fields) > width and not any(field.strip() for field in fields[width:]):
            del fields[width:]
            return True
        noun = "field" if len(fields) == 1 else "fields"
        self._builder.skip(line, f"it has {len(fields)} {noun}, the header has {width}")
        return False

    def _plate(self, line: int, fields: Sequence[str]) -> str:
        if not any(field.strip() for field in fields) or is_comment(fields[0]):
            return ""
        is_guessed = isinstance(fields, GuessedFields)
        return self._builder.plate(line, fields[self._layout.plate], is_guessed=is_guessed)

    def _take_period(self, line: int, fields: Sequence[str]) -> bool:
        """Adds the period of the next row; False where it has none, which is reported."""
        cells = self._cells(fields)
        period = self._periods.get(cells)
        if period is None:
            start, end = self._layout.valid_from, self._layout.valid_until
            period = self._builder.period(
                line,
                fields[start] if start is not None else "",
                fields[end] if end is not None else "",
            )
            if period is None:
                return False
            if len(self._periods) >= _MAX_PERIODS:
                self._periods.clear()
            self._periods[cells] = period
        starts, ends = self._starts, self._ends
        if starts is not None:
            starts.append(period[0])
        if ends is not None:
            ends.append(period[1])
        return True


def _picker(indices: Sequence[int]) -> Callable[[Sequence[str]], Sequence[str]]:
    """A function that picks the fields with these indices out of a row."""
    pick: Callable[[Sequence[str]], Sequence[str]] = _nothing
    if len(indices) == 1:
        # itemgetter of one index would give a text, not a row.
        pick = itemgetter(slice(indices[0], indices[0] + 1))
    elif indices:
        pick = itemgetter(*indices)
    return pick


def _nothing(_fields: Sequence[str]) -> Sequence[str]:
    return ()


class _UnclosedError(Exception):
    """A record has a quotation mark that is never closed."""


def _explained(error: csv.Error) -> str:
    """What is wrong with a record, for people."""
    text = str(error)
    if "unexpected end" in text:
        return "a quotation mark is not closed"
    if "expected after" in text:
        return "text follows a closing quotation mark: double the quotation marks inside a field"
    if "field larger" in text:
        return f"a field has more than {csv.field_size_limit():,} characters"
    return text
