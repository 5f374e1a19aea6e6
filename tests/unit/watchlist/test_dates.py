"""Cells as instants."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from engine.watchlist.dates import ALWAYS, NEVER, Calendar, DateOrder, instant_of, moment_of

BERLIN = ZoneInfo("Europe/Berlin")


def start(text: str, calendar: Calendar | None = None) -> str:
    moment = moment_of((calendar or Calendar(UTC)).start(text))
    return "open" if moment is None else moment.isoformat()


def end(text: str, calendar: Calendar | None = None) -> str:
    moment = moment_of((calendar or Calendar(UTC)).end(text))
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
        ("0001-01-01", "0001-01-01T00:00:00+00:00", "0001-01-02T00:00:00+00:00"),
    ],
)
def test_a_date_alone_is_a_whole_day(text: str, first: str, after: str) -> None:
    assert (start(text), end(text)) == (first, after)


def test_times_without_a_zone_are_in_the_given_one() -> None:
    assert start("2026-07-01", Calendar(BERLIN)) == "2026-06-30T22:00:00+00:00"
    assert end("2026-12-31", Calendar(BERLIN)) == "2026-12-31T23:00:00+00:00"
    assert end("2026-12-31T18:00", Calendar(BERLIN)) == "2026-12-31T17:00:00+00:00"
    assert end("2026-12-31T18:00Z", Calendar(BERLIN)) == "2026-12-31T18:00:00+00:00"


def test_a_day_with_a_change_of_clocks_ends_with_it() -> None:
    calendar = Calendar(BERLIN)
    assert (calendar.end("2026-03-29") - calendar.start("2026-03-29")) == 23 * 3_600_000_000


def test_bounds_beyond_the_years_of_python_are_open() -> None:
    assert Calendar(ZoneInfo("Asia/Tokyo")).start("0001-01-01") != NEVER
    assert Calendar(ZoneInfo("America/New_York")).end("9999-12-30") != ALWAYS
    assert Calendar(UTC).end("9999-12-31") == NEVER


def test_dates_with_slashes_need_an_order() -> None:
    with pytest.raises(ValueError, match=r"day or the month first.*`dates: day_first`"):
        start("01/02/2026")
    assert start("01/02/2026", Calendar(UTC, DateOrder.DAY_FIRST)).startswith("2026-02-01")
    assert start("01/02/2026", Calendar(UTC, DateOrder.MONTH_FIRST)).startswith("2026-01-02")


@pytest.mark.parametrize(
    "text",
    ["soon", "2026", "2026-13-01", "2026-02-30", "31.31.2026", "2026-12-31T25:00", "12-31-2026",
     "2026-W01-1", "1.2.26", "2026-12-31T", "\u0662\u0660\u0662\u0666-12-31"],
)  # fmt: skip
def test_what_is_no_date_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no date.*write it like 2026-12-31"):
        start(text)


def test_instants_are_exact_to_the_microsecond() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert moment_of(instant_of(moment)) == moment
