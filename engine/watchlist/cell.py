"""Which part of a list's cell, or of a line of plates alone, is the plate.

A cell is a plate, or a plate with a comment behind it. Where that can't be told for certain, the
cell is refused with a reason: it never becomes another plate in silence.

Blanks, dashes and dots stand within plates, too. So a cell is cut into pieces at these, and what
the pieces look like decides:

1. Behind `#`, `//`, a tab or an opening bracket all is a comment.
2. A word with small letters behind a plate in capitals begins a comment, and so does a word behind
   a dash with blanks if the plate before it is whole.
3. All other pieces are one plate together if plates are written so (`_is_doubtful`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from engine.watchlist.plates import MAX_LENGTH, normalise

#: Words in a plate's column that say that there is none.
_NONE: Final = "NULL|NONE|NAN|UNKNOWN"
_NOT_AVAILABLE: Final = "N/A"
#: Matches what is a plate beyond doubt, just as it stands.
is_clean: Final = re.compile(f"(?!(?:{_NONE})\\Z)[A-Z0-9]{{1,{MAX_LENGTH}}}").fullmatch
#: How lines of plates alone begin that hold a comment only.
COMMENT_SIGNS: Final = ("#", "//")

EMPTY: Final = "the plate is empty"
NO_LETTER: Final = "the plate holds no letter A to Z and no digit"
TOO_LONG: Final = f"the plate has more than {MAX_LENGTH} letters and digits"
SEVERAL: Final = "the plate holds a separator: these are several values"
WORD_FOR_NONE: Final = "the plate is a word for none, such as NULL or N/A"
WILDCARD: Final = "wildcards (`*` and `?`) are not yet offered: write whole plates"
MADE_NUMBER: Final = "a spreadsheet has made a number of the plate: format that column as text"
MAYBE_NUMBER: Final = (
    "the plate may be a number with decimals or thousands: format that column as text"
)
MADE_DATE: Final = "a spreadsheet has made a date of the plate: format that column as text"
FORMULA: Final = "the plate is a formula: write the plate itself"
DOUBTFUL: Final = (
    "this may be a plate and more: write the plate without blanks and dashes, and a comment "
    "behind a `#`"
)
COMMENT_FIRST: Final = "a comment stands before the plate: write the plate first"

#: Plates in several pieces have at most so many characters, and those of digits alone so many.
_MAX_IN_PIECES: Final = 12
_MAX_DIGITS_IN_PIECES: Final = 10
#: A piece with letters and digits that has so many characters may be a whole plate, or surely is.
_WHOLE: Final = 5
_SURELY_WHOLE: Final = 6
#: So many digits may be a whole plate.
_WHOLE_NUMBER: Final = 4
#: So many letters are a word where they are small, and so many where all is.
_WORD: Final = 3
_LONG_WORD: Final = 4
#: Most letters of a plate in pieces that has nothing else, and of a piece of a usual plate.
_MAX_WORDS_LETTERS: Final = 8
_MAX_LETTERS: Final = 3
#: Most letters of all such pieces, and most characters of one with the digits before it.
_MAX_LETTERS_AROUND: Final = 5
_MAX_WITH_LETTERS_BEHIND: Final = 7
#: Shapes of texts that are kept with what they are.
_SHAPES: Final = 4_096

_LINE_BREAK: Final = re.compile(r"[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
#: Signs without a look, such as the marks of a writing direction.
_UNSEEN: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
#: Full-width signs, such as brackets, and the full-width blank, as ASCII has them.
_NARROW: Final = {
    code + 0xFEE0: chr(code) for code in range(0x21, 0x7F) if not chr(code).isalnum()
} | {0x3000: " ", 0x3010: "[", 0x3011: "]"}

#: `="00123"`, `"00123"`, `'00123'` and `'00123`, by which spreadsheets keep a text a text.
_WRAPPED: Final = re.compile(r"""=?"([^"]*)"|[“„]([^“”]*)[”“]|['’]([^'’]*)['’]?""")
_MARK: Final = re.compile(r"#|//|\t|[(\[{]")
_BRACKETS: Final = re.compile(r"[(\[{][^)\]}]*[)\]}]?")

_EXPONENT: Final = re.compile(r"[+-]?\d(?:[.,]\d+)?E[+-]\d+|[+-]?\d[.,]\d+E\d+", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[+-]?\d*(?:[.,]\d+)+")
#: A whole number with decimals. Three zeros may be thousands.
_WHOLE_DECIMAL: Final = re.compile(r"(\d+)[.,]0{1,2}")
_MONTHS: Final = "Jan|Feb|Mar|Mrz|Apr|May|Mai|Jun|Jul|Aug|Sep|Oct|Okt|Nov|Dec|Dez"
_DATE: Final = re.compile(
    r"(?:19|20)\d\d([-./])[01]?\d\1[0-3]?\d(?:[T ].*)?|[0-3]?\d([-./])[0-3]?\d\2(?:19|20)\d\d"
    rf"|[0-3]?\d[-. ]{{1,2}}(?:{_MONTHS})(?:[-. ]\d{{2,4}})?|(?:{_MONTHS})[-. ]\d{{2,4}}"
)

_WILDCARDS: Final = frozenset("*?")
_SEPARATORS: Final = frozenset(",;|\t/\\&+")
#: What stands between the pieces of a plate beside blanks, dashes, accents and emblems.
_BETWEEN: Final = frozenset(".'’‘`´·•・‧∙\u2212")
_KINDS_BETWEEN: Final = frozenset({"So", "Sk"})
_KINDS_UNSEEN: Final = frozenset({"Mn", "Me", "Cf"})
_PIECE: Final = re.compile("([-. ]*)([^-. ]+)")
#: A plate may end with one where a comment begins.
_ENDS: Final = ":,;=>"

#: Plates of which a piece looks like a whole one, A for letters and 0 for digits: with the number
#: of a region in Russia, Kazakhstan, Belarus and Iran, with the province in South Africa.
_WITH_REGION: Final = re.compile("A000AA 000?|000AAA? 00|0000AA 0|00A000 00|AA 00 AA AA")
#: A piece of six and more behind the letters of a place: Austria, Germany or China, India.
_BEHIND_LETTERS: Final = re.compile("0+A{1,3}|A{1,2}0{4,5}A?|00?A{1,3}0{4}")
#: And behind the number of one: Turkey, Uzbekistan.
_BEHIND_DIGITS: Final = re.compile("A{1,3}0{3,4}|A000AA|0+A{1,3}")

_BY_SHAPE: Final = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz123456789",
    "A" * 26 + "a" * 26 + "0" * 9,
)
_PLAIN: Final = re.compile("[A0](?:[ -]?[A0])*|[a0](?:[ -]?[a0])*")
_DATE_SHAPE: Final = re.compile("0000-00?-00?|00?-00?-0000")


class NoPlateError(ValueError):
    """The cell holds no plate, or perhaps something else; the text says why, and no plate."""


def written_plate(text: str) -> str:
    """The part of a cell that is the plate, as it is written; NoPlateError where none is for sure.

    `normalise` makes a plate of it that is not empty and not too long.
    """
    text = text.strip()
    if _is_plain(text.translate(_BY_SHAPE)):
        return text
    if not text.isascii():
        text = unicodedata.normalize("NFC", _UNSEEN.sub("", text).translate(_NARROW)).strip()
    wrapped = _WRAPPED.fullmatch(text)
    if wrapped is not None:
        text = wrapped[wrapped.lastindex or 0].strip()
    if not text:
        raise NoPlateError(EMPTY)
    if text.startswith("="):
        raise NoPlateError(FORMULA)
    if _LINE_BREAK.search(text):
        raise NoPlateError(SEVERAL)
    text = _before_mark(text)
    decimal = _WHOLE_DECIMAL.fullmatch(text)
    written = decimal[1] if decimal is not None else _plate_of(text)
    _check_plate(normalise(written))
    return written


@lru_cache(_SHAPES)
def _is_plain(shape: str) -> bool:
    """Whether each text of that shape is a plate and nothing else: most texts of a long list."""
    if not _PLAIN.fullmatch(shape) or _DATE_SHAPE.fullmatch(shape) or "0" not in shape:
        return False
    pieces = shape.upper().replace("-", " ")
    return len(pieces.replace(" ", "")) <= MAX_LENGTH and not _is_doubtful(pieces)


def _before_mark(text: str) -> str:
    """What stands before a sign behind which all is a comment; the whole text if there is none."""
    found = _MARK.search(text)
    if found is None:
        return text
    before, behind = text[: found.start()].rstrip(), text[found.start() :]
    if found[0] in COMMENT_SIGNS:
        if not before:
            raise NoPlateError(EMPTY)
        return before
    if not before:
        raise NoPlateError(COMMENT_FIRST)
    if _has_digit(behind) and not _has_digit(before):
        raise NoPlateError(DOUBTFUL)
    if found[0] != "\t":
        further = _BRACKETS.sub("", behind)
        is_glued = not text[found.start() - 1].isspace()
        if (_has_letter_or_digit(further) and not _has_word(further.split())) or (
            is_glued and not any(_is_letters(each, _WORD) for each in behind.split())
        ):
            raise NoPlateError(DOUBTFUL)
    return before


def _plate_of(text: str) -> str:
    """The plate in a text without marks: the whole of it, or what stands before a comment."""
    if _EXPONENT.fullmatch(text):
        raise NoPlateError(MADE_NUMBER)
    if _DATE.fullmatch(text):
        raise NoPlateError(MADE_DATE)
    if _NUMBER.fullmatch(text):
        raise NoPlateError(MAYBE_NUMBER)
    if text.upper() == _NOT_AVAILABLE:
        raise NoPlateError(WORD_FOR_NONE)
    found = _PIECE.findall("".join(map(_joint, text)))
    pieces = [piece for _, piece in found]
    behind_dash = ["-" in joint and " " in joint for joint, _ in found]
    count = _plate_pieces(pieces, behind_dash)
    plate = pieces[:count]
    if count < len(pieces):
        plate[-1] = plate[-1].rstrip(_ENDS)
    _check_signs("".join(plate))
    _check_pieces(plate)
    return " ".join(plate)


def _joint(character: str) -> str:
    """What stands between the pieces of plates, as "-", "." or a blank; other signs as they are."""
    if character.isalnum():
        return character
    if character.isspace():
        return " "
    kind = unicodedata.category(character)
    if kind == "Pd" or character == "\u2212":
        return "-"
    if kind in _KINDS_UNSEEN:
        return ""
    return "." if character in _BETWEEN or kind in _KINDS_BETWEEN else character


def _plate_pieces(pieces: Sequence[str], behind_dash: Sequence[bool]) -> int:
    """How many of the pieces are the plate: all, unless a comment begins for certain."""
    count = len(pieces)
    if count > 1 and (behind_dash[1] or pieces[0].endswith(":")):
        behind = pieces[1:]
        is_word = _is_letters(behind[0], _WORD) or (_is_letters(behind[0], 1) and _has_word(behind))
        if is_word and _is_mixed(pieces[0], _SURELY_WHOLE) and _is_apart(pieces[:1], behind):
            return 1
    small = next((at for at in range(1, count) if _has_small(pieces[at])), count)
    before, behind = pieces[:small], pieces[small:]
    if _has_word(behind) and _is_apart(before, behind):
        is_one = small == 1
        if _is_capital(before):
            is_certain = _is_word(behind[0]) or (is_one and _is_mixed(before[0], _WHOLE))
        elif is_one and _is_mixed(before[0], _WHOLE):
            is_certain = behind_dash[1] or _is_letters(behind[0], _LONG_WORD)
        else:
            is_number = is_one and before[0].isdecimal() and len(before[0]) >= _WHOLE_NUMBER
            is_certain = is_number and _is_letters(behind[0], _LONG_WORD)
        if is_certain:
            return small
    return count


def _is_apart(before: Sequence[str], behind: Sequence[str]) -> bool:
    """Whether what stands behind holds neither the digits of the plate nor a second one."""
    has_digits = any(map(_has_digit, before)) or not any(map(_has_digit, behind))
    return has_digits and not any(_is_mixed(each, _WHOLE) for each in behind)


def _check_signs(text: str) -> None:
    for sign in text:
        if sign.isalnum():
            continue
        if sign in _WILDCARDS:
            raise NoPlateError(WILDCARD)
        if sign in _SEPARATORS:
            raise NoPlateError(SEVERAL)
        shown = f"a `{sign}`" if sign.isprintable() else "a control character"
        raise NoPlateError(f"the plate holds {shown}, which no plate has")


def _check_pieces(pieces: Sequence[str]) -> None:
    """NoPlateError where the pieces may be more than one plate."""
    cased = [each for each in pieces if each.upper() != each.lower()]
    has_small = any(map(_has_small, cased))
    if len(cased) > 1 and has_small:
        if not all(map(_has_small, cased)) or any(map(_has_capital, cased)):
            raise NoPlateError(COMMENT_FIRST if _is_word(cased[0]) else DOUBTFUL)
        if not any(map(_has_digit, pieces)):
            raise NoPlateError(DOUBTFUL)
    if _is_doubtful(" ".join(_shape(each) for each in pieces if normalise(each))):
        raise NoPlateError(DOUBTFUL)


def _check_plate(plate: str) -> None:
    if not plate:
        raise NoPlateError(NO_LETTER)
    if len(plate) > MAX_LENGTH:
        raise NoPlateError(TOO_LONG)
    if plate in _NONE.split("|"):
        raise NoPlateError(WORD_FOR_NONE)


def _is_doubtful(shape: str) -> bool:
    """Whether a plate would hardly be written in pieces of these shapes, such as "AA 000 AA"."""
    pieces = shape.split()
    if len(pieces) < 2 or _WITH_REGION.fullmatch(shape):
        return False
    total = sum(map(len, pieces))
    words = [each for each in pieces if "0" not in each]
    if len(words) == len(pieces):
        return total > _MAX_WORDS_LETTERS
    if "A" not in shape:
        return total > _MAX_DIGITS_IN_PIECES
    if max(map(len, words), default=0) > _MAX_LETTERS:
        # TAXI 12, and ABCD 123 of Ontario.
        return len(pieces) > 2 or "0" in pieces[0] or "A" in pieces[1] or total > _MAX_WORDS_LETTERS
    return (
        total > _MAX_IN_PIECES
        or sum(map(len, words)) > _MAX_LETTERS_AROUND
        or any(_is_doubtful_behind(pieces[:at], pieces[at]) for at in range(1, len(pieces)))
    )


def _is_doubtful_behind(before: Sequence[str], piece: str) -> bool:
    """Whether a piece hardly belongs to the plate that begins with those before it."""
    last = before[-1]
    has_digits = "0" in last
    if "0" not in piece:
        if not has_digits:
            return any("0" in each for each in before)
        return len(last) + len(piece) > _MAX_WITH_LETTERS_BEHIND
    if has_digits and "A" in last and len(last) >= _WHOLE:
        return True
    if "A" not in piece or len(piece) < _SURELY_WHOLE:
        return False
    return not (_BEHIND_DIGITS if has_digits else _BEHIND_LETTERS).fullmatch(piece)


def _shape(piece: str) -> str:
    return "".join("0" if each.isdecimal() else "A" for each in piece)


def _is_letters(piece: str, least: int) -> bool:
    """Whether a piece is so many letters or more; signs around it don't count."""
    letters = piece.strip("()[]{}:,;=>!?\"'/")
    return len(letters) >= least and letters.isalpha()


def _is_word(piece: str) -> bool:
    """Whether a piece is a word rather than a part of a plate in capitals."""
    return _has_small(piece) and _is_letters(piece, _WORD)


def _has_word(pieces: Sequence[str]) -> bool:
    return any(map(_is_word, pieces))


def _is_mixed(piece: str, least: int) -> bool:
    """Whether a piece has letters and digits, and so many together or more."""
    plate = piece.rstrip(_ENDS)
    return len(plate) >= least and plate.isalnum() and _has_digit(plate) and not plate.isdecimal()


def _is_capital(pieces: Sequence[str]) -> bool:
    return any(map(_has_capital, pieces)) and not any(map(_has_small, pieces))


def _has_capital(text: str) -> bool:
    return any(map(str.isupper, text))


def _has_small(text: str) -> bool:
    return any(map(str.islower, text))


def _has_digit(text: str) -> bool:
    return any(map(str.isdecimal, text))


def _has_letter_or_digit(text: str) -> bool:
    return any(map(str.isalnum, text))
