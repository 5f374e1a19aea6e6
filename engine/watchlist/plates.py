"""Plates as the producer writes them: upper case, A to Z and digits, nothing else."""

from __future__ import annotations

import re
import string
from typing import Final

#: No plate of the world has more characters; what is longer is two plates, or no plate.
MAX_LENGTH: Final = 20
#: What plates on lists are made of.
CHARACTERS: Final = string.ascii_uppercase + string.digits
#: A longer text of an event is not looked up: it is no plate, and reading it would cost much.
MAX_TEXT: Final = 256
_OTHERS: Final = re.compile("[^A-Z0-9]+")
_SEPARATORS: Final = re.compile(r"[,;|\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
#: What a spreadsheet makes of 1E5, which is a plate.
_SCIENTIFIC: Final = re.compile(r"[0-9](?:[.,][0-9]+)?E[+-][0-9]+", re.IGNORECASE)


def normalise(text: str) -> str:
    """`text` as the producer has it in `plate.normalized_text`: "ab-123 c" is "AB123C".

    ß becomes SS; letters that are no A to Z in upper case, Ö or Я, are left out.
    """
    return _OTHERS.sub("", text.upper())


def plate_of(value: object) -> str:
    """The plate that lists are asked for where an event has `value`: the text, normalised.

    "", which is on no list, for what is no text, or a text that can't be a plate.
    """
    if type(value) is not str or len(value) > MAX_TEXT:
        return ""
    # Nearly all producers normalise. This is the fastest way to see that nothing is to be done.
    return normalise(value) if value.lstrip(CHARACTERS) else value


def has_other_letters(text: str) -> bool:
    """Whether letters or digits are left out of it."""
    left = _OTHERS.findall(text.upper())
    return any(character.isalnum() for part in left for character in part)


def why_unusable(text: str, plate: str) -> str:
    """Why `text`, normalised to `plate`, can't be on a list; "" if it can. No plate is told."""
    if not text.strip():
        return "the plate is empty"
    if _SCIENTIFIC.fullmatch(text.strip()):
        return "a spreadsheet has made a number of the plate: format that column as text"
    if _SEPARATORS.search(text.strip()):
        return "the plate holds a separator: these are several values"
    if not plate:
        return "the plate holds no letter A to Z and no digit"
    if len(plate) > MAX_LENGTH:
        return f"the plate has more than {MAX_LENGTH} letters and digits"
    return ""
