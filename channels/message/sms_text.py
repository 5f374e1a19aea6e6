"""The length of text messages: their alphabet, units and segments, as networks count them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_GSM_LETTERS: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
_BEYOND_ONE_UNIT: Final = 0xFFFF
# Three letters of GSM-7: one "…" would make the whole text UCS-2.
_MARK: Final = "..."
#: The longest text message, in units of its alphabet: one segment of GSM-7, three of UCS-2.
SMS_LENGTH: Final = 160


class Alphabet(StrEnum):
    """The encoding of a text message."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


_UNITS_ALONE: Final = {Alphabet.GSM_7: 160, Alphabet.UCS_2: 70}
_UNITS_IN_EACH: Final = {Alphabet.GSM_7: 153, Alphabet.UCS_2: 67}


@dataclass(frozen=True, slots=True)
class Segments:
    """The size of a text message; `beyond` has its letters that GSM-7 lacks, in order."""

    alphabet: Alphabet
    units: int
    count: int
    beyond: str = ""


def segments_of(text: str) -> Segments:
    """The alphabet of a text, its length in units of that, and the number of its segments."""
    beyond = "".join(dict.fromkeys(sign for sign in text if not _is_gsm(sign)))
    alphabet = Alphabet.UCS_2 if beyond else Alphabet.GSM_7
    widths = [_width(sign, alphabet) for sign in text]
    units = sum(widths)
    count = (
        1 if units <= _UNITS_ALONE[alphabet] else _segment_count(widths, _UNITS_IN_EACH[alphabet])
    )
    return Segments(alphabet, units, count, beyond)


def cut_text(text: str, length: int = SMS_LENGTH) -> str:
    """The text, or its beginning and `...`: at most `length` units and characters."""
    if _fits_segments(text, length):
        return text
    while text and not _fits_segments(text + _MARK, length):
        text = text[: min(len(text) - 1, length - len(_MARK))]
    return text.rstrip("\u200d\ufe0f").rstrip() + _MARK


def _fits_segments(text: str, length: int) -> bool:
    return len(text) <= length and segments_of(text).units <= length


def _segment_count(widths: Iterable[int], units_in_each: int) -> int:
    """The number of segments; a letter of two units is never split over two of them."""
    count, used = 1, 0
    for width in widths:
        if used + width > units_in_each:
            count, used = count + 1, 0
        used += width
    return count


def _is_gsm(sign: str) -> bool:
    return sign in _GSM_LETTERS or sign in _GSM_EXTENSION


def _width(sign: str, alphabet: Alphabet) -> int:
    if alphabet is Alphabet.GSM_7:
        return 2 if sign in _GSM_EXTENSION else 1
    return 2 if ord(sign) > _BEYOND_ONE_UNIT else 1
