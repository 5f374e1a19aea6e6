"""The text of a document, and the positions in it that editors count in UTF-16 units."""

from __future__ import annotations

import bisect
import re
from typing import Final

from lsprotocol.types import Position, Range

from engine.errors import Place
from engine.rules.nodes import Source

#: What ends a line for editors; YAML knows further characters that do.
_LINE_END: Final = re.compile(r"\r\n|[\r\n]")
#: What a finding underlines: a word with its dots, or a run of signs.
_MARKED: Final = re.compile(r"[\w.]+|[^\w\s]+")


class Text:
    """A document's text; offsets count code points, positions lines and UTF-16 units from 0."""

    def __init__(self, file: str, text: str) -> None:
        """`file` is the path that its places name."""
        self.text: Final = text
        self.source: Final = Source(file, text)
        self._starts: Final = [0, *(found.end() for found in _LINE_END.finditer(text))]

    def offset(self, position: Position) -> int:
        """The offset of a position; the end of its line where it is beyond."""
        line = min(position.line, len(self._starts) - 1)
        text = self._line(line)
        units = 0
        for index, char in enumerate(text):
            if units >= position.character:
                return self._starts[line] + index
            units += _units(char)
        return self._starts[line] + len(text)

    def position(self, offset: int) -> Position:
        """The position of an offset."""
        line = bisect.bisect_right(self._starts, offset) - 1
        units = sum(map(_units, self.text[self._starts[line] : offset]))
        return Position(line, units)

    def range(self, start: int, end: int) -> Range:
        """The range between two offsets."""
        return Range(self.position(start), self.position(end))

    def offset_of(self, place: Place) -> int:
        """The offset of a place; the text's end where it is beyond."""
        try:
            index = self.source.index(place.line, place.column)
        except IndexError:
            index = len(self.text)
        return min(index, len(self.text))

    def marked(self, place: Place) -> Range:
        """The range that a finding at a place underlines: the word there, or at least its line."""
        start = self.offset_of(place)
        found = _MARKED.match(self.text, start)
        return self.range(start, found.end() if found is not None else start)

    def line_range(self, place: Place) -> Range:
        """The range from a place to the end of its line."""
        start = self.offset_of(place)
        found = _LINE_END.search(self.text, start)
        return self.range(start, found.start() if found is not None else len(self.text))

    def _line(self, line: int) -> str:
        end = self._starts[line + 1] if line + 1 < len(self._starts) else len(self.text)
        return self.text[self._starts[line] : end].rstrip("\r\n")


def _units(char: str) -> int:
    return 2 if ord(char) > 0xFFFF else 1
