"""What `date_format` may say."""

from __future__ import annotations

import pytest

from engine.watchlist.date_forms import DateFormat, DateOrder


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("DD/MM/YY", DateOrder.DAY_FIRST),
        ("dd.MM.yyyy", DateOrder.DAY_FIRST),
        ("MM/DD/YYYY", DateOrder.MONTH_FIRST),
        ("MON DD, YY", DateOrder.MONTH_FIRST),
        ("D. MMMM YYYY", DateOrder.DAY_FIRST),
        ("YY/MM/DD", None),
        ("DDMMYY", DateOrder.DAY_FIRST),
    ],
)
def test_day_month_and_year_stand_once_each(text: str, order: DateOrder | None) -> None:
    assert DateFormat.parse(text).order == order


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("%d/%m/%y", "write DD/MM/YY;"),
        ("%d-%b-%Y", "write DD-MON-YYYY;"),
        ("%m/%d/%Y %H:%M", "write MM/DD/YYYY;"),
        ("TT.MM.JJJJ", "write DD.MM.YYYY;"),
        ("dd/MM/yyyy HH:mm:ss", "write DD/MM/YYYY;"),
        ("DD/MM", "write it like DD/MM/YY"),
        ("DD/MM/YY/YYYY", "write it like DD/MM/YY"),
        ("DD/DD/YY", "write it like DD/MM/YY"),
        ("european", "write it like DD/MM/YY"),
        ("%x", "write it like DD/MM/YY"),
        ("", "write it like DD/MM/YY"),
    ],
)
def test_what_is_no_format_has_a_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        DateFormat.parse(text)


def test_two_formats_are_the_same_if_they_are_written_alike() -> None:
    assert DateFormat.parse("DD/MM/YY") == DateFormat.parse("DD/MM/YY")
    assert DateFormat.parse("DD/MM/YY") != DateFormat.parse("MM/DD/YY")
