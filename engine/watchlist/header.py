"""Finds the columns of a table: by its header, or, without one, by its cells."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from engine.watchlist.dates import NO_DATES, DateColumns, NamedColumn, columns_by_name
from engine.watchlist.plates import NoPlateError, written_plate
from engine.watchlist.watchlist import (
    NO_COLUMN,
    NOTE,
    STANDARD_COLUMNS,
    VALID_FROM,
    VALID_UNTIL,
    Definition,
)

PLATE: Final = "plate"
THRESHOLD: Final = "threshold"
MAX_COLUMNS: Final = 100
#: Possible separators of fields; the most frequent one in the header counts.
SEPARATORS: Final = (",", ";", "\t", "|")
_SEPARATOR_LINE: Final = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_OTHERS: Final = re.compile("[^a-z0-9]+")
_QUOTED: Final = re.compile('"[^"]*"')
_MAX_LISTED: Final = 12
#: Rows that are looked at where the header does not tell the plates' column.
_SAMPLE: Final = 20
#: Names that YAML reads as text without quotes.
_PLAIN_YAML: Final = re.compile(r"(?!(?i:true|false|yes|no|on|off|null|y|n)\Z)[^\W\d][\w .-]*")
#: Words of CEL that can't follow a dot.
_WORDS: Final = frozenset({"true", "false", "null", "in"})
_WILDCARDS: Final = re.compile("[*?＊？]")
_DATE: Final = re.compile(
    r"[0-9]{4}([-./])[0-9]{1,2}\1[0-9]{1,2}\b.*|[0-9]{1,2}([-./])[0-9]{1,2}\2[0-9]{2,4}\b.*"
)


class HeaderError(Exception):
    """The header lacks a column that is needed; `remedy` says what to do.

    `is_doubt` says that only the plates' column is uncertain.
    """

    def __init__(self, what: str, remedy: str, *, is_doubt: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.is_doubt = is_doubt


@dataclass(frozen=True, slots=True)
class Layout:
    """The indices of a file's columns; `width` is the number of columns.

    `kept` has the names, as rules use them, and the indices of all columns but the plate's and the
    two of validity. A column of validity that was recognised by its header is kept under that name
    too. So is the column of thresholds, under its own name. `dates` says how the columns of
    validity were recognised.
    """

    width: int
    plate: int
    valid_from: int | None
    valid_until: int | None
    kept: tuple[tuple[str, int], ...]
    threshold: int | None = None
    has_header: bool = True
    dates: DateColumns = NO_DATES


def separator_line(line: str) -> str | None:
    """The separator that a first line such as `sep=;` names, as spreadsheets write it; or None."""
    found = _SEPARATOR_LINE.fullmatch(line)
    return found[1] if found is not None else None


def separator_of(header: str) -> str:
    """The separator of the header line."""
    plain = _QUOTED.sub("", header)
    return max(SEPARATORS, key=plain.count)


def column_name(cell: str) -> str:
    """The name that rules use for a header's cell: `Gültig bis` is `gultig_bis`; "" for none."""
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
    separator: str = ",",
) -> Layout:
    """The layout of a file with that header; HeaderError where a column can't be found.

    Where the definition gives the number of the plates' column, the file has no header, and
    `header` is its first row. `rows` are the first rows below it, `is_date` says whether a cell is
    a date, and `separator` is the file's, for remedies.
    """
    if len(header) > MAX_COLUMNS:
        raise HeaderError(f"it has more than {MAX_COLUMNS} columns", "remove some")
    columns = _Columns(header, definition, rows[:_SAMPLE], separator)
    places = {
        PLATE: columns.find_plates(definition.column),
        VALID_FROM: columns.find_dates(definition.valid_from, VALID_FROM),
        VALID_UNTIL: columns.find_dates(definition.valid_until, VALID_UNTIL),
        NOTE: columns.find(definition.note, NOTE),
    }
    plate = places[PLATE]
    assert plate is not None
    wanted = definition.threshold_column
    threshold = columns.find(wanted, "") if wanted is not None else None
    _check_distinct({**places, THRESHOLD: threshold})
    dates = columns_by_name(
        columns.without({*places.values(), threshold}),
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
        threshold,
        columns.has_header,
        dates,
    )


class _Columns:
    """Columns by name, or by number in a file without a header."""

    def __init__(
        self,
        header: Sequence[str],
        definition: Definition,
        rows: Sequence[Sequence[str]],
        separator: str,
    ) -> None:
        self._header: Final = header
        self._cells: Final = [cell.strip() for cell in header]
        self.has_header: Final = not (definition.column or "").isdecimal()
        self.names: Final = [column_name(cell) if self.has_header else "" for cell in header]
        self._rows: Final = rows
        self._separator: Final = separator

    def without(self, indices: Collection[int | None]) -> list[NamedColumn]:
        """The columns that have a name, without those of `indices`."""
        return [
            NamedColumn(index, self._cells[index], name)
            for index, name in enumerate(self.names)
            if name and index not in indices
        ]

    def find_dates(self, wanted: str | None, usual: str) -> int | None:
        """As `find`, for a column of dates; the definition may say that there is none."""
        return self.find(wanted, usual) if wanted != NO_COLUMN else None

    def find(self, wanted: str | None, usual: str) -> int | None:
        """The index of the column `wanted`, or else of the `usual` one, which may be missing.

        HeaderError where `wanted` is missing, and where several columns have the name.
        """
        if not self.has_header:
            return self._numbered(wanted)
        name = column_name(wanted) if wanted is not None else usual
        found = [index for index, each in enumerate(self.names) if name and each == name]
        if not found and wanted is not None:
            key = name_key(wanted)
            found = [index for index, each in enumerate(self._cells) if name_key(each) == key]
        if len(found) == 1:
            return found[0]
        if found:
            what = f"the header has {len(found)} columns called `{name or wanted}`"
            raise HeaderError(what, "rename all but one of them")
        if wanted is None:
            return None
        rows = () if any(map(is_known_name, self._cells)) else self._rows
        if rows and (is_data(self._header, rows) or may_be_data(self._header, rows)):
            # The first line may be plates, and no message shows a plate.
            what = f"the first line has no column `{wanted[:60]}`, and may be no header"
            raise HeaderError(what, self._header_remedy(rows))
        known = [cell for cell in self._cells if cell]
        near = get_close_matches(wanted, known, n=1)
        remedy = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(known)}"
        raise HeaderError(f"the header has no column `{wanted[:60]}`", remedy[:300])

    def _numbered(self, wanted: str | None) -> int | None:
        """The index of a column by its number, which counts from 1."""
        if wanted is None:
            return None
        width = len(self._header)
        if not wanted.isdecimal():
            what = f"a file whose plates are in a numbered column has no column `{wanted[:60]}`"
            raise HeaderError(what, f"write its number, 1 to {width}")
        if not 1 <= int(wanted) <= width:
            raise HeaderError(f"there is no column {wanted[:60]}", f"there are {width}")
        return int(wanted) - 1

    def find_plates(self, wanted: str | None) -> int:
        """The index of the plates' column; HeaderError where it is uncertain."""
        index = self.find(wanted, PLATE)
        if index is not None:
            self._check_no_header(index)
            return index
        known = [at for at, cell in enumerate(self._cells) if is_known_name(cell)]
        if not known:
            rows = self._rows
            known = [
                at
                for at, cell in enumerate(self._cells)
                if is_possible_name(cell) and (holds_plates(at, rows) or not rows)
            ]
        if len(known) == 1:
            return known[0]
        if known:
            names = [self._cells[at] for at in known]
            what = f"{len(known)} columns may hold the plates: {_listed(names)}"
            raise HeaderError(what, f"write {_choice(names)}", is_doubt=True)
        return self._unnamed_plates(self._rows)

    def _check_no_header(self, index: int) -> None:
        """Raises HeaderError where a file with numbered columns has a header."""
        if self.has_header:
            return
        rows = self._rows
        is_name = is_known_name(self._cells[index])
        if is_name or not (is_data(self._header, rows) or may_be_data(self._header, rows)):
            what = "the plates' column is numbered, as in a file without a header, but this has one"
            raise HeaderError(what, "name the columns as the header does, not by their numbers")

    def _unnamed_plates(self, rows: Sequence[Sequence[str]]) -> int:
        """The index 0 for a single column with a header; HeaderError for all others."""
        if is_data(self._header, rows):
            what = "the first line is no header: no column of it is called `plate`"
            raise HeaderError(what, self._header_remedy(rows))
        below = next((at for at, row in enumerate(rows, 1) if is_header(row)), None)
        if below is not None:
            lines = "line" if below == 1 else f"{below} lines"
            raise HeaderError(
                "the first line is no header: one stands further down",
                f"remove the {lines} above that",
            )
        if may_be_data(self._header, rows):
            what = "no column is called `plate`, and the first line may be no header"
            remedy = f"{self._header_remedy(rows)}; or name the plates' column of it by `column`"
            raise HeaderError(what, remedy, is_doubt=True)
        if len(self._header) == 1:
            return 0
        likeliest = self._cells[likeliest_column(len(self._header), rows)]
        known = [cell for cell in self._cells if cell]
        what = f"no name of a column says that it holds the plates; there are: {_listed(known)}"
        remedy = f"write {_choice([likeliest])} if that one holds them, else name another"
        raise HeaderError(what, remedy, is_doubt=True)

    def _header_remedy(self, rows: Sequence[Sequence[str]]) -> str:
        width = len(self._header)
        if width == 1:
            return "write a line `plate` above the plates, or `column: 1`"
        at = likeliest_column(width, (self._header, *rows))
        numbered = f"or give the numbers of the columns, such as `column: {at + 1}`"
        names = [PLATE if each == at else f"column_{each + 1}" for each in range(width)]
        is_shown = width <= _MAX_LISTED and self._separator.isprintable()
        some = f", such as `{self._separator.join(names)}`" if is_shown else ""
        return f"write a header line with a name for each of its {width} columns{some}; {numbered}"


def _listed(names: Sequence[str]) -> str:
    more = ", …" if len(names) > _MAX_LISTED else ""
    return ", ".join(f"`{name[:60]}`" for name in names[:_MAX_LISTED]) + more


def _choice(names: Sequence[str]) -> str:
    """The key `column` with each of the names, as YAML is written."""
    quoted = [
        name if _PLAIN_YAML.fullmatch(name) else "'" + name.replace("'", "''") + "'"
        for name in names[:_MAX_LISTED]
    ]
    return " or ".join(f"`column: {name}`" for name in quoted)


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
        if name in kept or (name in STANDARD_COLUMNS and index not in special):
            what = f"two columns of the header are called `{name}`"
            raise HeaderError(what, "rename one of them")
        kept[name] = index
    return tuple(kept.items())


def name_key(cell: str) -> str:
    """A header's cell in letters and digits of any script, without case and accents."""
    letters = unicodedata.normalize("NFKD", cell.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


#: Names of the plates' column in products, forms and languages, without blanks, signs and accents.
_NAMES: Final = frozenset(
    map(name_key, {
        # English
        "plate", "plates", "plateno", "platenr", "platenum", "platenumber", "platenumbers",
        "platetext", "plateid", "normalizedplate", "normalizedtext", "platenormalized",
        "licenseplate", "licenceplate", "licenseplates", "licenceplates", "licenseplateno",
        "licenceplateno", "licenseplatenr", "licenseplatenumber", "licenceplatenumber", "licplate",
        "licplateno", "licplatenumber", "numberplate", "numberplates", "vehicleplate",
        "vehicleplateno", "vehicleplatenumber", "carplate", "carplateno", "carplatenumber", "lpn",
        "lpnumber", "vrm", "vrn", "regplate", "regno", "regnr", "regnum", "regnumber",
        "registrationplate", "registrationmark", "registrationno", "registrationnr",
        "registrationnumber", "vehicleregistration", "vehicleregistrationno",
        "vehicleregistrationmark", "vehicleregistrationnumber", "vehiclereg", "vehicleregno",
        # German, Dutch, Scandinavian, Finnish
        "kennzeichen", "kfzkennzeichen", "autokennzeichen", "amtlicheskennzeichen",
        "polkennzeichen", "polizeilicheskennzeichen", "nummernschild", "kontrollschild",
        "kenteken", "kentekennummer", "nummerplaat", "registreringsnummer", "registreringsskylt",
        "nummerplade", "nummerplate", "nummerskilt", "skiltnummer", "kjennemerke",
        "rekisterinumero", "rekisteritunnus", "rekisterikilpi",
        # French, Italian, Spanish, Portuguese, Romanian
        "immatriculation", "numeroimmatriculation", "numerodimmatriculation", "noimmatriculation",
        "ndimmatriculation", "nodimmatriculation", "nimmatriculation", "nplaque", "nmatricula",
        "plaque", "plaqueimmatriculation", "plaquedimmatriculation", "numeroplaque", "targa",
        "targhe", "numerotarga", "matricula", "matriculas", "numeromatricula", "numerodematricula",
        "placa", "placas", "numeroplaca", "numerodeplaca", "patente", "numardeinmatriculare",
        "numarinmatriculare", "nrinmatriculare",
        # Slavic, Hungarian, Baltic, Turkish
        "tablica", "tablice", "tablicarejestracyjna", "tablicerejestracyjne", "numerrejestracyjny",
        "nrrejestracyjny", "numerrej", "nrrej", "spz", "rz", "registracniznacka", "ecv",
        "registarskaoznaka", "registrskaoznaka", "rendszam", "valstybinisnumeris", "plaka",
        "plakano",
        # Others
        "госномер", "госномера", "грз", "номернойзнак", "номернийзнак", "номеравто",
        "регистрационныйномер", "πινακιδα", "αριθμοσκυκλοφοριασ", "车牌", "车牌号", "车牌号码",
        "車牌", "車牌號碼", "ナンバー", "ナンバープレート", "차량번호", "번호판", "לוחיתרישוי",
        "لوحة", "رقماللوحة",
    })
)  # fmt: skip
#: Names that are often the plates' column, and often another one.
_PERHAPS: Final = frozenset(
    map(name_key, {
        "lic", "licno", "licence", "licencenumber", "license", "licensenumber", "lp", "lpno",
        "reg", "rego", "registration", "registrations", "tag", "tags", "tagno", "tagnumber",
        "номер",
    })
)  # fmt: skip


def is_known_name(cell: str) -> bool:
    """Whether a header's cell says for certain that the column holds plates."""
    return name_key(cell) in _NAMES


def is_possible_name(cell: str) -> bool:
    """Whether a header's cell says that the column may hold plates."""
    return name_key(cell) in _PERHAPS


def holds_plates(index: int, rows: Sequence[Sequence[str]]) -> bool:
    """Whether more than half of a column's filled cells could be plates with a digit."""
    cells = _column(index, rows)
    return 2 * sum(map(_is_like_a_plate, cells)) > len(cells)


def likeliest_column(width: int, rows: Sequence[Sequence[str]]) -> int:
    """The index of the column with most cells that could be plates; of several the first."""

    def count(index: int) -> int:
        # Cells with letters and digits count twice: digits alone may be any number.
        found = [cell for cell in _column(index, rows) if _is_like_a_plate(cell)]
        return len(found) + sum(any(map(str.isalpha, cell)) for cell in found)

    return max(range(width), key=count)


def is_data(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a first row is a row of data for certain.

    It is where it has a date, a value that a row below has too, or a first cell that is no name:
    empty, or with a digit.
    """
    return (
        any(_DATE.fullmatch(cell.strip()) for cell in first)
        or any(cell.strip() and cell in _column(index, rows) for index, cell in enumerate(first))
        or not name_key(first[0])
        or any(map(str.isdigit, first[0]))
    )


def is_header(row: Sequence[str]) -> bool:
    """Whether a row is a header for certain: a column has a known name, and none has a digit."""
    return any(map(is_known_name, row)) and not any(
        character.isdigit() for cell in row for character in cell
    )


def may_be_data(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether each cell of a first row is written like cells below it, or has none below it."""
    return all(
        not cell.strip() or not others or _look(cell) in set(map(_look, others))
        for index, cell in enumerate(first)
        for others in (_column(index, rows),)
    )


def _column(index: int, rows: Sequence[Sequence[str]]) -> list[str]:
    """The filled cells of a column."""
    return [row[index] for row in rows if index < len(row) and row[index].strip()]


def _is_like_a_plate(cell: str) -> bool:
    try:
        return any(map(str.isdigit, written_plate(_WILDCARDS.sub("", cell))))
    except NoPlateError:
        return False


def _look(cell: str) -> tuple[bool, bool]:
    """How a cell is written: whether without small letters, and whether without any letters."""
    return cell == cell.upper(), not any(map(str.isalpha, cell))
