"""A list as rules ask it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.errors import Place
from engine.watchlist.watchlist import BLOCK
from tests.unit.watchlist.list_files import NOW, definition, good

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


def test_a_text_is_looked_up_as_the_list_has_it(tmp_path: Path) -> None:
    found = good(tmp_path, "plate,note\nkfa 8725,x\n")
    for text in ("KFA8725", "kfa-8725", "KFA 8725", "k.f.a.8725 "):
        assert found.is_on(text, NOW)
        row = found.row(text, NOW)
        assert row is not None
        assert row["note"] == "x"
        assert [each["note"] for each in found.rows_of(text, NOW)] == ["x"]
    for text in ("KFA872", "", "-", "KFA8725X", "Ö"):
        assert not found.is_on(text, NOW)
        assert found.row(text, NOW) is None
        assert found.rows_of(text, NOW) == []


TWO_STATES = "plate,state,reason\nABC123,GA,expired insurance\nABC123,FL,stolen\n"


def test_all_rows_of_a_plate_are_given_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = good(tmp_path, TWO_STATES + "X1,TX,\nabc-123,ME,x\n")
    rows = found.rows_of("ABC123", NOW)
    assert [(row["state"], row["reason"]) for row in rows] == [
        ("GA", "expired insurance"), ("FL", "stolen"), ("ME", "x"),
    ]  # fmt: skip
    first = found.row("ABC123", NOW)
    assert first == rows[0]
    assert found.rows_of("X1", NOW) == [found.row("X1", NOW)]
    assert (found.most_rows, found.row_count, len(found.plates)) == (3, 4, 2)


def test_only_rows_in_force_are_given(tmp_path: Path) -> None:
    text = (
        "plate,note,valid_from,valid_until\n"
        "A1,over,,2026-01-01\nA1,now,2026-01-02,\nA1,coming,2027-01-01,\nA1,always,,\n"
    )
    found = good(tmp_path, text)
    assert [row["note"] for row in found.rows_of("A1", NOW)] == ["now", "always"]
    later = found.rows_of("A1", NOW.replace(year=2027))
    assert [row["note"] for row in later] == ["now", "coming", "always"]
    assert later[1]["valid_from"] == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "text"), [("list.txt", "A1\na 1\n"), ("list.csv", "plate\nA1\nA1\n")]
)
def test_plates_alone_have_one_row(name: str, text: str, tmp_path: Path) -> None:
    found = good(tmp_path, text, name=name)
    assert found.rows_of("A1", NOW) == [dict.fromkeys(("note", "valid_from", "valid_until"))]
    assert found.row_count == 2


def test_rows_that_lie_far_apart_are_all_given(tmp_path: Path) -> None:
    lines = [f"P{n},note {n}\nTWIN,twin {n}\n" for n in range(3 * BLOCK)]
    rows = good(tmp_path, "plate,note\n" + "".join(lines)).rows_of("TWIN", NOW)
    assert [row["note"] for row in rows] == [f"twin {n}" for n in range(3 * BLOCK)]


def test_a_definition_is_the_same_wherever_it_stands_and_whatever_it_may_lose() -> None:
    one = definition(Path("list.csv"))
    assert one == replace(one, place=Place("other.yaml", 9, 9), max_shrink=0.9)
    assert one != replace(one, column="x")
    assert one != replace(one, path=Path("other.csv"))
