"""CSV files: mostly a header, then a row a plate; separated by comma, semicolon, tab or bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import Any, Final, TextIO, cast

from engine.watchlist.cell import is_clean, is_comment
from engine.watchlist.gathering import MAX_ROWS, Gathering, ListCode, ListError, Period
from engine.watchlist.header import (
    SEPARATORS,
    HeaderError,
    Layout,
    layout_of,
    separator_line,
    separator_of,
)
from engine.watchlist.records import Records
from engine.watchlist.rows import BLOCK

_COMMENT: Final = "#"
#: Rows that are looked at where the header does not tell the plates' column.
_SAMPLE: Final = 20
_MAX_KNOWN: Final = 50_000

#: Lines and their fields.
Numbered = Iterator[tuple[int, list[str]]]


def read_csv(stream: TextIO, gathering: Gathering) -> None:
    """Read all rows; ListError where the file has no usable header, or too many rows."""
    separator, records = _open(stream, gathering)
    found = next((each for each in records if any(each[1])), None)
    if found is None:
        raise ListError(ListCode.EMPTY, "the file is empty", "write a header and plates into it")
    line, header = found
    gathering.want_none_skipped("the header can't be read")
    below: list[tuple[int, list[str]]] = []

    def rows() -> Sequence[Sequence[str]]:
        below.extend(islice(records, _SAMPLE - len(below)))
        return [fields for _, fields in below]

    try:
        layout = layout_of(header, gathering.definition, rows, separator)
    except HeaderError as error:
        code = ListCode.COLUMN if error.is_doubt else ListCode.HEADER
        raise ListError(code, error.what, error.remedy, line) from None
    if not layout.has_header:
        below.insert(0, found)
    _CsvRows(layout, gathering).take(chain(below, records) if below else records)


def _open(stream: TextIO, gathering: Gathering) -> tuple[str, Numbered]:
    """The separator, which a first line names or the header has, and the records."""
    for number, line in enumerate(stream, 1):
        named = separator_line(line)
        if named is not None:
            return named, iter(Records(stream, named, gathering.skip, number + 1))
        if line.strip() and not line.startswith(_COMMENT):
            again = cast("TextIO", chain((line,), stream))
            separator = separator_of(line)
            return separator, iter(Records(again, separator, gathering.skip, number))
    return SEPARATORS[0], iter(())


class _CsvRows:
    """Takes rows of one layout."""

    def __init__(self, layout: Layout, gathering: Gathering) -> None:
        self._layout: Final = layout
        self._gathering: Final = gathering
        names = [name for name, _ in layout.kept]
        indices = [index for _, index in layout.kept]
        self._pick: Final = _picker(indices)
        gathering.expect(
            names,
            has_start=layout.valid_from is not None,
            has_end=layout.valid_until is not None,
        )
        self._has_kept: Final = bool(names)
        self._starts: Final = gathering.starts
        self._ends: Final = gathering.ends
        bounds = [each for each in (layout.valid_from, layout.valid_until) if each is not None]
        self._cells: Final[Callable[[Sequence[str]], Any]] = (
            itemgetter(*bounds) if bounds else _nothing
        )
        #: The same few days stand in most rows.
        self._periods: Final[dict[Any, Period]] = {}

    def take(self, records: Numbered) -> None:
        """Take all rows that can be used."""
        gathering, width, at = self._gathering, self._layout.width, self._layout.plate
        plates, pick, packer = gathering.plates, self._pick, gathering.packer
        has_periods, has_kept = gathering.has_periods, self._has_kept
        is_numbered = has_periods or has_kept
        lines, gap = gathering.lines, -1
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
                lines.note(row, line)
            count += 1
            if has_kept:
                packer.add(pick(fields))
                if not count % BLOCK:
                    packer.close_block()
            if plates.setdefault(plate, row) != row:
                gathering.repeat(line, plate, row)
            if count > MAX_ROWS:
                what = f"the file has more than {MAX_ROWS:,} rows"
                raise ListError(ListCode.TOO_LARGE, what, "split it into several lists")
        gathering.row_count = count

    def _fit(self, line: int, fields: list[str]) -> bool:
        """Cut empty fields beyond the header's; false where the row can't be used."""
        width = self._layout.width
        if not any(field.strip() for field in fields) or is_comment(fields[0]):
            return False
        if len(fields) > width and not any(field.strip() for field in fields[width:]):
            del fields[width:]
            return True
        noun = "field" if len(fields) == 1 else "fields"
        self._gathering.skip(line, f"it has {len(fields)} {noun}, the header has {width}")
        return False

    def _plate(self, line: int, fields: Sequence[str]) -> str:
        if not any(field.strip() for field in fields) or is_comment(fields[0]):
            return ""
        return self._gathering.plate(line, fields[self._layout.plate])

    def _take_period(self, line: int, fields: Sequence[str]) -> bool:
        """Take the period of the next row; false where it has none, which is told."""
        cells = self._cells(fields)
        period = self._periods.get(cells)
        if period is None:
            start, end = self._layout.valid_from, self._layout.valid_until
            period = self._gathering.period(
                line,
                fields[start] if start is not None else "",
                fields[end] if end is not None else "",
            )
            if period is None:
                return False
            if len(self._periods) >= _MAX_KNOWN:
                self._periods.clear()
            self._periods[cells] = period
        starts, ends = self._starts, self._ends
        if starts is not None:
            starts.append(period[0])
        if ends is not None:
            ends.append(period[1])
        return True


def _picker(indices: Sequence[int]) -> Callable[[Sequence[str]], Sequence[str]]:
    """Picks the columns that are kept out of a row's fields."""
    pick: Callable[[Sequence[str]], Sequence[str]] = _nothing
    if len(indices) == 1:
        # A slice, for the getter of one index gives no row but a text.
        pick = itemgetter(slice(indices[0], indices[0] + 1))
    elif indices:
        pick = itemgetter(*indices)
    return pick


def _nothing(_fields: Sequence[str]) -> Sequence[str]:
    return ()
