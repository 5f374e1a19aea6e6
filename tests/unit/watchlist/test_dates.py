"""Cells as instants, and the columns of validity by their headers and their cells."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.watchlist.date_forms import DateFormat, DateOrder
from engine.watchlist.dates import ALWAYS, NEVER, DateReader, instant_of, moment_of
from engine.watchlist.header import Layout, layout_of
from tests.unit.watchlist.list_files import definition

BERLIN = ZoneInfo("Europe/Berlin")


def start(text: str, reader: DateReader | None = None) -> str:
    moment = moment_of((reader or DateReader(UTC)).start(text))
    return "open" if moment is None else moment.isoformat()


def end(text: str, reader: DateReader | None = None) -> str:
    moment = moment_of((reader or DateReader(UTC)).end(text))
    return "open" if moment is None else moment.isoformat()


@pytest.mark.parametrize(
    ("text", "first", "after"),
    [
        ("2026-12-31", "2026-12-31T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
        (" 20261231 ", "2026-12-31T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
        ("31.12.2026", "2026-12-31T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
        ("1.2.2026 9:30", "2026-02-01T09:30:00+00:00", "2026-02-01T09:30:00+00:00"),
        ("2026-12-31 18:00", "2026-12-31T18:00:00+00:00", "2026-12-31T18:00:00+00:00"),
        ("2026-12-31T18:00:00Z", "2026-12-31T18:00:00+00:00", "2026-12-31T18:00:00+00:00"),
        ("2026-12-31T18:00+02:00", "2026-12-31T16:00:00+00:00", "2026-12-31T16:00:00+00:00"),
        ("", "open", "open"),
        ("  ", "open", "open"),
        ("9999-12-31", "9999-12-31T00:00:00+00:00", "open"),
    ],
)
def test_a_date_alone_is_a_whole_day(text: str, first: str, after: str) -> None:
    assert (start(text), end(text)) == (first, after)


def test_times_without_a_zone_are_in_the_given_one() -> None:
    assert start("2026-07-01", DateReader(BERLIN)) == "2026-06-30T22:00:00+00:00"
    assert end("2026-12-31", DateReader(BERLIN)) == "2026-12-31T23:00:00+00:00"
    assert end("2026-12-31T18:00", DateReader(BERLIN)) == "2026-12-31T17:00:00+00:00"
    assert end("2026-12-31T18:00Z", DateReader(BERLIN)) == "2026-12-31T18:00:00+00:00"


def test_a_day_with_a_change_of_clocks_ends_with_it() -> None:
    reader = DateReader(BERLIN)
    assert (reader.end("2026-03-29") - reader.start("2026-03-29")) == 23 * 3_600_000_000


def test_bounds_beyond_the_years_of_python_are_open() -> None:
    assert DateReader(ZoneInfo("Asia/Tokyo")).start("0001-01-01") != NEVER
    assert DateReader(ZoneInfo("America/New_York")).end("9999-12-30") != ALWAYS
    assert DateReader(UTC).end("9999-12-31") == NEVER


LAST_DAY = "2027-01-01T00:00:00+00:00"
SIX_PM = "2026-12-31T18:00:00+00:00"


@pytest.mark.parametrize(
    "text",
    ["2026/12/31", "2026.12.31", "2026. 12. 31.", "2026-12-31", "20261231", "31-DEC-2026",
     "31 Dec 2026", "31DEC2026", "31/Dec/2026", "31 December 2026", "31. Dezember 2026",
     "31.Dez.2026", "Dec 31, 2026", "December 31st, 2026", "Dec-31-2026", "2026-Dec-31",
     "Thursday, December 31, 2026", "Thu 31 Dec 2026", "Donnerstag, 31. Dezember 2026",
     "Do., 31.12.2026", "12/31/2026", "31/12/2026", "31-12-2026", "12-31-2026", "31.12.2026",
     "31. 12. 2026", "\u00a031\u00a0December\u00a02026", "2026-12-31 24:00", "31.12.2026 24:00:00"],
)  # fmt: skip
def test_a_form_that_can_mean_one_day_only_is_that_day(text: str) -> None:
    assert end(text) == LAST_DAY


@pytest.mark.parametrize(
    "text",
    ["12/31/2026 6:00 PM", "12/31/2026 06:00:00 pm", "12/31/2026 6:00\u202fPM", "31.12.2026 18:00",
     "12/31/2026, 6:00 p.m.", "2026/12/31 18:00", "31-DEC-2026 18:00:00", "2026-12-31 18:00:00 UTC",
     "2026-12-31T18:00:00Z", "2026-12-31T18:00:00.0000000Z", "2026-12-31 18:00:00,000",
     "2026-12-31 18:00:00.0000000", "2026-12-31 19:00:00 +0100", "2026-12-31T13:00:00-05:00",
     "2026-12-31 20:00+02", "Thu, 31 Dec 2026 18:00:00 GMT", "Thu, 31 Dec 2026 19:00:00 +0100",
     "20261231T180000Z", "2026-12-31t18:00"],
)  # fmt: skip
def test_a_time_of_day_may_stand_behind_it(text: str) -> None:
    assert (start(text), end(text)) == (SIX_PM, SIX_PM)


@pytest.mark.parametrize(("text", "hour"), [("12:30 AM", 0), ("12:30 pm", 12), ("11:30 PM", 23)])
def test_a_clock_of_twelve_hours_begins_with_twelve(text: str, hour: int) -> None:
    assert start(f"12/31/2026 {text}") == f"2026-12-31T{hour:02}:30:00+00:00"


@pytest.mark.parametrize(
    "text",
    ["", "NULL", "null", "N/A", "NA", "n.a.", "#N/A", "-", "--", "\u2013", "None", "nil", "NaT",
     "NaN", "(null)", "\\N", "0000-00-00", "0000-00-00 00:00:00", "00000000", "00.00.0000",
     "0001-01-01", "0001-01-01T00:00:00"],
)  # fmt: skip
def test_databases_and_people_have_many_ways_to_say_none(text: str) -> None:
    assert (start(text), end(text)) == ("open", "open")


@pytest.mark.parametrize(
    "text", ["never", "Forever", "permanent", "unbefristet", "infinity", "9999-12-31",
             "9999-12-31 23:59:59", "31.12.9999", "12/31/9999", "31-DEC-9999"]
)  # fmt: skip
def test_an_end_may_never_come(text: str) -> None:
    assert end(text) == "open"


def test_a_beginning_is_no_end() -> None:
    with pytest.raises(ValueError, match="is no date"):
        start("never")
    assert start("-infinity") == "open"


def test_a_date_whose_day_may_be_the_month_needs_an_order() -> None:
    with pytest.raises(ValueError, match=r"first.*`date_format: DD/MM/YYYY` or .*MM/DD/YYYY`"):
        start("01/02/2026")
    with pytest.raises(ValueError, match=r"`date_format: DD-MM-YYYY`"):
        start("01-02-2026")
    # The same either way.
    assert start("05/05/2026").startswith("2026-05-05")
    assert start("01/02/2026", DateReader(UTC, DateOrder.DAY_FIRST)).startswith("2026-02-01")
    assert start("01/02/2026", DateReader(UTC, DateOrder.MONTH_FIRST)).startswith("2026-01-02")


@pytest.mark.parametrize(
    ("others", "text", "day"),
    [
        (["12/31/2026"], "01/02/2026", "2026-01-02"),
        (["31/12/2026"], "01/02/2026", "2026-02-01"),
        (["x", "", "31/31/2026", "1/13/2026 11:59 PM"], "01/02/2026 08:00", "2026-01-02"),
    ],
)
def test_one_cell_shows_how_all_of_the_list_are_read(
    others: list[str], text: str, day: str
) -> None:
    assert start(text, DateReader(UTC, cells=lambda: [*others, text])).startswith(day)


def test_cells_of_both_orders_show_nothing() -> None:
    reader = DateReader(UTC, cells=lambda: ["12/31/2026", "31/12/2026"])
    with pytest.raises(ValueError, match="the day or the month first"):
        reader.start("01/02/2026")
    assert start("12/31/2026", reader).startswith("2026-12-31")
    assert {*reader.orders_shown} == {*DateOrder}


def test_an_order_that_is_given_is_not_overruled() -> None:
    reader = DateReader(UTC, DateOrder.DAY_FIRST, cells=lambda: ["12/31/2026"])
    assert start("01/02/2026", reader).startswith("2026-02-01")
    with pytest.raises(ValueError, match="is no date"):
        reader.start("12/31/2026")


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("31/12/26", "`date_format: DD/MM/YY` or `date_format: YY/MM/DD`"),
        ("12/31/26", "`date_format: MM/DD/YY`"),
        ("31.12.99", "`date_format: DD.MM.YY`"),
        ("31-DEC-26", "`date_format: DD-MON-YY`"),
        ("Dec 31, 26 18:00", "`date_format: MON DD, YY`"),
    ],
)
def test_a_year_of_two_digits_needs_a_format(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match="has a year of two digits") as caught:
        start(text)
    assert str(caught.value).endswith(f"or give the list {remedy}")


@pytest.mark.parametrize(
    ("form", "text", "day"),
    [
        ("DD/MM/YY", "31/12/26", "2026-12-31"),
        ("DD/MM/YY", "1/2/26", "2026-02-01"),
        ("MM/DD/YY", "12/31/26", "2026-12-31"),
        ("YY/MM/DD", "26/12/31", "2026-12-31"),
        ("DD-MON-YY", "31-DEC-26", "2026-12-31"),
        ("DD.MM.YY", "31.12.69", "2069-12-31"),
        ("DDMMYY", "311226", "2026-12-31"),
        ("DD/MM/YYYY", "01/02/2026", "2026-02-01"),
        ("MM/DD/YYYY", "01/02/2026", "2026-01-02"),
        ("D. MMMM YYYY", "1. März 2026", "2026-03-01"),
        # What has another form is read by it, and by the order of the format.
        ("DD/MM/YY", "01/02/2026", "2026-02-01"),
        ("DD/MM/YY", "2026-12-31", "2026-12-31"),
        ("DD/MM/YY", "Dec 31, 2026", "2026-12-31"),
    ],
)
def test_a_format_says_how_dates_are_written(form: str, text: str, day: str) -> None:
    reader = DateReader(UTC, date_format=DateFormat.parse(form))
    assert start(text, reader) == f"{day}T00:00:00+00:00"
    assert start(f"{text} 18:30", reader) == f"{day}T18:30:00+00:00"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("12/31/26", "month must be in 1..12"),
        ("31/12/99", "the year may be 1999 or 2099: write it with four digits"),
        ("31.12.26", "is no date of the form DD/MM/YY"),
    ],
)
def test_what_does_not_fit_the_format_is_told(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match="is no date") as caught:
        DateReader(UTC, date_format=DateFormat.parse("DD/MM/YY")).start(text)
    assert reason in str(caught.value)


def test_a_number_of_a_spreadsheet_is_told() -> None:
    with pytest.raises(ValueError, match="format its column as a date"):
        start("46387")


@pytest.mark.parametrize(
    "text",
    ["soon", "2026", "2026-13-01", "2026-02-30", "31.31.2026", "2026-12-31T25:00", "31/31/2026",
     "2026-W01-1", "45/67/89", "2026-12-31T", "\u0662\u0660\u0662\u0666-12-31", "01.31.2026",
     "31 Foo 2026", "30 Feb 2026", "12/31/2026 13:00 PM", "12/31/2026 0:00 AM", "2026/12/31 24:01",
     "2026-12-31 18:00 CET", "December 2026", "1/2/3/2026", "31/12/026"],
)  # fmt: skip
def test_what_is_no_date_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no date.*write it like 2026-12-31"):
        start(text)


def test_instants_are_exact_to_the_microsecond() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert moment_of(instant_of(moment)) == moment


def test_what_is_remembered_of_a_cell_changes_no_other() -> None:
    reader = DateReader(UTC, DateOrder.MONTH_FIRST)
    cells = {
        f"{month}/{day}/2026 {hour}:05 {half}": (
            month,
            day,
            hour % 12 + (12 if half == "PM" else 0),
        )
        for month in (1, 2, 12)
        for day in (1, 11, 28)
        for hour in (1, 11, 12)
        for half in ("AM", "PM")
    }
    for text, (month, day, hour) in [*cells.items(), *cells.items()]:
        expected = datetime(2026, month, day, hour, 5, tzinfo=UTC)
        assert moment_of(reader.start(text)) == moment_of(reader.end(text)) == expected


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
