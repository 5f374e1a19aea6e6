"""Rows of one plate that say different things at the same time are found, with their lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.watchlist import Watchlist, first_difference
from engine.watchlist.watchlist import BLOCK
from tests.support.random_cases import examples
from tests.unit.watchlist.list_files import good

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
