"""Files become lists, are taken over, or are refused; one bad record costs no other."""

from __future__ import annotations

import gzip
import io
import os
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.errors import Place
from engine.watchlist import read_watchlist, standard_costs
from engine.watchlist.reader import MAX_LINES, GuessedFields, Records, as_cp1252, is_utf8
from tests.support.plate_costs import changed_costs
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


def test_other_costs_of_misreadings_read_the_file_again(tmp_path: Path) -> None:
    known = good(tmp_path, "plate\nABC1\n")
    costs = changed_costs(tmp_path)
    again = read_watchlist(known.definition, UTC, known, costs).watchlist
    assert again is not None
    assert (known.costs, again.costs) == (standard_costs(), costs)
    assert read_watchlist(known.definition, UTC, again, costs).watchlist is again


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


def records(text: str | bytes) -> tuple[list[tuple[int, list[str]]], list[tuple[int, str]]]:
    data = text if isinstance(text, bytes) else text.encode()
    stream = io.TextIOWrapper(io.BytesIO(data), "utf-8", errors="surrogateescape", newline="")
    told: list[tuple[int, str]] = []
    found = list(Records(stream, ",", lambda line, what: told.append((line, what))))
    return found, told


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_records_have_the_lines_at_which_they_begin(end: str) -> None:
    found, told = records(f'a,b{end}"x{end}y",1{end}{end}c,d')
    assert found == [(1, ["a", "b"]), (2, [f"x{end}y", "1"]), (4, []), (5, ["c", "d"])]
    assert told == []


def test_a_quotation_mark_that_is_not_closed_costs_its_line_only() -> None:
    lines = "".join(f"p{number},x\n" for number in range(100))
    found, told = records(f'a,"b\n{lines}')
    assert told == [(1, "a quotation mark is not closed")]
    assert found == [(number + 2, [f"p{number}", "x"]) for number in range(100)]


def test_so_it_is_at_the_end_of_the_file() -> None:
    found, told = records('a,b\nc,"d\ne,f')
    assert found == [(1, ["a", "b"]), (3, ["e", "f"])]
    assert told == [(2, "a quotation mark is not closed")]


def test_every_line_may_have_one() -> None:
    count = 3 * MAX_LINES + 1
    found, told = records('a,"b,\n' * (count - 1) + 'a,"b,')
    assert len(told) + len(found) <= count
    assert not [fields for _, fields in found if len(fields) < 2]


def test_text_behind_a_closing_quotation_mark_is_told() -> None:
    found, told = records('a,"b"c\nd,e\n')
    assert found == [(2, ["d", "e"])]
    assert told[0][0] == 1
    assert "double the quotation marks" in told[0][1]


def test_a_field_without_end_is_told() -> None:
    found, told = records(f"a,{'x' * 200_000}\nb,c\n")
    assert found == [(2, ["b", "c"])]
    assert "more than 131,072 characters" in told[0][1]


def test_what_is_not_utf8_is_read_as_windows_writes_it() -> None:
    text = b'a,b\nc,M\xfcller\nd,\xc3\xbc\n"f\n\x80 5\x96",g\nh,i\n\x81,\xc3\xbc\n'
    found, told = records(text)
    assert [fields for _, fields in found] == [
        ["a", "b"],
        ["c", "Müller"],
        ["d", "ü"],
        ["f\n€ 5–", "g"],
        ["h", "i"],
        ["\ufffd", "ü"],
    ]
    guessed = [line for line, fields in found if isinstance(fields, GuessedFields)]
    assert guessed == [2, 4, 7]
    assert told == []


def test_text_in_cp1252_has_its_letters() -> None:
    assert as_cp1252("ü") == "ü"
    assert as_cp1252(b"G\xfcltig bis".decode("utf-8", "surrogateescape")) == "Gültig bis"


def test_zero_bytes_are_text() -> None:
    found, told = records("a\0,b\n")
    assert found == [(1, ["a\0", "b"])]
    assert told == []


def test_text_knows_whether_it_was_utf8() -> None:
    assert is_utf8("ü")
    assert not is_utf8("\udcfc")


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
