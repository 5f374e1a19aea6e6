"""One bad record costs no other."""

from __future__ import annotations

import io

import pytest

from engine.watchlist.reader import MAX_LINES, GuessedFields, Records, as_cp1252, is_utf8


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
