"""Which column of a CSV file is what, by its header."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from engine.watchlist.date_columns import NO_DATES, DateColumns, Named, columns_by_name
from engine.watchlist.definition import (
    NO_COLUMN,
    NOTE,
    STANDING_COLUMNS,
    VALID_FROM,
    VALID_UNTIL,
    Definition,
)

PLATE: Final = "plate"
MAX_COLUMNS: Final = 100
#: Signs between the fields of a line; the one that the header has most of is taken.
SEPARATORS: Final = (",", ";", "\t", "|")
_SEPARATOR_LINE: Final = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_OTHERS: Final = re.compile("[^a-z0-9]+")
_QUOTED: Final = re.compile('"[^"]*"')
#: Words of the rule language that can't stand behind a dot.
_WORDS: Final = frozenset({"true", "false", "null", "in"})


class HeaderError(Exception):
    """The header does not name what is needed; `remedy` says what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a file by their index.

    `kept` are the names, as rules ask for them, and indices of all columns but the plate's and the
    two of validity; one of these two that nobody named has its own name too. `doubt` says why the
    plates' column may be the wrong one; `dates` is what is known of the columns of dates.
    """

    width: int
    plate: int
    valid_from: int | None
    valid_until: int | None
    kept: tuple[tuple[str, int], ...]
    doubt: str = ""
    dates: DateColumns = NO_DATES


def separator_line(line: str) -> str | None:
    """The separator that a first line `sep=;` names, which spreadsheets write; None for others."""
    found = _SEPARATOR_LINE.fullmatch(line)
    return found[1] if found is not None else None


def separator_of(header: str) -> str:
    """What separates the fields of the header line."""
    plain = _QUOTED.sub("", header)
    return max(SEPARATORS, key=plain.count)


def column_name(cell: str) -> str:
    """A header's cell as rules name it: `Gültig bis` is `gultig_bis`; "" where nothing is left."""
    letters = unicodedata.normalize("NFKD", cell.strip().replace("ß", "ss"))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    name = _OTHERS.sub("_", plain.lower()).strip("_")
    if name in _WORDS or name[:1].isdigit():
        return f"_{name}"
    return name


def layout_of(
    header: Sequence[str],
    definition: Definition,
    rows: Sequence[Sequence[str]] = (),
    is_date: Callable[[str], bool] = lambda _: False,
) -> Layout:
    """The layout of a file with that header; HeaderError where it names too little.

    `rows` are the first of the file, and `is_date` says whether a cell of them is a date.
    """
    if len(header) > MAX_COLUMNS:
        raise HeaderError(f"it has more than {MAX_COLUMNS} columns", "remove some")
    columns = _Columns(header)
    places = {
        PLATE: columns.find(definition.column, PLATE),
        VALID_FROM: columns.find_dates(definition.valid_from, VALID_FROM),
        VALID_UNTIL: columns.find_dates(definition.valid_until, VALID_UNTIL),
        NOTE: columns.find(definition.note, NOTE),
    }
    plate, doubt = places[PLATE], ""
    if plate is None:
        plate, doubt = _first(header, columns.names)
        places[PLATE] = plate
    _check_distinct(places)
    dates = columns_by_name(
        columns.without(places.values()),
        rows,
        is_date,
        wants_start=places[VALID_FROM] is None and definition.valid_from is None,
        wants_end=places[VALID_UNTIL] is None and definition.valid_until is None,
    )
    start, end = places[VALID_FROM], places[VALID_UNTIL]
    return Layout(
        len(header),
        plate,
        start if start is not None else dates.start,
        end if end is not None else dates.end,
        _kept(columns.names, places),
        doubt,
        dates,
    )


class _Columns:
    """Columns by name."""

    def __init__(self, header: Sequence[str]) -> None:
        self.names: Final = [column_name(cell) for cell in header]
        self._cells: Final = [cell.strip() for cell in header]

    def without(self, indices: Collection[int | None]) -> list[Named]:
        """The columns that have a name, but these."""
        return [
            Named(index, self._cells[index], name)
            for index, name in enumerate(self.names)
            if name and index not in indices
        ]

    def find_dates(self, wanted: str | None, usual: str) -> int | None:
        """The same for a column of dates, of which the definition may say that there is none."""
        return self.find(wanted, usual) if wanted != NO_COLUMN else None

    def find(self, wanted: str | None, usual: str) -> int | None:
        """The index of a column, `wanted` or else the usual one; only a wanted one must be."""
        name = column_name(wanted) if wanted is not None else usual
        found = [index for index, each in enumerate(self.names) if each == name]
        if len(found) == 1:
            return found[0]
        if found:
            what = f"the header has {len(found)} columns called `{name}`"
            raise HeaderError(what, "rename all but one of them")
        if wanted is None:
            return None
        known = [cell for cell in self._cells if cell]
        near = get_close_matches(wanted, known, n=1)
        remedy = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(known)}"
        raise HeaderError(f"the header has no column `{wanted[:60]}`", remedy[:300])


def _first(header: Sequence[str], names: Sequence[str]) -> tuple[int, str]:
    """The first column, and the doubt whether it holds the plates."""
    if any(character.isdigit() for character in header[0]) or not names[0]:
        raise HeaderError(
            "the first line is no header: no column of it is called `plate`",
            "write a line like plate,note above the plates, or name the column by `column`",
        )
    if len(header) == 1:
        return 0, ""
    return 0, f"no column is called `plate`, so the plates are taken from the first, `{names[0]}`"


def _check_distinct(places: dict[str, int | None]) -> None:
    taken: dict[int, str] = {}
    for name, index in places.items():
        if index is not None and taken.setdefault(index, name) != name:
            what = f"one column can't be both `{taken[index]}` and `{name}`"
            raise HeaderError(what, "name another one")


def _kept(names: Sequence[str], places: dict[str, int | None]) -> tuple[tuple[str, int], ...]:
    special = {index: name for name, index in places.items()}
    kept: dict[str, int] = {}
    for index, own in enumerate(names):
        name = special.get(index, own)
        if not name or (name in (PLATE, VALID_FROM, VALID_UNTIL) and index in special):
            continue
        if name in kept or (name in STANDING_COLUMNS and index not in special):
            what = f"two columns of the header are called `{name}`"
            raise HeaderError(what, "rename one of them")
        kept[name] = index
    return tuple(kept.items())
