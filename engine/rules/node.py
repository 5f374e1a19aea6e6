"""What a YAML file holds: scalars, listings and tables, each knowing its place."""

from __future__ import annotations

import re
from typing import Final

from engine.errors import Place
from engine.rules.position import BREAK, line_and_column, source_index

_COMMENT: Final = re.compile(r"[ \t]+#[^\s#]")
NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})


class Source:
    """A file's name, as people gave it, and its text."""

    __slots__ = ("_has_cuts", "_line_starts", "file", "text")

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._line_starts: list[int] = []
        self._has_cuts: bool | None = None

    @property
    def has_cuts(self) -> bool:
        """May any of its values be cut by a `#` with no blank behind?"""
        if self._has_cuts is None:
            self._has_cuts = _COMMENT.search(self.text) is not None
        return self._has_cuts

    def index(self, line: int, column: int) -> int:
        """Where in the text a place is; both count from 1."""
        if not self._line_starts:
            self._line_starts = [0, *(found.end() for found in BREAK.finditer(self.text))]
        return self._line_starts[line - 1] + column - 1


class Scalar:
    """One text; `plain` means that it stands without quotes, so that YAML would give it a type.

    `line` and `column` count from 1; `style` is YAML's: empty, a quotation mark, `|` or `>`.
    """

    __slots__ = ("column", "line", "plain", "source", "style", "text")

    def __init__(
        self, source: Source, text: str, plain: bool, style: str, line: int, column: int
    ) -> None:
        self.source = source
        self.text = text
        self.plain = plain
        self.style = style
        self.line = line
        self.column = column

    @property
    def is_null(self) -> bool:
        """Is it empty, or one of YAML's words for null, without quotes?"""
        return self.plain and self.text in NULLS

    @property
    def place(self) -> Place:
        """Where it starts."""
        return Place(self.source.file, self.line, self.column)

    @property
    def is_cut(self) -> bool:
        """Does a `#` that looks like a part of the text, with no blank behind, end it?"""
        if not self.plain or not self.source.has_cuts:
            return False
        source = self.source.text
        start = self.source.index(self.line, self.column)
        following = BREAK.search(source, start)
        if source.find("#", start, following.start() if following else len(source)) < 0:
            return False
        end = source_index(source, start, self.text, self.style, len(self.text))
        return end is not None and _COMMENT.match(source, end) is not None

    def place_at(self, offset: int) -> Place:
        """Where the code point `offset` of the text stands in the file.

        It is the scalar's start where the way back can't be told.
        """
        text = self.source.text
        start = self.source.index(self.line, self.column)
        index = source_index(text, start, self.text, self.style, offset)
        if index is None:
            return self.place
        return Place(self.source.file, *line_and_column(text, start, self.place, index))


class Listing:
    """A YAML sequence."""

    __slots__ = ("column", "items", "line", "source")

    def __init__(self, source: Source, line: int, column: int) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.items: list[Node] = []

    @property
    def place(self) -> Place:
        """Where it starts."""
        return Place(self.source.file, self.line, self.column)


class Table:
    """A YAML mapping; its keys are texts, each with the place where it stands."""

    __slots__ = ("column", "keys", "line", "source", "values")

    def __init__(self, source: Source, line: int, column: int) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.keys: dict[str, Scalar] = {}
        self.values: dict[str, Node] = {}

    def seen_at(self, line: int, column: int) -> Table:
        """The same mapping where an alias stands for it."""
        seen = Table(self.source, line, column)
        seen.keys, seen.values = self.keys, self.values
        return seen

    @property
    def place(self) -> Place:
        """Where it starts."""
        return Place(self.source.file, self.line, self.column)


Node = Scalar | Listing | Table
