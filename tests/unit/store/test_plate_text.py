"""Where texts name a plate, and where they only hold its signs."""

from __future__ import annotations

import json

import pytest

from engine.store import PlateText

ABC = PlateText("abc-123")


@pytest.mark.parametrize("given", ["ABC123", "abc 123", " A-B-C 123", "АВС123", "ＡＢＣ１２３"])
def test_a_plate_may_be_given_in_any_way(given: str) -> None:
    assert PlateText(given).plate == "ABC123"


@pytest.mark.parametrize(
    "text",
    [
        "ABC123",
        "car abc 123 at gate-1",
        "ABC-123,XYZ9",
        "seen: (A.B.C·123)",
        "АВС 123 in Cyrillic letters",
        "https://images.example.com/x_ABC123_0017.jpg",
        '["watch",["plate"],["ABC123"]]',
    ],
)
def test_a_text_names_it_as_a_word_of_its_own(text: str) -> None:
    assert ABC.is_in(text)
    assert ABC.may_be_in(text.encode())


@pytest.mark.parametrize("text", ["ABC1234", "XABC123", "ABC 12", "A....BC123", "ÖABC123", ""])
def test_a_longer_word_or_another_one_does_not_name_it(text: str) -> None:
    assert not ABC.is_in(text)


def test_a_text_in_json_begins_where_its_escapes_end() -> None:
    document = json.dumps({"notes": ["first\nabc 123"]})
    assert not ABC.is_in(document)
    assert ABC.spellings_in_json(document) == {"abc 123"}


def test_what_is_no_json_counts_as_one_text() -> None:
    assert ABC.spellings_in_json(b"\xff ABC-123 {") == {"ABC-123"}


def test_of_a_short_plate_only_fields_that_hold_one_are_looked_at() -> None:
    short = PlateText("a 1")
    assert short.is_plate("A-1")
    assert not short.is_in("exit A1")
    assert not short.may_be_in(b"exit A1")


def test_a_plate_without_latin_letters_is_looked_for_as_it_is() -> None:
    assert PlateText("京シも").is_in("車 京シも")
