"""Files become lists, are taken over, or are refused."""

from __future__ import annotations

import gzip
import os
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.errors import Place
from engine.watchlist import read_watchlist
from tests.unit.watchlist.list_files import definition, faults, good, note, read


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    known = good(tmp_path, "plate\nABC1\n-\n")
    again = read_watchlist(known.definition, UTC, known)
    assert again.watchlist is known
    assert [fault.place.line for fault in again.faults] == [3, 2]


def test_a_definition_that_moved_tells_its_faults_where_it_stands_now(tmp_path: Path) -> None:
    known = good(tmp_path, "plate\nABC1\n-\n")
    moved = replace(known.definition, place=Place("rules.yaml", 9, 1))
    found = read_watchlist(moved, UTC, known)
    assert found.watchlist is known
    assert [str(fault.place) for fault in found.faults] == [
        f"{tmp_path}/list.csv:3:1",
        "rules.yaml:9:1",
    ]


def test_a_file_with_another_time_or_size_is_read_again(tmp_path: Path) -> None:
    known = good(tmp_path, "plate\nABC1\n")
    assert set(good(tmp_path, "plate\nXYZ12\n", known=known).plates) == {"XYZ12"}
    known = good(tmp_path, "plate\nABC1\n")
    path = tmp_path / "list.csv"
    path.write_text("plate\nABC2\n")
    os.utime(path, ns=(0, known.mark.changed_ns + 1))
    found = read_watchlist(known.definition, UTC, known).watchlist
    assert found is not None
    assert set(found.plates) == {"ABC2"}


def test_a_file_that_was_replaced_by_a_rename_is_read_again(tmp_path: Path) -> None:
    known = good(tmp_path, "plate\nABC1\n")
    new = tmp_path / "new.csv"
    new.write_text("plate\nABC2\n")
    os.utime(new, ns=(known.mark.changed_ns, known.mark.changed_ns))
    new.rename(tmp_path / "list.csv")
    found = read_watchlist(known.definition, UTC, known).watchlist
    assert found is not None
    assert set(found.plates) == {"ABC2"}


def test_another_definition_or_zone_reads_the_file_again(tmp_path: Path) -> None:
    text = "plate,other\nABC1,X1\n"
    known = good(tmp_path, text)
    other = read_watchlist(definition(tmp_path / "list.csv", column="other"), UTC, known)
    assert other.watchlist is not None
    assert set(other.watchlist.plates) == {"X1"}
    assert read_watchlist(known.definition, ZoneInfo("Asia/Tokyo"), known).watchlist is not known


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("list.xlsx", b"PK\x03\x04", "is a spreadsheet, save it as CSV UTF-8"),
        ("list.csv", b"PK\x03\x04rest", "the file is a spreadsheet, not text"),
        ("list.csv", b"\xd0\xcf\x11\xe0rest", "the file is a spreadsheet, not text"),
        ("list.csv", "plate\nABC1".encode("utf-32"), "not UTF-8 (perhaps UTF-16)"),
        (
            "list.csv",
            gzip.compress(b"plate\nABC1", mtime=0),
            "compressed (gzip), not text, unpack it",
        ),
        ("list.csv", "plate\nABC1".encode("utf-16-le"), "not UTF-8 (perhaps UTF-16)"),
        ("list.json", b"[]", "is no .csv, .tsv or .txt file"),
        ("list", b"ABC1", "is no .csv, .tsv or .txt file"),
    ],
)
def test_what_is_no_list_is_refused(name: str, text: bytes, part: str, tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, text, name=name)
    assert fault.startswith("rules.yaml:2:3: the watchlist stolen: ")
    assert part in fault


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["list.csv", "list.txt"])
def test_utf16_is_read_where_the_file_says_so(name: str, order: str, tmp_path: Path) -> None:
    text = "plate\tnote\nABC1\tM\u00fcller \u010d\n" if name == "list.csv" else "ABC1\nX-2\n"
    found = good(tmp_path, f"\ufeff{text}".encode(order), name=name)
    assert "ABC1" in found.plates
    assert found.faults == ()
    if name == "list.csv":
        assert note(found, "ABC1") == "M\u00fcller \u010d"


def test_utf16_that_is_cut_off_costs_its_last_row_at_most(tmp_path: Path) -> None:
    found = good(tmp_path, "\ufeffplate\nABC1\nABC2".encode("utf-16-le")[:-1])
    assert {*found.plates} == {"ABC1"}
    assert "has a letter that is not UTF-8" in found.faults[0].what


def test_a_missing_file_is_told_where_it_is_named(tmp_path: Path) -> None:
    (fault,) = read_watchlist(definition(tmp_path / "none.csv"), UTC).faults
    assert str(fault.place) == "rules.yaml:2:3"
    assert fault.code == "unreadable"
    assert "there is no file" in fault.what


def test_a_folder_and_a_pipe_are_refused_without_waiting(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("folder.csv", "pipe.csv"):
        (fault,) = read_watchlist(definition(tmp_path / name), UTC).faults
        assert "is not a regular file" in fault.what


def test_a_path_that_the_system_refuses_is_told(tmp_path: Path) -> None:
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    for path in (loop, tmp_path / ("x" * 300 + ".csv"), tmp_path / "a\0b.csv"):
        (fault,) = read_watchlist(definition(path), UTC).faults
        assert fault.code == "unreadable"


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("plate\n")
    os.truncate(path, 300 * 1024**2)
    (fault,) = read_watchlist(definition(path), UTC).faults
    assert "larger than 256 MiB" in fault.what


def test_upper_case_suffixes_are_suffixes(tmp_path: Path) -> None:
    assert read(tmp_path, "plate\nABC1\n", name="LIST.CSV").watchlist is not None
    assert read(tmp_path, "ABC1\n", name="LIST.TXT").watchlist is not None
