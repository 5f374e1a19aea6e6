"""A list as rules ask it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.watchlist.rows import BLOCK
from tests.unit.watchlist.list_files import NOW, good

SECOND = timedelta(seconds=1)
LISTED = "plate,valid_from,valid_until,note\nABC1,2026-05-05T12:00,2026-05-06T18:00,x\nX1,,,\n"


def test_a_row_is_in_force_from_its_first_instant_to_before_its_last(tmp_path: Path) -> None:
    found = good(tmp_path, LISTED)
    start, end = NOW, datetime(2026, 5, 6, 18, tzinfo=UTC)
    assert not found.is_on("ABC1", start - SECOND)
    assert found.is_on("ABC1", start)
    assert found.is_on("ABC1", end - timedelta(microseconds=1))
    assert not found.is_on("ABC1", end)
    assert found.row("ABC1", end) is None
    assert found.is_on("X1", end)
    assert not found.is_on("Y1", start)


def test_the_time_is_an_instant_in_whatever_zone(tmp_path: Path) -> None:
    found = good(tmp_path, LISTED)
    assert found.is_on("ABC1", NOW.astimezone(ZoneInfo("Asia/Tokyo")))


def test_a_date_alone_ends_with_its_day_in_the_zone(tmp_path: Path) -> None:
    found = good(tmp_path, "plate,valid_until\nABC1,2026-05-05\n", zone=ZoneInfo("Asia/Tokyo"))
    end = datetime(2026, 5, 5, 15, tzinfo=UTC)
    assert found.is_on("ABC1", end - SECOND)
    assert not found.is_on("ABC1", end)


def test_a_row_tells_its_period_as_the_file_has_it(tmp_path: Path) -> None:
    found = good(tmp_path, LISTED + "D1,2026-05-05,2026-05-05,\n")
    row = found.row("ABC1", NOW)
    assert row is not None
    assert row["valid_from"] == NOW
    assert row["valid_until"] == datetime(2026, 5, 6, 18, tzinfo=UTC)
    day = found.row("D1", NOW)
    assert day is not None
    assert day["valid_from"] == datetime(2026, 5, 5, tzinfo=UTC)
    # The last instant of the day, so that a message shows that day.
    assert day["valid_until"] == datetime(2026, 5, 5, 23, 59, 59, 999999, tzinfo=UTC)
    open_ended = found.row("X1", NOW)
    assert open_ended is not None
    assert (open_ended["valid_from"], open_ended["valid_until"]) == (None, None)


def test_plates_in_force_are_counted(tmp_path: Path) -> None:
    found = good(tmp_path, LISTED)
    assert found.count_in_force(NOW) == 2
    assert found.count_in_force(NOW - SECOND) == 1
    assert good(tmp_path, "plate\nA1\nB1\n").count_in_force(NOW) == 2


@pytest.mark.parametrize(
    ("header", "absent"),
    [
        ("plate", {"note", "valid_from", "valid_until"}),
        ("plate,note", {"valid_from", "valid_until"}),
        ("plate,valid_until", {"note", "valid_from"}),
        ("plate,note,valid_from,valid_until", set()),
    ],
)
def test_columns_that_the_file_lacks_are_known(
    header: str, absent: set[str], tmp_path: Path
) -> None:
    commas = "," * header.count(",")
    assert good(tmp_path, f"{header}\nABC1{commas}\n").absent_columns == absent


def test_every_row_of_a_long_list_has_its_own_note(tmp_path: Path) -> None:
    count = 3 * BLOCK + 7
    found = good(tmp_path, "plate,note\n" + "".join(f"P{n},note {n}\n" for n in range(count)))
    for number in range(count):
        row = found.row(f"P{number}", NOW)
        assert row is not None
        assert row["note"] == f"note {number}"
