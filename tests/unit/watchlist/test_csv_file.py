"""Tables as spreadsheets and people write them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.watchlist.list_files import NOW, faults, good, note, read


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_all_usual_forms_are_read(mark: str, end: str, separator: str, tmp_path: Path) -> None:
    rows = [["plate", "note"], ["abc-123", f'"two{end}lines, ""so"""'], ["X 1", ""]]
    text = mark + "".join(f"{separator.join(row)}{end}" for row in rows)
    found = good(tmp_path, text)
    assert set(found.plates) == {"ABC123", "X1"}
    assert note(found, "ABC123") == f'two{end}lines, "so"'
    assert note(found, "X1") is None


def test_the_line_that_names_the_separator_is_no_header(tmp_path: Path) -> None:
    found = good(tmp_path, "sep=;\r\nplate;note\r\nABC1;a,b,c\r\n")
    assert note(found, "ABC1") == "a,b,c"


def test_empty_rows_and_columns_and_comments_are_nothing(tmp_path: Path) -> None:
    text = "\n# of today\nplate;note;;\n\nABC1;x;;\n;;;\n# Z9;y;;\nABC2;y;;;;\n   \n"
    found = read(tmp_path, text)
    assert found.faults == ()
    assert found.watchlist is not None
    assert set(found.watchlist.plates) == {"ABC1", "ABC2"}


def test_further_columns_are_kept_by_their_names(tmp_path: Path) -> None:
    found = good(tmp_path, "plate,Reported by,Case No.\nABC1,Anna,17\n")
    assert found.columns == ("reported_by", "case_no")
    assert found.row("ABC1", NOW) == {
        "note": None,
        "reported_by": "Anna",
        "case_no": "17",
        "valid_from": None,
        "valid_until": None,
    }


def test_rows_that_do_not_fit_are_told_and_left_out(tmp_path: Path) -> None:
    text = (
        "plate,valid_from,valid_until,note\n"
        "GOOD1,,,x\n"
        ",,,no plate\n"
        "SHORT1,\n"
        "LONG1,,,a,b\n"
        "DATE1,soon,,x\n"
        "DATE2,,12/11/2026,x\n"
        "DATE3,2026-02-01,2026-01-01,x\n"
        'OPEN1,,,"x\n'
        "GOOD2,2026-01-01,2026-12-31,x\n"
    )
    found = read(tmp_path, text)
    assert found.watchlist is not None
    assert set(found.watchlist.plates) == {"GOOD1", "GOOD2"}
    assert (found.watchlist.row_count, found.watchlist.skipped_count) == (2, 7)
    rows = [
        (fault.place.line, fault.what.removeprefix("this row is left out: "))
        for fault in found.faults[:-1]
    ]
    assert rows == [
        (3, "the plate is empty"),
        (4, "it has 2 fields, the header has 4"),
        (5, "it has 5 fields, the header has 4"),
        (6, "valid_from is no date: write it like 2026-12-31 or 2026-12-31T18:00"),
        (
            7,
            "valid_until may have the day or the month first: write it like 2026-12-31, "
            "or give the list `date_format: DD/MM/YYYY` or `date_format: MM/DD/YYYY`",
        ),
        (8, "valid_until is before valid_from"),
        (9, "a quotation mark is not closed"),
    ]


def test_no_fault_tells_a_plate(tmp_path: Path) -> None:
    text = "plate,valid_until\nSECRET1,soon\nSECRET2\nSECRET3;X,\nÜSECRET4,\n"
    text += "SECRET5" * 3 + ","
    assert "SECRET" not in " ".join(faults(tmp_path, text))


def test_a_list_without_a_header_is_refused(tmp_path: Path) -> None:
    assert faults(tmp_path, "ABC123\nXYZ999\n") == [
        "list.csv:1: the watchlist stolen: the first line is no header: no column of it is called "
        "`plate`, write a line `plate` above the plates, or `column: 1`"
    ]


HEADERLESS = {
    "no_header_state_first": "QC;DEF228;2012-01-31;2099-05-31;P1\nON;244KVF;2012-01-31;;P2\n",
    "no_header_no_digits": "MYCAR;NLD;estate car\nZLSZ17;NLD;van\nAB123HK;ITA;\n",
    "with_a_bar": "Anna|ABC123|2026-01-31\nBob|DEF456|2026-01-31\n",
    "one_column": "ABC123\nXYZ999\n",
}


@pytest.mark.parametrize("text", HEADERLESS.values(), ids=HEADERLESS)
def test_both_remedies_for_a_list_without_a_header_work(text: str, tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, text)
    header = re.search("`([^`]*plate[^`]*)`", fault.partition("called `plate`")[2])
    number = re.search("`column: ([0-9]+)`", fault)
    assert header is not None
    assert number is not None
    by_header = read(tmp_path, f"{header[1]}\n{text}")
    by_number = read(tmp_path, text, column=number[1])
    # That columns of dates are not used is another matter.
    others = [each for each in by_header.faults if each.code != "watchlist-dates"]
    assert (others, by_number.faults) == ([], ())
    for found in (by_header.watchlist, by_number.watchlist):
        assert found is not None
        assert found.row_count == text.count("\n")
        assert found.plates.keys() & {"DEF228", "MYCAR", "ABC123"}


def test_numbered_columns_have_their_meaning(tmp_path: Path) -> None:
    text = HEADERLESS["no_header_state_first"]
    found = good(tmp_path, text, column="2", valid_from="3", valid_until="4", note="5")
    assert note(found, "DEF228") == "P1"
    assert found.is_on("DEF228", NOW)
    assert not found.is_on("DEF228", NOW.replace(year=2011))


def test_rows_that_are_looked_at_for_the_header_are_not_lost(tmp_path: Path) -> None:
    rows = [f"{number},ABC{number},x" for number in range(100)]
    text = "Nr,Car,Why\n" + "\n".join(rows)
    (fault,) = faults(tmp_path, text)
    assert "there are: `Nr`, `Car`, `Why`, write `column: Car` if that one holds them" in fault
    assert good(tmp_path, text, column="Car").row_count == 100
    assert good(tmp_path, text.replace("Car", "Tag")).row_count == 100


def test_a_header_that_can_not_be_read_is_not_the_row_below_it(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, 'plate,"note\nABC,x\nABC1,y\n')
    assert fault.startswith("list.csv:1: the watchlist stolen: the header can't be read, ")


def test_a_blank_before_a_quotation_mark_is_forgiven(tmp_path: Path) -> None:
    assert note(good(tmp_path, 'plate, note\nABC1, "x, y"\n'), "ABC1") == "x, y"


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "sep=;\n"])
def test_a_table_without_a_header_is_refused(text: str, tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, text)
    assert "the file is empty, it has no header either, write its header" in fault


@pytest.mark.parametrize("text", ["plate", "plate,note\n", "sep=;\nplate;note\n# none now\n;\n"])
def test_a_header_alone_is_a_list_without_plates(text: str, tmp_path: Path) -> None:
    found = read(tmp_path, text)
    assert found.faults == ()
    assert found.watchlist is not None
    assert (found.watchlist.row_count, found.watchlist.is_on("ABC1", NOW)) == (0, False)


def test_a_cell_has_a_comment_as_a_line_of_a_text_has(tmp_path: Path) -> None:
    text = 'plate,note\nABC123 unit 5,x\n"DEF456, red car",y\n="00123",z\n123456.0,z\nAB1#x,z\n'
    assert set(good(tmp_path, text).plates) == {"ABC123", "DEF456", "00123", "123456", "AB1"}


def test_an_error_of_a_spreadsheet_is_no_comment(tmp_path: Path) -> None:
    found = read(tmp_path, "plate,note\nABC123,x\n#N/A,y\n#REF!,z\n# more,z\n#,\n")
    assert found.watchlist is not None
    assert found.watchlist.skipped_count == 2
    assert [fault.place.line for fault in found.faults[:-1]] == [3, 4]


def test_a_separator_other_than_the_headers_is_told(tmp_path: Path) -> None:
    assert "several values" in faults(tmp_path, "plate\nABC1;stolen\nABC2\n")[0]


def test_dates_are_read_as_a_later_row_shows(tmp_path: Path) -> None:
    text = "plate,valid_from,valid_until\nA1,,04/06/2026\nA2,05/05/2026,\nA3,,12/31/2026 11:59 PM\n"
    found = read(tmp_path, text)
    assert found.faults == ()
    assert found.watchlist is not None
    # April, for 31 is no month.
    assert not found.watchlist.is_on("A1", NOW)
    assert found.watchlist.is_on("A2", NOW)
    shown = read(tmp_path, text.replace("12/31/2026", "31/12/2026").replace(" 11:59 PM", ""))
    assert shown.watchlist is not None
    assert shown.watchlist.is_on("A1", NOW)


def test_dates_of_both_orders_are_told_and_cost_the_unsure_ones(tmp_path: Path) -> None:
    text = "plate,valid_until\nA1,12/31/2026\nA2,31/12/2026\nA3,01/02/2026\n"
    row, _, both = sorted(faults(tmp_path, text))
    assert "list.csv:4: this row is left out: valid_until may have the day or the month" in row
    assert "have the day first, as in 31/12/2026, and the month, as in 12/31/2026" in both


def test_other_bytes_than_utf8_cost_no_row_whose_plate_is_sure(tmp_path: Path) -> None:
    text = (
        "Kennzeichen;Grund;Gültig bis\n"
        "ABC-123;Müller;31.12.2026\nMÜ-AB 1;x;\nX\xa01;für immer;unbefristet\nX2;ß;1. März 2026\n"
    )
    found = read(tmp_path, text.encode("cp1252"), column="Kennzeichen", note="Grund")
    assert found.watchlist is not None
    assert {*found.watchlist.plates} == {"ABC123", "X1", "X2"}
    assert note(found.watchlist, "ABC123") == "Müller"
    assert not found.watchlist.is_on("X2", NOW)
    assert [(fault.code, fault.place.line) for fault in found.faults] == [
        ("watchlist-row", 3),
        ("not-utf8", 1),
        ("watchlist-rows", 2),
    ]
    assert "5 lines are not UTF-8" in found.faults[1].what


def test_a_column_of_dates_under_another_name_is_used_and_kept(tmp_path: Path) -> None:
    text = "plate,Expiry date,since\nA1,31-DEC-2025,x\nA2,NULL,y\nA3,2026-12-31,z\n"
    found = read(tmp_path, text)
    assert found.faults == ()
    assert found.watchlist is not None
    assert [found.watchlist.is_on(plate, NOW) for plate in ("A1", "A2", "A3")] == [
        False,
        True,
        True,
    ]
    row = found.watchlist.row("A3", NOW)
    assert row is not None
    assert row["expiry_date"] == "2026-12-31"
    assert str(row["valid_until"]).startswith("2026-12-31 23:59")


def test_a_column_of_dates_that_is_not_used_is_told(tmp_path: Path) -> None:
    text = "plate,Issued\nA1,2025-01-01\nA2,\n"
    (told,) = faults(tmp_path, text)
    assert told == (
        "list.csv:1: the watchlist stolen: the column `Issued` holds dates, and is not used, if "
        "rows end on that day, write `valid_until: Issued`, else `valid_until: none`"
    )
    assert faults(tmp_path, text, valid_until="none") == []
    assert faults(tmp_path, text, valid_until="Issued") == []
