"""Plates are what the producer makes of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.watchlist.plates import (
    MAX_LENGTH,
    MAX_TEXT,
    has_look_alikes,
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
        ("\u0410\u0412 12", "AB12"),
        ("\uff21\uff2212", "AB12"),
        ("А1ВЯ", "A1B"),
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
        ("\u0410\u04121", False),
        ("\u04141", True),
        ("\u06631", True),
        ("A·1", False),
    ],
)
def test_letters_that_are_left_out_are_noticed(text: str, is_so: bool) -> None:
    assert has_other_letters(text) is is_so


@pytest.mark.parametrize(
    ("text", "is_so"),
    [("А1", True), ("в1", True), ("Ω1", False), ("Я1", False), ("Ü1", False), ("ß", False),
     ("１", True), ("½", False), ("—", False)],
)  # fmt: skip
def test_letters_that_are_read_by_their_look_are_noticed(text: str, is_so: bool) -> None:
    assert has_look_alikes(text) is is_so


@pytest.mark.parametrize(
    ("letters", "look"),
    [
        ("АВЕКМНОРСТУХ", "ABEKMHOPCTYX"),
        ("авекмнорстух", "ABEKMHOPCTYX"),
        ("ІіЈјЅѕԚԛԜԝҮү", "IIJJSSQQWWYY"),
        ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX"),
        ("αβεζηικμνορτυχ", "ABEZHIKMNOPTYX"),
        ("ＡＺａｚ０９", "AZAZ09"),
        ("\u212a", "K"),
    ],
)
def test_letters_that_look_like_latin_ones_are_read_by_their_look(letters: str, look: str) -> None:
    assert normalise(letters) == look


@pytest.mark.parametrize("text", ["½", "²", "①", "Я", "Ё", "Й", "Ω", "Ö", "O\u0308", "Ϊ", "ΐ", "٣"])
def test_letters_and_digits_without_a_look_alike_are_left_out(text: str) -> None:
    assert normalise(text) == ""
    assert has_other_letters(text)


@given(st.text())
def test_a_normal_text_stays_as_it_is(text: str) -> None:
    normal = normalise(text)
    assert re.fullmatch("[A-Z0-9]*", normal)
    assert normalise(normal) == normal


@pytest.mark.parametrize("text", ["ABC123", "1E5", "A" * MAX_LENGTH, "ab 12"])
def test_what_is_a_plate_has_no_reason_against_it(text: str) -> None:
    assert why_unusable(text) == ""


@pytest.mark.parametrize("text", ["", "---", "A" * (MAX_LENGTH + 1)])
def test_what_is_no_plate_has_a_reason_against_it(text: str) -> None:
    assert why_unusable(text)


@given(st.text(max_size=MAX_TEXT) | st.text("ABCabc019 -.Ößа", max_size=12))
def test_a_look_up_reads_a_text_as_a_list_does(text: str) -> None:
    assert plate_of(text) == normalise(text)


@pytest.mark.parametrize("text", ["ABC123", "1", "A" * MAX_TEXT])
def test_a_text_that_is_normal_is_given_back_itself(text: str) -> None:
    assert plate_of(text) is text


@pytest.mark.parametrize("value", [None, 1, 1.5, True, b"ABC123", ["ABC123"], "A" * 257, "-" * 300])
def test_what_can_be_no_plate_is_looked_up_as_none(value: object) -> None:
    assert plate_of(value) == ""
