"""The nodes of a YAML file: scalars, sequences and mappings, each with its place in the file."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from engine.errors import Place

BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})

_COMMENT: Final = re.compile(r"[ \t]+#[^\s#]")
_PROPERTIES: Final = re.compile(r"(?:[&!][^\s,\[\]{}]*\s+)+")
_ESCAPE_WIDTHS: Final = {"x": 4, "u": 6, "U": 10}


class Source:
    """A file: its path as it was given, and its text."""

    __slots__ = ("_has_cuts", "_line_starts", "file", "text")

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._line_starts: list[int] = []
        self._has_cuts: bool | None = None

    @property
    def has_cuts(self) -> bool:
        """Whether a `#` without a blank after it may have cut a value of the file."""
        if self._has_cuts is None:
            self._has_cuts = _COMMENT.search(self.text) is not None
        return self._has_cuts

    def index(self, line: int, column: int) -> int:
        """The index in the text of a line and column, which count from 1."""
        if not self._line_starts:
            self._line_starts = [0, *(found.end() for found in BREAK.finditer(self.text))]
        return self._line_starts[line - 1] + column - 1


class ScalarNode:
    """A YAML scalar, as text; `plain` says that it has no quotes, so that YAML gives it a type.

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
        """Whether it is empty, or one of YAML's words for null, without quotes."""
        return self.plain and self.text in NULLS

    @property
    def place(self) -> Place:
        """Where it starts."""
        return Place(self.source.file, self.line, self.column)

    @property
    def is_cut(self) -> bool:
        """Whether a comment ends it that looks like a part of the text: a `#` and no blank."""
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
        """The place in the file of the code point `offset` of the text.

        It is the scalar's start where text and source don't agree.
        """
        text = self.source.text
        start = self.source.index(self.line, self.column)
        index = source_index(text, start, self.text, self.style, offset)
        if index is None:
            return self.place
        return Place(self.source.file, *line_and_column(text, start, self.place, index))


class SequenceNode:
    """A YAML sequence."""

    __slots__ = ("column", "items", "line", "source")
    is_null: ClassVar = False

    def __init__(self, source: Source, line: int, column: int) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.items: list[YamlNode] = []

    @property
    def place(self) -> Place:
        """Where it starts."""
        return Place(self.source.file, self.line, self.column)


class MappingNode:
    """A YAML mapping; `keys` has the node of each key, `values` that of its value."""

    __slots__ = ("column", "keys", "line", "source", "values")
    is_null: ClassVar = False

    def __init__(self, source: Source, line: int, column: int) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.keys: dict[str, ScalarNode] = {}
        self.values: dict[str, YamlNode] = {}

    def seen_at(self, line: int, column: int) -> MappingNode:
        """The same mapping where an alias stands for it."""
        seen = MappingNode(self.source, line, column)
        seen.keys, seen.values = self.keys, self.values
        return seen

    @property
    def place(self) -> Place:
        """Where it starts."""
        return Place(self.source.file, self.line, self.column)


YamlNode = ScalarNode | SequenceNode | MappingNode


def source_index(source: str, start: int, text: str, style: str, offset: int) -> int | None:
    """The index in `source` of `text[offset]`, for the scalar that starts at `start`.

    Walks through both, since quoting, folding and indentation make them differ; an offset at the
    end of the text gives the index after its last visible character. None if they don't agree.
    """
    visible = len(text.rstrip())
    if offset >= visible > 0:
        last = source_index(source, start, text, style, visible - 1)
        return None if last is None else last + 1
    at = _body(source, start, style)
    position = 0
    while position < offset:
        if at >= len(source):
            return None
        step = _step(source, at, text[position], style)
        if step is not None:
            at, taken = step
            position += taken
        elif text[position].isspace() or source[at].isspace():
            at = _skip_space(source, at)
            position = _skip_space(text, position)
        else:
            return None
    if offset < len(text) and not text[offset].isspace():
        at = _skip_space(source, at)
        if style == '"' and BREAK.match(source, at + 1) and source[at] == "\\":
            at = _skip_space(source, at + 1)
    return at


def _body(source: str, start: int, style: str) -> int:
    """The index of the scalar's first character: after anchor, tag, quotation mark and header."""
    properties = _PROPERTIES.match(source, start)
    at = properties.end() if properties else start
    if style in {"|", ">"}:
        header = BREAK.search(source, at)
        return header.end() if header else len(source)
    return at + 1 if style in {"'", '"'} else at


def _step(source: str, at: int, char: str, style: str) -> tuple[int, int] | None:
    """One step over the source: the next index, and how many characters of the text it gave.

    None where the source gives other text.
    """
    found = source[at]
    if style == '"' and found == "\\":
        following = source[at + 1 : at + 2]
        if BREAK.match(following):
            return _skip_space(source, at + 1), 0
        return at + _ESCAPE_WIDTHS.get(following, 2), 1
    if style == "'" and found == "'":
        return at + 2, 1
    if found == char and not BREAK.match(char):
        return at + 1, 1
    return None


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def line_and_column(source: str, start: int, place: Place, index: int) -> tuple[int, int]:
    """Line and column, from 1, of `index`; `place` is that of `start`, which comes before it."""
    line, line_start = place.line, start - (place.column - 1)
    for found in BREAK.finditer(source, start, index):
        line += 1
        line_start = found.end()
    return line, index - line_start + 1
