"""What is told of the rows of a list, and how much of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.watchlist.builder import MAX_REPEATED, MAX_REPORTED, ListFaultCode
from tests.unit.watchlist.list_files import NOW, good, read


def test_many_bad_rows_are_told_by_some_and_a_count(tmp_path: Path) -> None:
    found = read(tmp_path, "plate\n" + "GOOD1\n" * 1_000 + "-\n" * 1_000)
    assert len(found.faults) == MAX_REPORTED + 1
    assert "1,000 of its 2,000 rows are left out, the first 20 are told" in found.faults[-1].what
    assert {fault.severity for fault in found.faults} == {"warning"}


def test_a_long_list_of_which_most_rows_are_bad_is_refused_with_the_first_reason(
    tmp_path: Path,
) -> None:
    found = read(tmp_path, "plate\n" + "GOOD1\n" * 1_000 + "A_1\n" * 1_001)
    assert found.watchlist is None
    (fault,) = found.faults
    assert (fault.code, fault.severity, fault.place.line) == (ListFaultCode.ROWS, "error", 1_002)
    assert "1,001 of its 2,001 rows can't be used" in fault.what
    assert "the first for this reason: the plate holds a `_`" in fault.remedy


def test_bad_rows_that_are_all_told_cost_none_of_the_others(tmp_path: Path) -> None:
    found = read(tmp_path, "plate\nGOOD1\n" + "A_1\n" * MAX_REPORTED)
    assert found.watchlist is not None
    assert set(found.watchlist.plates) == {"GOOD1"}
    assert len(found.faults) == MAX_REPORTED + 1


def test_a_list_without_any_usable_row_is_refused_with_the_first_reason(tmp_path: Path) -> None:
    found = read(tmp_path, "plate,note\n-,x\n*,y\n")
    assert found.watchlist is None
    (fault,) = found.faults
    assert fault.code == ListFaultCode.EMPTY
    assert fault.place.line == 2
    assert "none of its 2 rows can be used" in fault.what
    assert (
        fault.remedy == "the first for this reason: the plate holds no letter A to Z and no digit"
    )


def test_letters_that_are_left_out_are_told_once(tmp_path: Path) -> None:
    found = read(tmp_path, "plate\nABC1\nMÜ-1\nKÖ-2\n")
    assert found.watchlist is not None
    assert set(found.watchlist.plates) == {"ABC1", "M1", "K2"}
    (fault,) = found.faults
    assert fault.code == ListFaultCode.LETTERS
    assert fault.place.line == 3
    assert "2 plates have letters other than A to Z" in fault.what


def test_rows_that_are_read_by_the_look_of_their_letters_are_counted(tmp_path: Path) -> None:
    text = "plate,note\nABC1,x\nА1234ВВ,Cyrillic\nу070рс177,small\nΑΒΓ1,Greek\nＡＢ１,wide\nÖ1,x\n"
    found = read(tmp_path, text)
    assert found.watchlist is not None
    assert set(found.watchlist.plates) == {"ABC1", "A1234BB", "Y070PC177", "AB1", "1"}
    letters, looks = found.faults
    assert letters.code == ListFaultCode.LETTERS
    assert "2 plates have letters other than A to Z" in letters.what
    assert (looks.code, looks.place.line, looks.severity) == (ListFaultCode.LOOKS, 3, "warning")
    assert "4 rows have letters that look like A to Z" in looks.what


def test_letters_of_a_comment_are_not_counted(tmp_path: Path) -> None:
    found = read(tmp_path, "ABC123\tбелая машина\nDEF456 (für Öl)\n", name="list.txt")
    assert found.watchlist is not None
    assert set(found.watchlist.plates) == {"ABC123", "DEF456"}
    assert found.faults == ()


def test_rows_of_one_plate_add_up(tmp_path: Path) -> None:
    text = (
        "plate,valid_from,valid_until,note\n"
        "ABC1,2020-01-01,2020-12-31,first\n"
        "XYZ1,,,other\n"
        "abc 1,2026-01-01,2026-12-31,second\n"
        "ABC1,2026-05-01,2027-12-31,third\n"
    )
    found = good(tmp_path, text)
    assert (len(found.plates), found.row_count) == (2, 4)
    row = found.row("ABC1", NOW)
    assert row is not None
    assert row["note"] == "second"
    assert found.is_on("ABC1", NOW.replace(year=2020))
    assert not found.is_on("ABC1", NOW.replace(year=2021))
    later = found.row("ABC1", NOW.replace(year=2027))
    assert later is not None
    assert later["note"] == "third"


def test_without_periods_the_first_row_counts(tmp_path: Path) -> None:
    found = good(tmp_path, "plate,note\nABC1,first\nABC1,second\nX1,x\n")
    row = found.row("ABC1", NOW)
    assert row is not None
    assert row["note"] == "first"
    assert found.row_count == 3


@pytest.mark.parametrize("header", ["valid_until", "note"])
def test_a_plate_in_very_many_rows_is_told(header: str, tmp_path: Path) -> None:
    text = f"plate,{header}\n" + "ABC1,2026-01-01\n" * (MAX_REPEATED + 2)
    found = read(tmp_path, text)
    assert found.watchlist is not None
    assert (found.watchlist.row_count, found.watchlist.skipped_count) == (MAX_REPEATED, 2)
    assert f"stands in {MAX_REPEATED:,} rows" in found.faults[0].what
