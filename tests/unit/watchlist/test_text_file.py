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
        "list.txt:4: this row is left out: it is not UTF-8: save the file as CSV UTF-8",
        "rules.yaml:2:3: the watchlist stolen: 3 of its 4 rows are left out, "
        "correct them; the others are used",
    ]


def test_columns_are_refused(tmp_path: Path) -> None:
    (fault,) = read(tmp_path, "ABC", name="list.txt", note="Grund").faults
    assert "a .txt file has plates only, no columns" in str(fault)


def test_a_file_without_plates_is_refused(tmp_path: Path) -> None:
    assert faults(tmp_path, "# nothing\n\n", name="list.txt") == [
        "rules.yaml:2:3: the watchlist stolen: the file holds no plate, write some, or remove it"
    ]
