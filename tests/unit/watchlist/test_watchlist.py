"""A list as rules ask it, its packed rows, and rows of one plate that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Place
from engine.watchlist import Watchlist, first_difference
from engine.watchlist.watchlist import BLOCK, RowLines, RowPacker
from tests.support.random_cases import examples
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


HEADER = "plate,state,reason\n"
DAY = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_lines_of_two_rows_that_differ_are_found(tmp_path: Path) -> None:
    found = good(tmp_path, HEADER + "X1,GA,a\n\nABC1,GA,a\nX2,FL,b\n# -\nabc-1,FL,a\n")
    assert first_difference(found, "state") == (4, 7)
    assert first_difference(found, "reason") is None


def test_a_cell_of_two_lines_does_not_shift_the_lines(tmp_path: Path) -> None:
    found = good(tmp_path, HEADER + 'A1,GA,"two\nlines"\nA1,GA,other\n')
    assert first_difference(found, "reason") == (2, 4)


@pytest.mark.parametrize(
    "rows",
    [
        "A1,GA,x\nB1,FL,y\n",
        "A1,GA,x\nA1,GA,x\n",
        "A1,GA,x\nA1, GA ,x\n",
        "A1,,\nA1, ,\n",
    ],
)
def test_rows_that_say_the_same_are_none(rows: str, tmp_path: Path) -> None:
    found = good(tmp_path, HEADER + rows)
    assert first_difference(found, "state") is None


def test_an_empty_cell_is_another_than_a_full_one(tmp_path: Path) -> None:
    assert first_difference(good(tmp_path, HEADER + "A1,,\nA1,,x\n"), "reason") == (2, 3)


def test_the_columns_of_the_period_may_differ_too(tmp_path: Path) -> None:
    text = "plate,valid_from,valid_until\nA1,2026-01-01,2026-03-01\nA1,2026-02-01,2026-04-01\n"
    found = good(tmp_path, text)
    assert first_difference(found, "valid_from") == (2, 3)
    assert first_difference(found, "valid_until") == (2, 3)
    assert first_difference(found, "note") is None
    apart = good(tmp_path, text.replace("2026-02-01", "2026-03-02"))
    assert first_difference(apart, "valid_until") is None


@pytest.mark.parametrize("name", ["valid_from", "valid_until"])
def test_rows_that_are_open_at_one_end_count_together(name: str, tmp_path: Path) -> None:
    text = f"plate,{name},note\nA1,2026-01-01,a\nA1,2020-01-01,b\n"
    assert first_difference(good(tmp_path, text), "note") == (2, 3)


def test_a_list_without_repeated_plates_or_other_columns_has_none(tmp_path: Path) -> None:
    alone = good(tmp_path, "A1\nA1\n", name="list.txt")
    for column in ("note", "valid_until", "no_such"):
        assert first_difference(alone, column) is None


def test_rows_in_other_blocks_are_compared(tmp_path: Path) -> None:
    filler = "".join(f"P{n},x,x\n" for n in range(3 * BLOCK))
    found = good(tmp_path, f"{HEADER}A1,GA,a\n{filler}A1,FL,a\n")
    assert first_difference(found, "state") == (2, 3 * BLOCK + 3)
    assert first_difference(found, "reason") is None


_DAYS = st.none() | st.integers(0, 6)
_ROWS = st.lists(
    st.tuples(st.sampled_from("AB"), st.sampled_from("xy"), _DAYS, _DAYS), min_size=2, max_size=9
).map(
    lambda rows: [row for row in rows if row[2] is None or row[3] is None or row[2] <= row[3]]
)  # fmt: skip


def _day(number: int | None) -> str:
    return "" if number is None else f"{DAY + timedelta(days=number):%Y-%m-%d}"


def _in_force(found: Watchlist, plate: str) -> Iterator[list[object]]:
    """What all rows in force say in `note`, for every half day and some before and after."""
    for half in range(-4, 20):
        yield [row["note"] for row in found.rows_of(plate, DAY + timedelta(hours=12 * half))]


@examples(200)
@given(rows=_ROWS.filter(bool))
def test_there_is_a_difference_where_at_some_time_two_rows_say_so(
    rows: list[tuple[str, str, int | None, int | None]], tmp_path: Path
) -> None:
    lines = [f"{plate}1,{note},{_day(start)},{_day(end)}" for plate, note, start, end in rows]
    found = good(tmp_path, "\n".join(["plate,note,valid_from,valid_until", *lines]))
    wanted = any(len(set(notes)) > 1 for plate in found.plates for notes in _in_force(found, plate))
    difference = first_difference(found, "note")
    assert (difference is not None) == wanted
    if difference is not None:
        assert difference in set(combinations(range(2, len(rows) + 2), 2))
        one, two = (rows[line - 2] for line in difference)
        assert one[0] == two[0]
        assert one[1] != two[1]


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_every_row_comes_back(count: int) -> None:
    packer = RowPacker(["note", "who"])
    for number in range(count):
        packer.add((f'note {number} ü\n"', ""))
        if not (number + 1) % BLOCK:
            packer.close_block()
    rows = packer.rows()
    assert rows.columns == ("note", "who")
    assert [rows[number] for number in range(count)] == [
        (f'note {number} ü\n"', "") for number in range(count)
    ]


def test_without_columns_nothing_is_kept() -> None:
    packer = RowPacker([])
    packer.add(())
    assert packer.rows()[0] == ()


@given(st.lists(st.integers(1, 4), min_size=1, max_size=30))
def test_every_row_has_its_line(heights: list[int]) -> None:
    lines, gap, line = RowLines(), -1, 2
    wanted = []
    for row, height in enumerate(heights):
        if line - row != gap:
            gap = line - row
            lines.add(row, line)
        wanted.append(line)
        line += height
    assert [lines.line_of(row) for row in range(len(heights))] == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plate,note\nA1,\nB1,\nC1,\n", [2, 3, 4]),
        ("sep=,\n\nplate,note\nA1,\n\n# x,\nB1,\n", [4, 7]),
        ('plate,note\nA1,"x\ny"\nB1,\n', [2, 4]),
        ("plate,note\n-,\nA1,\n-,\nB1,\n", [3, 5]),
        ("plate,valid_until\nA1,soon\nB1,\n", [3]),
    ],
)
def test_the_lines_are_those_of_the_file(text: str, wanted: list[int], tmp_path: Path) -> None:
    found = good(tmp_path, text)
    rows = range(found.row_count)
    assert [found.lines.line_of(row) for row in rows] == wanted
