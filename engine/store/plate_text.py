"""Where a text names a plate, however it is written there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from engine.store.model import searched_plate
from engine.watchlist import normalise

#: A shorter plate is a word of many texts: only what says that it is a plate counts.
SHORTEST_IN_TEXTS: Final = 3
#: So many characters that are neither letters nor digits may be between two signs of a plate.
_MOST_BETWEEN: Final = 3
_BETWEEN: Final = rf"[\W_]{{0,{_MOST_BETWEEN}}}"
_BETWEEN_FOR_POSTGRESQL: Final = f"[^[:alnum:]]{{0,{_MOST_BETWEEN}}}"
# Greek and Cyrillic letters, and full-width ones, of which some look like A to Z.
_LOOK_ALIKES: Final = (range(0x80, 0x530), range(0x1C80, 0x1C90), range(0xFF00, 0xFF60))
_CAPITALS: Final = bytes(range(256)).upper()
_NO_SIGNS: Final = bytes(each for each in range(128) if not chr(each).isalnum())


class PlateText:
    """Finds one plate, which may be given in any way; `plate` is how alerts have it."""

    def __init__(self, given: str) -> None:
        self.plate: Final = searched_plate(given)
        #: Whether texts are looked through; of a short plate only fields that hold a plate are.
        self.is_searched: Final = len(self.plate) >= SHORTEST_IN_TEXTS
        signs = [_any_of(sign) for sign in self.plate]
        #: The pattern of PostgreSQL for texts that may name it; Python decides.
        self.postgresql_pattern: Final = _BETWEEN_FOR_POSTGRESQL.join(signs)
        self._anywhere: Final = re.compile(_BETWEEN.join(signs))
        self._word: Final = re.compile(rf"(?<![^\W_]){_BETWEEN.join(signs)}(?![^\W_])")
        self._bytes: Final = self.plate.encode()

    def is_plate(self, value: object) -> bool:
        """Whether a field that holds a plate holds this one."""
        return searched_plate(value) == self.plate

    def is_in(self, text: str) -> bool:
        """Whether a text names the plate as a word of its own."""
        return self.is_searched and self._word.search(text) is not None

    def spellings(self, text: str) -> set[str]:
        """The ways in which a text writes the plate."""
        return {found[0] for found in self._word.finditer(text)} if self.is_searched else set()

    def may_be_in(self, data: bytes) -> bool:
        """Whether bytes hold the signs of the plate in a row, also as a part of a longer word."""
        if not self.is_searched:
            return False
        if data.isascii():
            # A third of the time of the pattern.
            return self._bytes in data.translate(_CAPITALS, _NO_SIGNS)
        return self._anywhere.search(data.decode("utf-8", "replace")) is not None

    def spellings_in_json(self, text: str | bytes) -> set[str]:
        """The ways in which the texts of a JSON document write the plate.

        What is no JSON counts as one text.
        """
        try:
            texts = _texts(json.loads(text))
        except ValueError:
            texts = iter([text if isinstance(text, str) else text.decode("utf-8", "replace")])
        return {found for each in texts for found in self.spellings(each)}


@lru_cache(1)
def _looks() -> dict[str, str]:
    """The characters beyond ASCII that are read as each of A to Z and 0 to 9."""
    found: dict[str, str] = {}
    for number in (number for numbers in _LOOK_ALIKES for number in numbers):
        sign = normalise(chr(number))
        if len(sign) == 1:
            found[sign] = found.get(sign, "") + chr(number)
    return found


def _any_of(sign: str) -> str:
    """A pattern of all characters that are read as the sign, in the words of both databases."""
    if not sign.isascii() or not sign.isalnum():
        return re.escape(sign)
    others = _looks().get(sign, "")
    return f"[{sign}{sign.lower() if sign.isalpha() else ''}{others}]"


def _texts(document: Any) -> Iterator[str]:
    # Not by recursion: an event may be deep.
    pending = [document]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            pending.extend(each)
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)
