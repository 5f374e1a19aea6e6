"""A plate a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.watchlist.list_files import faults, good, read


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_plates_stand_one_a_line(end: str, mark: bytes, tmp_path: Path) -> None:
    text = f"# stolen{end}ABC123{end}{end} ab-9 x # red{end}ABC123{end}  #"
    found = good(tmp_path, mark + text.encode(), name="list.txt")
    assert set(found.plates) == {"ABC123", "AB9X"}
    assert found.row_count == 3
    assert found.validity is None


def test_lines_that_are_no_plates_are_told_by_their_number(tmp_path: Path) -> None:
    text = b"ABC123\nXYZ,stolen\n--\n" + b"M\xdc12\n"
    assert faults(tmp_path, text, name="list.txt") == [
        "list.txt:2: this row is left out: the plate holds a separator: these are several values",
        "list.txt:3: this row is left out: the plate holds no letter A to Z and no digit",
        "list.txt:4: this row is left out: the plate has a letter that is not UTF-8: "
        "save the file as CSV UTF-8",
        "list.txt:4: the watchlist stolen: 1 line is not UTF-8, read as Windows writes text in "
        "Western Europe (cp1252), save the file as CSV UTF-8",
        "rules.yaml:2:3: the watchlist stolen: 3 of its 4 rows are left out, "
        "correct them; the others are used",
    ]


@pytest.mark.parametrize(
    "header", ["plate", "PLATE", "License Plate", "plate,note", "Reg;Why", "LPN\tx", "# x\n\nTarga"]
)
def test_a_header_is_no_plate(header: str, tmp_path: Path) -> None:
    found = read(tmp_path, f"{header}\nABC123\n", name="list.txt")
    assert found.watchlist is not None
    assert set(found.watchlist.plates) == {"ABC123"}
    assert "it is a header, and a .txt file has none" in found.faults[0].what
    assert found.faults[0].place.line == header.count("\n") + 1


def test_a_plate_that_is_a_name_of_the_column_is_a_plate_below_the_first(tmp_path: Path) -> None:
    found = read(tmp_path, "TAG\nTARGA\nPLATE\n", name="list.txt")
    assert found.faults == ()
    assert found.watchlist is not None
    assert set(found.watchlist.plates) == {"TAG", "TARGA", "PLATE"}


def test_lines_have_comments(tmp_path: Path) -> None:
    text = "// north\nY070PY177\tunit 4\nO362TK197 unit 5\nAB123CD - red car\nEF456GH (staff)\n#\n"
    found = read(tmp_path, text, name="list.txt")
    assert found.faults == ()
    assert found.watchlist is not None
    assert set(found.watchlist.plates) == {"Y070PY177", "O362TK197", "AB123CD", "EF456GH"}


def test_what_is_not_utf8_is_told_once_and_costs_no_line_whose_plate_is_sure(
    tmp_path: Path,
) -> None:
    text = b"ABC123 # M\xfcller\n# \xfc\nAB\xa012\nX1\n"
    found = read(tmp_path, text, name="list.txt")
    assert found.watchlist is not None
    assert {*found.watchlist.plates} == {"ABC123", "AB12", "X1"}
    (fault,) = found.faults
    assert (fault.code, fault.place.line) == ("not-utf8", 1)
    assert "3 lines are not UTF-8" in fault.what


def test_a_plate_with_a_letter_that_is_not_utf8_is_left_out(tmp_path: Path) -> None:
    # \x8d is a letter neither in UTF-8 nor in cp1252.
    text = b"K\xd6LN1\nAB\x8d12\nABC123 Tor M\x8d\nXYZ999\n"
    found = read(tmp_path, text, name="list.txt")
    assert found.watchlist is not None
    assert {*found.watchlist.plates} == {"ABC123", "XYZ999"}
    rows = [fault for fault in found.faults if fault.code == "watchlist-row"]
    assert [fault.place.line for fault in rows] == [1, 2]
    assert all("not UTF-8: save the file as CSV UTF-8" in fault.what for fault in rows)


def test_columns_are_refused(tmp_path: Path) -> None:
    (fault,) = read(tmp_path, "ABC", name="list.txt", note="Grund").faults
    assert "a .txt file has plates only, no columns" in str(fault)


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n\n", "\ufeff"])
def test_a_file_without_plates_is_an_empty_list(text: str, tmp_path: Path) -> None:
    assert faults(tmp_path, text, name="list.txt") == []
    assert good(tmp_path, text, name="list.txt").row_count == 0
