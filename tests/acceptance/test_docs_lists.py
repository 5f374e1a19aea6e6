"""What the pages on lists and plates say of cells, letters, columns and costs is so."""

from __future__ import annotations

import re

import pytest

from engine.cel import compile_expression, evaluate
from engine.watchlist import normalise
from engine.watchlist.costs import standard_costs
from engine.watchlist.header import is_known_name, is_possible_name
from engine.watchlist.plates import NoPlateError, written_plate
from engine.watchlist.wildcards import has_wildcards, wildcard_plate
from tests.support.handbook import PLATES, WATCHLISTS, table
from tests.support.snippets import codes

LEFT_OUT = "left out"


@pytest.mark.parametrize("heading", ["Written", "Spreadsheet's cell"])
def test_every_cell_that_is_shown_is_read_as_the_page_says(heading: str) -> None:
    for written, plate, _ in table(WATCHLISTS, heading).rows:
        cells, plates = codes(written), codes(plate)
        assert cells
        if plate == LEFT_OUT:
            for cell in cells:
                with pytest.raises(NoPlateError):
                    written_plate(cell)
            continue
        expected = plates if len(plates) > 1 else plates * len(cells)
        assert list(map(_plate, cells)) == expected


def _plate(cell: str) -> str:
    """What a list has of a cell."""
    return wildcard_plate(cell) if has_wildcards(cell) else normalise(written_plate(cell))


def test_letters_are_read_as_the_page_says() -> None:
    cyrillic, greek, wide, others = table(WATCHLISTS, "Letters").rows
    for row in (cyrillic, greek):
        (letters,), (look,) = codes(row[0]), codes(row[1])
        assert normalise(letters) == normalise(letters.lower()) == look
    assert list(map(normalise, codes(wide[0]))) == codes(wide[1])
    assert set(map(normalise, codes(others[0]))) == {""}


def test_columns_have_the_names_that_the_page_says() -> None:
    known, possible = (
        codes(row[0]) for row in table(WATCHLISTS, "The header has").rows if len(codes(row[0])) > 1
    )
    assert all(map(is_known_name, known))
    assert all(map(is_possible_name, possible))


@pytest.mark.parametrize(("example", "result"), table(PLATES, "Example").rows)
def test_plates_are_as_alike_as_the_page_says(example: str, result: str) -> None:
    found = compile_expression(example.strip("`"), {}).evaluate({})
    assert found == evaluate(result.strip("`"))


def test_differences_cost_what_the_page_says() -> None:
    costs, told = standard_costs(), 0
    for numbers, differences in table(PLATES, "Cost").rows:
        known = {int(number) for number in numbers.split(", ")}
        for one, two in re.findall("`([A-Z0-9])`↔`([A-Z0-9])`", differences):
            assert costs.change(one, two) in known, one + two
            told += 1
        for two, one in re.findall("`([A-Z0-9]{2})`↔`([A-Z0-9])`", differences):
            assert costs.merges[two][one] in known, two + one
            told += 1
    assert told > 15
