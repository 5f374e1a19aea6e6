"""A cell is a plate, or a plate and a comment, or it is refused: never another plate."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.watchlist.plates import (
    COMMENT_FIRST,
    DOUBTFUL,
    EMPTY,
    FORMULA,
    MADE_DATE,
    MADE_NUMBER,
    MAX_LENGTH,
    MAYBE_NUMBER,
    NO_LETTER,
    SEVERAL,
    SHEET_ERROR,
    TOO_LONG,
    WILDCARD,
    WORD_FOR_NONE,
    NoPlateError,
    is_clean,
    normalise,
    written_plate,
)


def plate(text: str) -> str:
    return normalise(written_plate(text))


def reason(text: str) -> str:
    with pytest.raises(NoPlateError) as caught:
        written_plate(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "ABC123", "KFA-8725", "B-MW 1234", "AB 123 CD", "ABC 123", "xyz 789", "ab-123 c", "Abc 123",
        "AB123cd", "a.b 1", "MYCAR", "MY CAR", "B MW 1234 E", "HH AB1234", "HH-AB 123",
        "HVL AB 123", "W 12345A", "KR 1AB23", "AB 12 345", "CA 123 456", "AB12 CDE", "A123 BCD",
        "AB 123CD", "AB123 CD", "1234 ABC", "1-ABC-234", "12-34-AB", "34 ABC 123", "34 ABC123",
        "B 1234 ABC", "MH 12 AB 1234", "MH12 AB1234", "KA 01AB1234", "DL 1C AB 1234", "WP CAB-1234",
        "123 TUN 4567", "12345-A-6", "12345 116 16", "12 345 67", "29A-123.45", "51F 123.45",
        "80-123-NG-45", "LEA-12-1234", "KAA 123A", "ABC-1D23", "A 123 BC 77", "A123BC 77",
        "123ABC 02", "01 A123BC", "1234AB-7", "12B345-67", "ABC 123 GP", "AB 12 CD GP", "S123-ABC",
        "1AB-2CD", "ABCD 123", "TAXI 12", "KFA - 8725", "B - MW 1234", "- ABC123", "1E5", "12E3",
        "GW 1234-12", "MH12AB 1234", "KA-01 AB 1234", "123 ABC 02", "12-ABC-3", "AB 12-34 BB",
        "123 45 678", "1 234", "ABC123.", "AB·123·CD", "O'NEIL", "I♥NY", "A" * MAX_LENGTH,
    ],
)  # fmt: skip
def test_a_plate_is_read_as_countries_and_people_write_it(text: str) -> None:
    assert plate(text) == "".join(filter(str.isalnum, text.upper()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("京A·12345", "A12345"),
        ("12가 3456", "123456"),
        ("品川 500 あ 12-34", "5001234"),
        ("M-ÜX 123", "MX123"),
        ("AB123CD 社員", "AB123CD"),
        ("\u202aABC123\u202c", "ABC123"),
        ("АВ\u00a0123", "AB123"),
        ("ＡＢ\u3000１２３", "AB123"),
    ],
)
def test_other_scripts_and_signs_without_a_look_make_no_doubt(text: str, expected: str) -> None:
    assert plate(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Y070PY177\tunit 4", "Y070PY177"),
        ("O362TK197 unit 5", "O362TK197"),
        ("AB123CD - red estate car", "AB123CD"),
        ("EF456GH (staff)", "EF456GH"),
        ("EF456GH(staff)", "EF456GH"),
        ("EF456GH [was AB12CDE]", "EF456GH"),
        ("EF456GH （staff）", "EF456GH"),
        ("ABC123\tDEF", "ABC123"),
        ("ABC123 # DEF 5", "ABC123"),
        ("ABC123// DEF456", "ABC123"),
        ("AB 123 CD unit 5", "AB123CD"),
        ("B-MW 1234 staff", "BMW1234"),
        ("KFA - 8725 - staff", "KFA8725"),
        ("AB-123-CD-staff", "AB123CD"),
        ("AB123CD – Anna", "AB123CD"),
        ("AB123CD — VW Golf", "AB123CD"),
        ("AB123CD - BMW 320d", "AB123CD"),
        ("AB123CD - RED CAR", "AB123CD"),
        ("KFA-8725 - VIP", "KFA8725"),
        ("AB-123-CD – VW Golf", "AB123CD"),
        ("AB123CD: VIP", "AB123CD"),
        ("AB123CD, red car", "AB123CD"),
        ("AB123CD; red car", "AB123CD"),
        ("AB123CD my car", "AB123CD"),
        ("AB123CD 2nd car", "AB123CD"),
        ("AB123CD stolen?", "AB123CD"),
        ("AB123CD red (staff)", "AB123CD"),
        ("ab123cd - red car", "AB123CD"),
        ("ab123cd unit 5", "AB123CD"),
        ("12345 unit 5", "12345"),
        ("MYCAR red", "MYCAR"),
        ("A123BC 77 white", "A123BC77"),
        ("У070РУ177 белая", "Y070PY177"),
    ],
)
def test_a_comment_is_understood(text: str, expected: str) -> None:
    assert plate(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "O362TK197 UNIT 5", "AB123CD RED CAR", "AB123CD VIP", "AB123CD 5", "ABC123 FL", "ABC123-FL",
        "AB 123 CD VIP", "ABC 123 VAN", "12345 VAN", "12345 UNIT 5", "FL ABC123", "VIP ABC123",
        "UNIT 5 ABC123", "TAXI AB 123", "ABC123 DEF456", "ABC123-DEF456", "ABC123 - DEF456",
        "ABC123 and DEF456", "ABC123 was XY12ABC", "AB 123 cd", "Ab-123-Cd", "abc 123 red",
        "mycar red", "staff car", "AB123CD VW Golf", "ABC (123)", "ZH (CH) 123456", "AB[C]123",
        "ABC1[23]", "AB\t123", "KFA-8725 5", "AB-123-CD 5",
        "AB 123 CD 5", "AB 123 CD 75", "ABC 123 5", "12345 5",
        "123 ABC 5", "1234 ABC 12", "AB unit 5", "0171 1234567", "品川 500 (あ) 12-34", "4 EVER",
    ],
)  # fmt: skip
def test_what_may_be_a_plate_and_more_is_refused(text: str) -> None:
    assert reason(text) == DOUBTFUL


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", EMPTY),
        (" \t", EMPTY),
        ("'", EMPTY),
        ("# red car", EMPTY),
        ("#N/A", SHEET_ERROR),
        ("#REF!", SHEET_ERROR),
        ("#BEZUG!", SHEET_ERROR),
        ("-", NO_LETTER),
        ("社員", NO_LETTER),
        ("٣٤.0", NO_LETTER),
        ("A" * (MAX_LENGTH + 1), TOO_LONG),
        ("1" * (MAX_LENGTH + 1) + ".0", TOO_LONG),
        ("NULL", WORD_FOR_NONE),
        ("none", WORD_FOR_NONE),
        ("NaN", WORD_FOR_NONE),
        ("n/a", WORD_FOR_NONE),
        ("=A1&B1", FORMULA),
        ("(staff) ABC123", COMMENT_FIRST),
        ("Stolen ABC123", COMMENT_FIRST),
        ("Anna AB 123", COMMENT_FIRST),
        ("ABC123/DEF456", SEVERAL),
        ("ABC123 / DEF456", SEVERAL),
        ("ABC123 & DEF456", SEVERAL),
        ("ABC123+DEF456", SEVERAL),
        ("ABC123,DEF456", SEVERAL),
        ("ABC123;x", SEVERAL),
        ("ABC123|x", SEVERAL),
        ("ABC123\nDEF456", SEVERAL),
        ("ABC123 # x\nDEF456", SEVERAL),
        ("ABC1\x0bDEF2", SEVERAL),
        ("ABC1\u2028DEF2", SEVERAL),
        ("AB_12", "the plate holds a `_`, which no plate has"),
        ("AB:12", "the plate holds a `:`, which no plate has"),
        ("Visitors:", "the plate holds a `:`, which no plate has"),
        ("$123", "the plate holds a `$`, which no plate has"),
        ("50%", "the plate holds a `%`, which no plate has"),
        ("AB\x7f12", "the plate holds a control character, which no plate has"),
    ],
)
def test_what_is_no_plate_has_its_reason(text: str, why: str) -> None:
    assert reason(text) == why


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("123456.0", "123456"),
        ("123456.00", "123456"),
        ("123456,0", "123456"),
        ("1234567.0", "1234567"),
        ("１２３.0", "123"),
        ("'00123", "00123"),
        ("'AB 123'", "AB123"),
        ('="00123"', "00123"),
        ('"ABC123"', "ABC123"),
        ("“ABC123”", "ABC123"),
    ],
)
def test_what_a_spreadsheet_made_of_a_number_is_undone_where_that_is_certain(
    text: str, expected: str
) -> None:
    assert plate(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1.00E+05", MADE_NUMBER),
        ("1,5e-10", MADE_NUMBER),
        ("1.23E+05", MADE_NUMBER),
        ("1E+05", MADE_NUMBER),
        # As Java has it. Nothing writes a number as 1E5.
        ("1.2345678E7", MADE_NUMBER),
        ("1,234", MAYBE_NUMBER),
        ("1.234", MAYBE_NUMBER),
        ("12.000", MAYBE_NUMBER),
        ("1,234,567", MAYBE_NUMBER),
        ("12.5", MAYBE_NUMBER),
        ("-12.5", MAYBE_NUMBER),
        ("2026-01-31", MADE_DATE),
        ("2026-01-31 00:00:00", MADE_DATE),
        ("31.01.2026", MADE_DATE),
        ("1/2/2026", MADE_DATE),
        ("12-Mar", MADE_DATE),
        ("Mar-12", MADE_DATE),
        ("10. Dez", MADE_DATE),
    ],
)
def test_what_a_spreadsheet_made_of_another_plate_is_refused(text: str, why: str) -> None:
    assert reason(text) == why


@pytest.mark.parametrize(
    "text", ["WH89K*", "SL???", "NRGB66?", "WH*KR", "*", "?", "ABC 12? red", "ＡＢ＊", "AB * CD"]
)
def test_a_plate_has_no_wildcards(text: str) -> None:
    assert reason(text) == WILDCARD


@pytest.mark.parametrize("text", ["SECRET12 SECRET34", "SECRET;12", "Anna SECRET12", "SECRET*"])
def test_no_reason_tells_a_plate(text: str) -> None:
    assert "SECRET" not in reason(text)


@given(
    st.text(max_size=30) | st.text(string.ascii_letters + string.digits + " -.()#\t", max_size=30)
)
def test_no_text_becomes_another_plate(text: str) -> None:
    try:
        written = written_plate(text)
    except NoPlateError:
        assert not is_clean(text)
    else:
        assert 1 <= len(normalise(written)) <= MAX_LENGTH
        # What is taken is the beginning of what the whole text holds.
        assert normalise(text).startswith(normalise(written))


@given(st.from_regex("[A-Z0-9]{4,7}( - | )[A-Za-z]{2,5}( [A-Za-z0-9]{1,6})?", fullmatch=True))
def test_the_usual_comment_is_read_by_a_shortcut_as_by_the_long_way(text: str) -> None:
    def read(text: str) -> str:
        try:
            return plate(text)
        except NoPlateError as error:
            return str(error)

    # A no-break space is a blank, and no part of the shortcut.
    assert read(text) == read(text.replace(" ", "\u00a0"))


@given(st.text(string.ascii_uppercase + string.digits, min_size=1, max_size=MAX_LENGTH))
def test_a_clean_text_is_its_own_plate(text: str) -> None:
    if is_clean(text):
        assert plate(text) == text
