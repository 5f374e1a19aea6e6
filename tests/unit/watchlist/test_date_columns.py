"""Columns of dates are told by their headers and their cells."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from engine.watchlist.dates import DateReader
from engine.watchlist.header import Layout, layout_of
from tests.unit.watchlist.list_files import definition

DAY = "2026-12-31"


def layout(header: list[str], *rows: list[str], **keys: str) -> Layout:
    """The layout of a table with that header and these rows."""
    return layout_of(header, definition(Path("list.csv"), **keys), rows, DateReader(UTC).is_date)


@pytest.mark.parametrize(
    "header",
    ["Expiry date", "expires", "EXPIRES_ON", "expiration", "Expiration Date", "valid to",
     "Valid Thru", "valid through", "end date", "Gültig bis", "gueltig_bis", "until",
     "Date of expiry", "Ablaufdatum", "Bis"],
)  # fmt: skip
@pytest.mark.parametrize("cell", [DAY, "31-DEC-2026", "01/02/2026", "31/12/26"])
def test_usual_names_of_the_end_are_known(header: str, cell: str) -> None:
    found = layout(["plate", header], ["A1", ""], ["A2", cell])
    assert (found.valid_from, found.valid_until, found.dates.doubt) == (None, 1, "")
    # Rules that ask for it by its own name go on working.
    assert len(found.kept) == 1


@pytest.mark.parametrize(
    "header", ["start date", "effective from", "Effective date", "Gültig ab", "from", "valid since"]
)
def test_usual_names_of_the_beginning_are_known(header: str) -> None:
    found = layout(["plate", header, "valid_until"], ["A1", DAY, ""])
    assert (found.valid_from, found.valid_until) == (1, 2)


def test_an_empty_column_may_hold_dates_later() -> None:
    found = layout(["plate", "expires"], ["A1", ""], ["A2", "NULL"])
    assert found.valid_until == 1


def test_a_column_without_dates_is_none_whatever_it_is_called() -> None:
    found = layout(["plate", "until", "from"], ["A1", "km 12", "north"], ["A2", "", "2026"])
    assert (found.valid_from, found.valid_until, found.dates.doubt) == (None, None, "")


def test_the_names_that_are_documented_come_first() -> None:
    found = layout(["plate", "expires", "valid_until"], ["A1", DAY, DAY])
    assert (found.valid_until, found.dates.doubt) == (2, "")
    found = layout(["plate", "expires", "bis"], ["A1", DAY, DAY], valid_until="bis")
    assert (found.valid_until, found.dates.doubt) == (2, "")


def test_of_two_columns_that_may_be_the_end_none_is_taken() -> None:
    found = layout(["plate", "Expires", "End date"], ["A1", DAY, DAY])
    assert found.valid_until is None
    assert "`Expires` and `End date` may both be valid_until" in found.dates.doubt
    assert "`valid_until: Expires` or `valid_until: End date`" in found.dates.remedy


def test_other_columns_of_dates_are_told_where_there_is_no_end() -> None:
    found = layout(["plate", "Stolen on", "Case"], ["A1", "3. Mai 2026", "20260101"])
    assert found.valid_until is None
    assert found.dates.doubt == "the column `Stolen on` holds dates, and is not used"
    found = layout(["plate", "Stolen on", "until"], ["A1", DAY, DAY])
    assert (found.valid_until, found.dates.doubt) == (2, "")
    two = layout(["plate", "a", "b"], ["A1", DAY, DAY])
    assert two.dates.doubt == "the columns `a` and `b` hold dates, and are not used"


def test_who_says_that_there_is_no_column_is_not_told_of_any() -> None:
    found = layout(["plate", "Expires", "x"], ["A1", DAY, DAY], valid_until="none")
    assert (found.valid_until, found.dates.doubt) == (None, "")
    found = layout(["plate", "from", "until"], ["A1", DAY, DAY], valid_from="none")
    assert (found.valid_from, found.valid_until) == (None, 2)
