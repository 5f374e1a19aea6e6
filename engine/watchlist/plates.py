"""Plates: normalised as the producer does, and found in the cells and lines of lists.

A normalised plate has A to Z and digits, nothing else.

A cell of a list, or a line of a text file, holds a plate, or a plate and then a comment. A cell
that is not certain to is refused with a reason: no other plate is ever read into it.

Plates may have blanks, dashes and dots. So a cell is split into pieces at these, and the shapes of
the pieces decide:

1. After `#`, `//`, a tab or an opening bracket everything is a comment.
2. A word with small letters after a plate in capitals begins a comment. So does a word after a dash
   with blanks, if the plate before it is complete.
3. All other pieces are one plate, if plates are written that way (`_is_doubtful`).
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

#: No plate of the world has more characters.
MAX_LENGTH: Final = 20
#: What plates on lists are made of.
CHARACTERS: Final = string.ascii_uppercase + string.digits
#: A longer text of an event is not looked up: it is no plate, and to normalise it would be slow.
MAX_TEXT: Final = 256
_OTHERS: Final = re.compile("[^A-Z0-9]+")

#: Letters of other alphabets that look like a Latin one on a plate. Only capitals stand here, for
#: plates have no others: a small letter is read as its capital looks (Cyrillic "в" is B).
_CYRILLIC: Final = dict(zip("АВЕКМНОРСТУХІЈЅԚԜҮӀ", "ABEKMHOPCTYXIJSQWYI", strict=True))
_GREEK: Final = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹͿ", "ABEZHIKMNOPTYXCJ", strict=True))
#: Full-width letters and digits. Unicode's NFKC would do more: it makes "12" of ½ and "4" of ⁴.
_WIDE: Final = {chr(ord(each) + 0xFEE0): each for each in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"}
_LOOKS: Final = str.maketrans(_CYRILLIC | _GREEK | _WIDE)

#: Words in a plate's column that say that there is no plate.
_NONE: Final = "NULL|NONE|NAN|UNKNOWN"
_NOT_AVAILABLE: Final = "N/A"
#: Matches a cell that is a normalised plate and nothing else.
is_clean: Final = re.compile(f"(?!(?:{_NONE})\\Z)[A-Z0-9]{{1,{MAX_LENGTH}}}").fullmatch

EMPTY: Final = "the plate is empty"
NO_LETTER: Final = "the plate holds no letter A to Z and no digit"
TOO_LONG: Final = f"the plate has more than {MAX_LENGTH} letters and digits"
SEVERAL: Final = "the plate holds a separator: these are several values"
WORD_FOR_NONE: Final = "the plate is a word for none, such as NULL or N/A"
WILDCARD: Final = "wildcards (`*` and `?`) stand for nothing here: write a whole plate"
MADE_NUMBER: Final = "a spreadsheet has made a number of the plate: format that column as text"
MAYBE_NUMBER: Final = (
    "the plate may be a number with decimals or thousands: format that column as text"
)
MADE_DATE: Final = "a spreadsheet has made a date of the plate: format that column as text"
BAD_LETTER: Final = "the plate has a letter that is not UTF-8: save the file as CSV UTF-8"
FORMULA: Final = "the plate is a formula: write the plate itself"
SHEET_ERROR: Final = "the plate is an error of a spreadsheet"
DOUBTFUL: Final = (
    "this may be a plate and more: write the plate without blanks and dashes, and a comment "
    "behind a `#`"
)
COMMENT_FIRST: Final = "a comment stands before the plate: write the plate first"

#: Most characters of a plate in several pieces, and of one that has only digits.
_MAX_IN_PIECES: Final = 12
_MAX_DIGITS_IN_PIECES: Final = 10
#: From so many characters on, a piece with letters and digits may be a whole plate, or surely is.
_WHOLE: Final = 5
_SURELY_WHOLE: Final = 6
#: From so many digits on, a piece of digits may be a whole plate.
_WHOLE_NUMBER: Final = 4
#: Letters that make a word: small ones after capitals, and where all letters are small.
_WORD: Final = 3
_LONG_WORD: Final = 4
#: Most letters of a plate in pieces without digits, and of one piece of a usual plate.
_MAX_WORDS_LETTERS: Final = 8
_MAX_LETTERS: Final = 3
#: Most letters in all pieces of letters, and most characters of one with the digits before it.
_MAX_LETTERS_AROUND: Final = 5
_MAX_WITH_LETTERS_BEHIND: Final = 7
#: The size of the cache of shapes, and the longest text in it.
_SHAPES: Final = 4_096
_MAX_PLAIN: Final = 2 * MAX_LENGTH

_LINE_BREAK: Final = re.compile(r"[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
#: Invisible characters, such as the marks of a writing direction.
_UNSEEN: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
#: The ASCII counterparts of full-width signs and of the full-width blank.
_NARROW: Final = {
    code + 0xFEE0: chr(code) for code in range(0x21, 0x7F) if not chr(code).isalnum()
} | {0x3000: " ", 0x3010: "[", 0x3011: "]"}

#: `="00123"`, `"00123"`, `'00123'` and `'00123`, which make spreadsheets treat a number as text.
_WRAPPED: Final = re.compile(r"""=?"([^"]*)"|[“„]([^“”]*)[”“]|['’]([^'’]*)['’]?""")
#: #N/A, #REF!, #DIV/0!, #NAME? in any language.
_SHEET_ERROR: Final = re.compile(r"#(?:N/A|NV|NULL|\S+[!?])")
#: The usual comment: words after a whole plate in capitals. This saves the slow way below.
_USUAL: Final = re.compile(
    r"((?=[A-Z]*\d)(?=\d*[A-Z])[A-Z0-9]{5,20})(?: - | )[A-Z]?[a-z]{3,}(?: [A-Za-z]+| \d+)*",
    re.ASCII,
)
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

#: The replacement character of bytes that the encoding does not know.
_UNREADABLE: Final = "\ufffd"
_WILDCARDS: Final = frozenset("*?")
_SEPARATORS: Final = frozenset(",;|\t/\\&+")
#: Characters between the pieces of a plate, beside blanks, dashes, accents and emblems.
_BETWEEN: Final = frozenset(".'’‘`´·•・‧∙\u2212")
_ASCII_JOINTS: Final = str.maketrans("\t'`", " ..")
_KINDS_BETWEEN: Final = frozenset({"So", "Sk"})
_KINDS_UNSEEN: Final = frozenset({"Mn", "Me", "Cf"})
_PIECE: Final = re.compile("([-. ]*)([^-. ]+)")
#: Signs between a plate and a comment.
_ENDS: Final = ":,;=>"

#: Plates that look like a plate and something else, A for letters and 0 for digits: of countries
#: that end plates with the number or name of a region, and of some with many digits.
_KNOWN_SHAPES: Final = re.compile(
    "A ?000 ?AA 000?|000 ?AAA? 00|0000 ?AA 0"  # Russia, Kazakhstan, Belarus
    "|00 ?A ?000 00|00 000 00|000 00 000"  # Iran, Israel
    "|AA 00 AA AA|AA 0{1,4} 00|00 000 AA 00"  # South Africa, Ghana, diplomats
    "|AA ?00? ?A{1,3} 0{4}|00 ?A[A0]? 000 00"  # India, Vietnam
    "|0{4,5} A 00?|0{5,6} 000 00|0{1,3} AAA 0{4}"  # Morocco, Algeria, Tunisia
    "|000 00 00"  # Japan, without its other letters
)
#: Pieces of six and more characters after the letters of a place: Austria, Germany, China, India.
_BEHIND_LETTERS: Final = re.compile("0+A{1,3}|A{1,2}0{4,5}A?|00?A{1,3}0{4}")
#: The same after the number of a place: Turkey, Uzbekistan.
_BEHIND_DIGITS: Final = re.compile("A{1,3}0{3,4}|A000AA|0+A{1,3}")

_BY_SHAPE: Final = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz123456789",
    "A" * 26 + "a" * 26 + "0" * 9,
)
_PLAIN: Final = re.compile("[A0](?:[ -]?[A0])*|[a0](?:[ -]?[a0])*")
_DATE_SHAPE: Final = re.compile("0000-00?-00?|00?-00?-0000")


def normalise(text: str) -> str:
    """The text as the producer puts it in `plate.normalized_text`: "ab-123 c" becomes "AB123C".

    Cyrillic, Greek and full-width letters that look like A to Z are read as those, and ß becomes
    SS. All other letters, Ö or Я, are left out.
    """
    if not text.isascii():
        return _OTHERS.sub("", folded(text))
    # Most plates have nothing else in them, and this is faster than a regex.
    if not text.isalnum():
        text = text.replace("-", "").replace(" ", "")
        if not text.isalnum():
            return _OTHERS.sub("", text.upper())
    return text.upper()


def folded(text: str) -> str:
    """The text in capitals, with letters of other scripts that look like A to Z read as those.

    Nothing is left out.
    """
    return _capitals(text).translate(_LOOKS)


def has_look_alikes(text: str) -> bool:
    """Whether it has Cyrillic, Greek or full-width characters that are read as A to Z or digits."""
    capitals = _capitals(text)
    return capitals.translate(_LOOKS) != capitals


def plate_of(value: object) -> str:
    """The plate that lists are searched for where a field of an event has `value`.

    It is "", which is on no list, for a value that is no text, and for too long a text.
    """
    if type(value) is not str or len(value) > MAX_TEXT:
        return ""
    # Nearly all producers normalise; `lstrip` is the fastest way to see that.
    return normalise(value) if value.lstrip(CHARACTERS) else value


def has_other_letters(text: str) -> bool:
    """Whether it has letters or digits that `normalise` leaves out."""
    left = _OTHERS.findall(folded(text))
    return any(character.isalnum() for part in left for character in part)


def is_comment(text: str) -> bool:
    """Whether a row that begins with this text is a comment."""
    return text.startswith("#") and not _SHEET_ERROR.fullmatch(text.strip())


class NoPlateError(ValueError):
    """The cell holds no plate for certain; the text says why, and never shows a plate."""


def written_plate(text: str) -> str:
    """The part of a cell that is the plate, as it is written; NoPlateError where it is uncertain.

    Normalised, it is not empty and not too long.
    """
    text = text.strip()
    if _is_plain(text):
        return text
    usual = _USUAL.fullmatch(text)
    if usual is not None:
        return usual[1]
    if text.isalnum():
        _check_plate(normalise(text))
        return text
    if not text.isascii():
        text = unicodedata.normalize("NFC", _UNSEEN.sub("", text).translate(_NARROW)).strip()
    wrapped = _WRAPPED.fullmatch(text)
    if wrapped is not None:
        text = wrapped[wrapped.lastindex or 0].strip()
    if not text:
        raise NoPlateError(EMPTY)
    if _SHEET_ERROR.fullmatch(text):
        raise NoPlateError(SHEET_ERROR)
    if text.startswith("="):
        raise NoPlateError(FORMULA)
    if _LINE_BREAK.search(text):
        raise NoPlateError(SEVERAL)
    before = _before_mark(text)
    if before != text and _is_plain(before):
        return before
    text = before
    decimal = _WHOLE_DECIMAL.fullmatch(text)
    written = decimal[1] if decimal is not None else _plate_part(text)
    _check_plate(normalise(written))
    return written


def why_unusable(text: str) -> str:
    """Why a list can't take this text as a plate; "" where it can."""
    try:
        written_plate(text)
    except NoPlateError as error:
        return str(error)
    return ""


def _capitals(text: str) -> str:
    """The text in capitals, with accents composed: O and ¨ become Ö, which is no O."""
    return unicodedata.normalize("NFC", text.upper())


def _is_plain(text: str) -> bool:
    """Whether the shape alone shows that a text is a plate and nothing else, as for most texts."""
    return len(text) <= _MAX_PLAIN and _is_plain_shape(text.translate(_BY_SHAPE))


@lru_cache(_SHAPES)
def _is_plain_shape(shape: str) -> bool:
    if not _PLAIN.fullmatch(shape) or _DATE_SHAPE.fullmatch(shape) or "0" not in shape:
        return False
    is_short = len(shape.replace(" ", "").replace("-", "")) <= MAX_LENGTH
    return is_short and not _is_doubtful(shape.upper())


def _before_mark(text: str) -> str:
    """The text before a sign that begins a comment; the whole text if there is none."""
    found = _MARK.search(text)
    if found is None:
        return text
    before, behind = text[: found.start()].rstrip(), text[found.start() :]
    if found[0] in ("#", "//"):
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


def _plate_part(text: str) -> str:
    """The plate in a text without comment signs: all of it, or the part before a comment."""
    if _EXPONENT.fullmatch(text):
        raise NoPlateError(MADE_NUMBER)
    if _DATE.fullmatch(text):
        raise NoPlateError(MADE_DATE)
    if _NUMBER.fullmatch(text):
        raise NoPlateError(MAYBE_NUMBER)
    if text.upper() == _NOT_AVAILABLE:
        raise NoPlateError(WORD_FOR_NONE)
    text = text.translate(_ASCII_JOINTS) if text.isascii() else "".join(map(_joint, text))
    found = _PIECE.findall(text)
    joints, pieces = [joint for joint, _ in found], [piece for _, piece in found]
    count = _plate_pieces(joints, pieces)
    plate = pieces[:count]
    if count < len(pieces):
        plate[-1] = plate[-1].rstrip(_ENDS)
    _check_signs("".join(plate))
    _check_pieces(joints, plate)
    return " ".join(plate)


def _joint(character: str) -> str:
    """A character between pieces as "-", "." or a blank; other characters as they are."""
    if character.isalnum() or character == _UNREADABLE:
        return character
    if character.isspace():
        return " "
    kind = unicodedata.category(character)
    if kind == "Pd" or character == "\u2212":
        return "-"
    if kind in _KINDS_UNSEEN:
        return ""
    return "." if character in _BETWEEN or kind in _KINDS_BETWEEN else character


def _plate_pieces(joints: Sequence[str], pieces: Sequence[str]) -> int:
    """The number of pieces that are the plate: all, unless a comment begins for certain."""
    count = len(pieces)
    blank = next((at for at in range(1, count) if " " in joints[at]), count)
    first, behind = "".join(pieces[:blank]), pieces[blank:]
    is_dashed = bool(behind) and "-" in joints[blank]
    if behind and (is_dashed or first.endswith(":")) and _is_apart([first], behind):
        is_word = _is_letters(behind[0], _WORD if not _has_word(behind) else 1)
        if is_word and _is_mixed(first, _SURELY_WHOLE):
            return blank
    small = next((at for at in range(1, count) if _has_small(pieces[at])), count)
    before, behind = pieces[:small], pieces[small:]
    if not _has_word(behind) or not _is_apart(before, behind):
        return count
    is_one = small == blank
    if _is_capital(before):
        is_certain = _is_word(behind[0]) or (is_one and _is_mixed(first, _WHOLE))
    elif is_one and _is_mixed(first, _WHOLE):
        is_certain = is_dashed or _is_letters(behind[0], _LONG_WORD)
    else:
        is_number = is_one and first.isdecimal() and len(first) >= _WHOLE_NUMBER
        is_certain = is_number and _is_letters(behind[0], _LONG_WORD)
    return small if is_certain else count


def _is_apart(before: Sequence[str], behind: Sequence[str]) -> bool:
    """Whether the pieces behind hold neither the digits of the plate nor a second plate."""
    has_digits = any(map(_has_digit, before)) or not any(map(_has_digit, behind))
    return has_digits and not any(_is_mixed(each, _WHOLE) for each in behind)


def _check_signs(text: str) -> None:
    for sign in text:
        if sign.isalnum():
            continue
        if sign == _UNREADABLE:
            raise NoPlateError(BAD_LETTER)
        if sign in _WILDCARDS:
            raise NoPlateError(WILDCARD)
        if sign in _SEPARATORS:
            raise NoPlateError(SEVERAL)
        shown = f"a `{sign}`" if sign.isprintable() else "a control character"
        raise NoPlateError(f"the plate holds {shown}, which no plate has")


def _check_pieces(joints: Sequence[str], pieces: Sequence[str]) -> None:
    """NoPlateError where the pieces may be more than one plate."""
    cased = [each for each in pieces if each.upper() != each.lower()]
    has_small = any(map(_has_small, cased))
    if len(cased) > 1 and has_small:
        if not all(map(_has_small, cased)) or any(map(_has_capital, cased)):
            raise NoPlateError(COMMENT_FIRST if _is_word(cased[0]) else DOUBTFUL)
        if not any(map(_has_digit, pieces)):
            raise NoPlateError(DOUBTFUL)
    # Pieces of other letters alone are left out of the plate, so they don't count.
    shape = "".join(
        (" " if " " in joint else "-") + _shape(piece)
        for joint, piece in zip(joints, pieces, strict=False)
        if normalise(piece)
    )
    if _is_doubtful(shape[1:]):
        raise NoPlateError(DOUBTFUL)


def _check_plate(plate: str) -> None:
    if not plate:
        raise NoPlateError(NO_LETTER)
    if len(plate) > MAX_LENGTH:
        raise NoPlateError(TOO_LONG)
    if plate in _NONE.split("|"):
        raise NoPlateError(WORD_FOR_NONE)


def _is_doubtful(shape: str) -> bool:
    """Whether pieces of these shapes, such as "AA-000 AA", may be more than one plate."""
    pieces, groups = shape.replace("-", " ").split(), shape.replace("-", "").split()
    if len(pieces) < 2 or any(_KNOWN_SHAPES.fullmatch(" ".join(each)) for each in (pieces, groups)):
        return False
    total = sum(map(len, pieces))
    words = [each for each in pieces if "0" not in each]
    if len(words) == len(pieces):
        return total > _MAX_WORDS_LETTERS
    if "A" not in shape and total > _MAX_DIGITS_IN_PIECES:
        return True
    if max(map(len, words), default=0) > _MAX_LETTERS:
        # TAXI 12, and ABCD 123 of Ontario.
        return len(pieces) > 2 or "0" in pieces[0] or "A" in pieces[1] or total > _MAX_WORDS_LETTERS
    return (
        total > _MAX_IN_PIECES
        or sum(map(len, words)) > _MAX_LETTERS_AROUND
        or any(_is_doubtful_behind(pieces[:at], pieces[at]) for at in range(1, len(pieces)))
        or any(_is_behind_whole(groups[at - 1], groups[at]) for at in range(1, len(groups)))
    )


def _is_doubtful_behind(before: Sequence[str], piece: str) -> bool:
    """Whether a piece may not belong to the plate that the pieces before it begin."""
    last = before[-1]
    if _is_behind_whole(last, piece):
        return True
    if "0" not in piece:
        has_digits = "0" in last
        is_far = len(last) + len(piece) > _MAX_WITH_LETTERS_BEHIND
        return is_far if has_digits else any("0" in each for each in before)
    if "A" not in piece:
        if "A" not in last:
            return len(last) > len(piece)
        return "0" not in last and _is_whole_in_pieces(before)
    if len(piece) < _SURELY_WHOLE:
        return False
    return not (_BEHIND_DIGITS if "0" in last else _BEHIND_LETTERS).fullmatch(piece)


def _is_whole_in_pieces(pieces: Sequence[str]) -> bool:
    """Whether the pieces end with letters and are a whole plate, such as AB 123 CD or 123 ABC."""
    return len(pieces) > 1 and (
        (len(pieces) > 2 and _is_pure(pieces[-2], "0") and _is_pure(pieces[-3], "A"))
        or (_is_pure(pieces[-2], "0") and len(pieces[-2]) >= _MAX_LETTERS)
    )


def _is_behind_whole(before: str, piece: str) -> bool:
    """Whether the piece follows a shape of letters and digits that may be a whole plate."""
    if "A" not in before or "0" not in before or len(before) < _WHOLE:
        return False
    return "0" in piece or len(before) + len(piece) > _MAX_WITH_LETTERS_BEHIND


def _is_pure(shape: str, kind: str) -> bool:
    return not shape.strip(kind)


def _shape(piece: str) -> str:
    return "".join("0" if each.isdecimal() else "A" for each in piece)


def _is_letters(piece: str, least: int) -> bool:
    """Whether a piece is at least so many letters; signs around it don't count."""
    letters = piece.strip("()[]{}:,;=>!?\"'/")
    return len(letters) >= least and letters.isalpha()


def _is_word(piece: str) -> bool:
    """Whether a piece is a word rather than a part of a plate in capitals."""
    return _has_small(piece) and _is_letters(piece, _WORD)


def _has_word(pieces: Sequence[str]) -> bool:
    return any(map(_is_word, pieces))


def _is_mixed(piece: str, least: int) -> bool:
    """Whether a piece has letters and digits, at least so many together."""
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
