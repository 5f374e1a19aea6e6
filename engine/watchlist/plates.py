"""Normalises plates as the producer does: upper case, A to Z and digits, nothing else."""

from __future__ import annotations

import re
import string
import unicodedata
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


def normalise(text: str) -> str:
    """The text as the producer puts it in `plate.normalized_text`: "ab-123 c" becomes "AB123C".

    Cyrillic, Greek and full-width letters that look like A to Z are read as those, and ß becomes
    SS. All other letters, Ö or Я, are left out.
    """
    if not text.isascii():
        return _OTHERS.sub("", _capitals(text).translate(_LOOKS))
    # Most plates have nothing else in them, and this is faster than a regex.
    if not text.isalnum():
        text = text.replace("-", "").replace(" ", "")
        if not text.isalnum():
            return _OTHERS.sub("", text.upper())
    return text.upper()


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
    left = _OTHERS.findall(_capitals(text).translate(_LOOKS))
    return any(character.isalnum() for part in left for character in part)


def _capitals(text: str) -> str:
    """The text in capitals, with accents composed: O and ¨ become Ö, which is no O."""
    return unicodedata.normalize("NFC", text.upper())
