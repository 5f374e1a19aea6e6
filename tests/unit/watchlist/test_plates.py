"""Plates are what the producer makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.watchlist.plates import (
    MAX_LENGTH,
    MAX_TEXT,
    has_other_letters,
    normalise,
    plate_of,
    why_unusable,
)


@pytest.mark.parametrize(
    ("text", "plate"),
    [
        ("ABC123", "ABC123"),
        ("ab-123 c", "AB123C"),
        (" a.b\t1 ", "AB1"),
        ("straße 1", "STRASSE1"),
        ("MÜ-AB 12", "MAB12"),
        ("ﬁ1", "FI1"),
        ("\u0410\u0412 12", "12"),
        ("\uff21\uff2212", "12"),
        ("—", ""),
        ("", ""),
    ],
)
def test_a_plate_is_upper_case_and_only_a_to_z_and_digits(text: str, plate: str) -> None:
    assert normalise(text) == plate


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        ("AB-12", False),
        ("MÜ 1", True),
        ("ß1", False),
        ("\u0410\u04121", True),
        ("\u06631", True),
        ("A·1", False),
    ],
)
def test_letters_that_are_left_out_are_noticed(text: str, is_so: bool) -> None:
    assert has_other_letters(text) is is_so


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("-", "no letter"),
        ("ABC;note", "separator"),
        ("ABC,1", "separator"),
        ("AB\nC1", "separator"),
        ("ABC1\x0bDEF2", "separator"),
        ("ABC1\u2028DEF2", "separator"),
        ("1.00E+05", "spreadsheet"),
        ("1,5e-10", "spreadsheet"),
        ("A" * (MAX_LENGTH + 1), "more than 20"),
    ],
)
def test_what_is_no_plate_has_a_reason_that_does_not_tell_it(text: str, part: str) -> None:
    reason = why_unusable(text, normalise(text))
    assert part in reason
    assert not text.strip() or text == "-" or text not in reason


@pytest.mark.parametrize("text", ["ABC123", "1E5", "A" * MAX_LENGTH, "ab 12", "e+5"])
def test_what_is_a_plate_has_none(text: str) -> None:
    assert why_unusable(text, normalise(text)) == ""


@given(st.text(max_size=MAX_TEXT) | st.text("ABCabc019 -.Ößа", max_size=12))
def test_a_look_up_reads_a_text_as_a_list_does(text: str) -> None:
    assert plate_of(text) == normalise(text)


@pytest.mark.parametrize("text", ["ABC123", "1", "A" * MAX_TEXT])
def test_a_text_that_is_normal_is_given_back_itself(text: str) -> None:
    assert plate_of(text) is text


@pytest.mark.parametrize("value", [None, 1, 1.5, True, b"ABC123", ["ABC123"], "A" * 257, "-" * 300])
def test_what_can_be_no_plate_is_looked_up_as_none(value: object) -> None:
    assert plate_of(value) == ""
