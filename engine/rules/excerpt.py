"""The line of a rule file that a fault stands in, for people; never one that may hold a secret.

Only lines below `rules:`, `rate_limit:` or `watchlists:` are shown: channels are defined with
passwords and tokens, and a fault in them is told by its place alone. So is one in a list file,
whose lines are plates.
"""

from __future__ import annotations

import bisect
import re
from pathlib import Path
from typing import Final

from engine.errors import Place
from engine.rules.document import MAX_FILE_BYTES
from engine.rules.position import BREAK
from engine.watchlist import SUFFIXES

_SECTION: Final = re.compile(r"(?:\ufeff)?(?P<name>[^\s#:-][^:]*?)\s*:(?:\s|$)")
_SHOWN_SECTIONS: Final = frozenset({"rules", "rate_limit", "watchlists"})


class Excerpts:
    """Lines of rule files, each file read once."""

    def __init__(self) -> None:
        self._files: dict[str, _Lines] = {}

    def line(self, place: Place) -> str | None:
        """The text of the line at `place`, or None where it must not or can't be shown."""
        if Path(place.file).suffix.lower() in SUFFIXES:
            return None
        lines = self._files.get(place.file)
        if lines is None:
            lines = self._files[place.file] = _Lines(_text(place.file))
        return lines.line(place.line)


def _text(file: str) -> str:
    try:
        with Path(file).open("rb") as opened:
            return opened.read(MAX_FILE_BYTES).decode("utf-8", "replace").removeprefix("\ufeff")
    except OSError:
        return ""


class _Lines:
    """The lines of one file, and the top-level keys that they stand below."""

    def __init__(self, text: str) -> None:
        self._lines = BREAK.split(text)
        self._starts: list[int] = []
        self._sections: list[str] = []
        for number, line in enumerate(self._lines, 1):
            found = _SECTION.match(line)
            if found:
                self._starts.append(number)
                self._sections.append(found["name"].strip("\"'"))

    def line(self, number: int) -> str | None:
        """The line, counted from 1, if it is one to show."""
        section = bisect.bisect_right(self._starts, number) - 1
        if section < 0 or self._sections[section] not in _SHOWN_SECTIONS:
            return None
        return self._lines[number - 1] if 0 < number <= len(self._lines) else None
