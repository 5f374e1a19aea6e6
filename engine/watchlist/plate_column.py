"""What tells the plates' column of a table, and whether its first row is a header at all."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from engine.watchlist.cell import NoPlateError, written_plate

_WILDCARDS: Final = re.compile("[*?＊？]")
_DATE: Final = re.compile(
    r"[0-9]{4}([-./])[0-9]{1,2}\1[0-9]{1,2}\b.*|[0-9]{1,2}([-./])[0-9]{1,2}\2[0-9]{2,4}\b.*"
)


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
    """Whether a header's cell says for certain that its column holds the plates."""
    return name_key(cell) in _NAMES


def is_possible_name(cell: str) -> bool:
    """Whether a header's cell says so perhaps."""
    return name_key(cell) in _PERHAPS


def holds_plates(index: int, rows: Sequence[Sequence[str]]) -> bool:
    """Whether most cells of a column could be plates with a digit."""
    cells = _column(index, rows)
    return 2 * sum(map(_is_like_a_plate, cells)) > len(cells)


def likeliest_column(width: int, rows: Sequence[Sequence[str]]) -> int:
    """The column with most cells that could be plates, the first of them."""

    def count(index: int) -> int:
        # Plates with letters and digits count more than numbers of all kinds.
        found = [cell for cell in _column(index, rows) if _is_like_a_plate(cell)]
        return len(found) + sum(any(map(str.isalpha, cell)) for cell in found)

    return max(range(width), key=count)


def is_data(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a first row is a row of data for certain.

    It is where it holds a date, a value that stands in a row below too, or a plate at its start.
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
    """Whether a first row is written like rows below it in each column, or nothing is below it."""
    return all(
        not cell.strip() or not others or _look(cell) in set(map(_look, others))
        for index, cell in enumerate(first)
        for others in (_column(index, rows),)
    )


def _column(index: int, rows: Sequence[Sequence[str]]) -> list[str]:
    """The cells of a column that hold something."""
    return [row[index] for row in rows if index < len(row) and row[index].strip()]


def _is_like_a_plate(cell: str) -> bool:
    try:
        return any(map(str.isdigit, written_plate(_WILDCARDS.sub("", cell))))
    except NoPlateError:
        return False


def _look(cell: str) -> tuple[bool, bool]:
    """How a cell is written: whether in capitals alone, and whether it is a number."""
    return cell == cell.upper(), not any(map(str.isalpha, cell))
