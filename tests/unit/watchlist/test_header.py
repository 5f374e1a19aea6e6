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
    assert not layout.doubt


def test_columns_are_found_by_the_names_that_the_definition_gives() -> None:
    named = definition(
        Path("list.csv"), column="Kennzeichen", note="Grund", valid_until="Gültig bis"
    )
    layout = layout_of(["ID", "Kennzeichen", "grund", "GÜLTIG BIS"], named)
    assert (layout.plate, layout.valid_until) == (1, 3)
    assert layout.kept == (("id", 0), ("note", 2))


def test_without_a_column_plate_the_first_is_taken_and_doubted() -> None:
    assert layout_of(["registration"], FILE).doubt == ""
    layout = layout_of(["id", "registration"], FILE)
    assert layout.plate == 0
    assert "taken from the first, `id`" in layout.doubt


@pytest.mark.parametrize(
    ("header", "keys", "what"),
    [
        (["ABC123"], {}, "the first line is no header"),
        (["ABC123", "stolen"], {}, "the first line is no header"),
        (["", "x"], {}, "the first line is no header"),
        (["plate", "plate"], {}, "2 columns called `plate`"),
        (["plate", "a", "A"], {}, "two columns of the header are called `a`"),
        (["plate", "note", "x"], {"note": "x"}, "two columns of the header are called `note`"),
        (["plate", "x"], {"column": "plates"}, "no column `plates`"),
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
