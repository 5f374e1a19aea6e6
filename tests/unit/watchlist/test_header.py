"""What columns a header names."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.watchlist.header import (
    MAX_COLUMNS,
    HeaderError,
    column_name,
    layout_of,
    separator_line,
    separator_of,
)
from tests.unit.watchlist.list_files import definition

FILE = definition(Path("list.csv"))


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("note", "note"),
        (" Valid Until ", "valid_until"),
        ("Gültig bis", "gultig_bis"),
        ("Straße", "strasse"),
        ("valid-from", "valid_from"),
        ("2nd owner", "_2nd_owner"),
        ("in", "_in"),
        ("\u041f\u0440\u0438", ""),
        ("", ""),
    ],
)
def test_a_column_has_a_name_that_rules_can_write(cell: str, name: str) -> None:
    assert column_name(cell) == name


@pytest.mark.parametrize(
    ("header", "separator"),
    [("plate,note", ","), ("plate;note", ";"), ("plate\tnote", "\t"), ("a|b", "|"), ("plate", ","),
     ('"a,b,c";note;x', ";"), ("", ",")],
)  # fmt: skip
def test_the_separator_is_the_one_that_the_header_has_most(header: str, separator: str) -> None:
    assert separator_of(header) == separator


def test_a_line_of_a_spreadsheet_names_it() -> None:
    assert separator_line("sep=;\r\n") == ";"
    assert separator_line("SEP=\t\n") == "\t"
    assert separator_line("plate,note") is None


def test_columns_are_found_by_their_usual_names_in_any_order() -> None:
    layout = layout_of(["Note", "valid_until", "Plate", "", "Owner"], FILE)
    assert (layout.width, layout.plate, layout.valid_from, layout.valid_until) == (5, 2, None, 1)
    assert layout.kept == (("note", 0), ("owner", 4))


def test_columns_are_found_by_the_names_that_the_definition_gives() -> None:
    named = definition(
        Path("list.csv"), column="Kennzeichen", note="Grund", valid_until="Gültig bis"
    )
    layout = layout_of(["ID", "Kennzeichen", "grund", "GÜLTIG BIS"], named)
    assert (layout.plate, layout.valid_until) == (1, 3)
    assert layout.kept == (("id", 0), ("note", 2))


def plates_of(header: list[str], *rows: list[str], **keys: str) -> int:
    """The plates' column of a file with that header and rows."""
    return layout_of(header, definition(Path("list.csv"), **keys), rows).plate


def refusal(header: list[str], *rows: list[str], **keys: str) -> HeaderError:
    with pytest.raises(HeaderError) as caught:
        plates_of(header, *rows, **keys)
    return caught.value


@pytest.mark.parametrize(
    "name",
    [
        "License Plate", "licence plate", "LicensePlateNumber", "PlateNumber", "Plate Number",
        "PLATE_NO", "Plate No.", "Plate #", "LPN", "VRM", "VRN", "Reg. No.", "Registration Number",
        "Vehicle Registration", "Number Plate", "Kennzeichen", "Kfz-Kennzeichen", "Nummernschild",
        "Immatriculation", "N° d'immatriculation", "Plaque", "Targa", "Matrícula", "Placa",
        "Kenteken", "Rekisterinumero", "Tablica", "Nr rejestracyjny", "Registreringsnummer", "SPZ",
        "Rendszám", "Plaka", "Госномер", "Номерной знак", "Πινακίδα", "车牌号", "차량번호",
        "ナンバープレート", "normalized_text", "Lic", "LP", "Reg", "Registration", "Tag", "License",
    ],
)  # fmt: skip
def test_the_plates_column_has_the_names_that_products_and_languages_give_it(name: str) -> None:
    assert plates_of(["State", name, "Make"], ["FL", "ABC123", "Ford"]) == 1


def test_a_column_plate_is_certain_whatever_others_there_are() -> None:
    assert plates_of(["Plate Number", "plate"], ["1", "2"]) == 1


def test_a_name_that_means_other_things_too_gives_way() -> None:
    assert plates_of(["Tag", "Plate Number"], ["12345", "ABC123"]) == 1
    assert plates_of(["Registration", "VRM"], ["2026-01-01", "ABC123"]) == 1


def test_a_name_that_means_other_things_too_counts_by_what_is_below_it() -> None:
    assert plates_of(["Registration", "Tag"], ["2026-01-01", "ABC123"]) == 1
    assert "no name of a column" in refusal(["Licence", "Car"], ["full", "ABC123"]).what


def test_two_columns_that_may_hold_the_plates_are_refused() -> None:
    error = refusal(["Plate Number", "Reg. No.", "x"], ["ABC123", "DEF456", "x"])
    assert error.what == "2 columns may hold the plates: `Plate Number`, `Reg. No.`"
    assert error.remedy == "write `column: Plate Number` or `column: Reg. No.`"
    assert error.is_doubt
    assert plates_of(["Plate Number", "Reg. No."], column="Reg. No.") == 1


@pytest.mark.parametrize(
    ("header", "row", "written"),
    [
        (["Nr", "Fahrzeug", "Grund"], ["17", "ABC123", "x"], "`column: Fahrzeug`"),
        (["Holder", "Car: 1st"], ["Anna", "ABC123"], "`column: 'Car: 1st'`"),
        (["Holder", "Anna's"], ["Anna", "ABC123"], "`column: 'Anna''s'`"),
        (["Holder", "No"], ["Anna", "ABC123"], "`column: 'No'`"),
    ],
)
def test_unknown_names_are_refused_with_the_columns_and_what_to_write(
    header: list[str], row: list[str], written: str
) -> None:
    error = refusal(header, row)
    assert error.is_doubt
    assert all(name in error.what for name in header)
    assert f"write {written} if that one holds them" in error.remedy


def test_the_only_column_needs_a_name_that_is_no_plate() -> None:
    assert plates_of(["Fahrzeug"], ["ABC123"], ["DEF456"]) == 0
    assert "may be no header" in refusal(["MYCAR"], ["ABC123"]).what


@pytest.mark.parametrize(
    "rows",
    [
        [["MYCAR", "NLD", "estate car"], ["ZLSZ17", "NLD", "van"]],
        [["MYCAR", "2026-01-31", "x"], ["ABC123", "2026-02-01", "y"]],
        [["Anna", "31/01/2026", "x"], ["Bob", "1.2.2026", "y"]],
        [["QC", "DEF228", "2012-01-31"], ["ON", "244KVF", "2012-01-31"]],
        [["ABC123", "red", "x"], ["DEF456", "blue", "y"]],
        [["", "red", "x"], ["DEF456", "blue", "y"]],
    ],
)
def test_a_first_row_of_data_is_no_header_and_is_not_shown(rows: list[list[str]]) -> None:
    error = refusal(*rows)
    assert error.what == "the first line is no header: no column of it is called `plate`"
    assert not error.is_doubt
    assert not any(cell in error.remedy for cell in rows[0] if cell.isupper())


def test_a_first_row_that_is_written_like_the_others_may_be_data_and_is_not_shown() -> None:
    error = refusal(["MYCAR", "NLD"], ["ZLSZ17", "ITA"])
    assert error.what == "no column is called `plate`, and the first line may be no header"
    assert "MYCAR" not in error.remedy
    error = refusal(["MYCAR", "NLD"], ["ZLSZ17", "ITA"], column="Plate")
    assert "MYCAR" not in error.what + error.remedy


def test_lines_above_the_header_are_to_be_removed() -> None:
    error = refusal(
        ["Stolen cars", "", ""], ["of May", "", ""], ["State", "Plate", "x"], ["FL", "ABC123", "y"]
    )
    assert error.what == "the first line is no header: one stands further down"
    assert error.remedy == "remove the 2 lines above that"


def test_the_columns_of_a_file_without_a_header_have_numbers() -> None:
    file = definition(Path("list.csv"), column="2", valid_until="4", note="5")
    layout = layout_of(["QC", "DEF228", "2012-01-31", "2099-05-31", "x"], file)
    assert not layout.has_header
    assert (layout.plate, layout.valid_from, layout.valid_until) == (1, None, 3)
    assert layout.kept == (("note", 4),)


@pytest.mark.parametrize(
    ("header", "keys", "what"),
    [
        (["QC", "DEF228"], {"column": "3"}, "there is no column 3"),
        (["QC", "DEF228"], {"column": "0"}, "there is no column 0"),
        (["QC", "DEF228"], {"column": "2", "note": "why"}, "has no column `why`"),
        (["State", "Plate Number"], {"column": "2"}, "but this has one"),
        (["State", "Car"], {"column": "2"}, "but this has one"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(
    header: list[str], keys: dict[str, str], what: str
) -> None:
    assert what in refusal(header, ["ON", "ABC123"], **keys).what


def test_a_column_is_named_in_any_script() -> None:
    header = ["Имя", "Машина", "Ειδος"]
    assert plates_of(header, ["Anna", "ABC123", "x"], column="Машина") == 1
    assert plates_of(header, ["Anna", "ABC123", "x"], column="ΕΊΔΟΣ") == 2


@pytest.mark.parametrize(
    ("header", "keys", "what"),
    [
        (["ABC123"], {}, "the first line is no header"),
        (["ABC123", "stolen"], {}, "the first line is no header"),
        (["", "x"], {}, "the first line is no header"),
        (["plate", "plate"], {}, "2 columns called `plate`"),
        (["plate", "a", "A"], {}, "two columns of the header are called `a`"),
        (["plate", "note", "x"], {"note": "x"}, "two columns of the header are called `note`"),
        (["plate", "x"], {"column": "plats"}, "no column `plats`"),
        (["plate", "x"], {"note": "plate"}, "can't be both `plate` and `note`"),
        (["plate", *map(str, range(MAX_COLUMNS))], {}, "more than 100 columns"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    header: list[str], keys: dict[str, str], what: str
) -> None:
    with pytest.raises(HeaderError, match=what):
        layout_of(header, definition(Path("list.csv"), **keys))


def test_a_missing_column_has_a_suggestion() -> None:
    with pytest.raises(HeaderError) as caught:
        layout_of(["plate", "Grund"], definition(Path("list.csv"), note="Grnd"))
    assert caught.value.remedy == "did you mean `Grund`?"
