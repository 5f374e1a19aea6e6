"""From an offset in a YAML scalar's text back to where it stands in the file."""

from __future__ import annotations

import re
from typing import Final

from engine.errors import Place

BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_PROPERTIES: Final = re.compile(r"(?:[&!][^\s,\[\]{}]*\s+)+")
_ESCAPE_WIDTHS: Final = {"x": 4, "u": 6, "U": 10}


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
    """Where the scalar's text begins: after anchor and tag, quotation mark or block header."""
    properties = _PROPERTIES.match(source, start)
    at = properties.end() if properties else start
    if style in {"|", ">"}:
        header = BREAK.search(source, at)
        return header.end() if header else len(source)
    return at + 1 if style in {"'", '"'} else at


def _step(source: str, at: int, char: str, style: str) -> tuple[int, int] | None:
    """One character of the text: the next index in the source, and how many were taken."""
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
    """Line and column, from 1, of `index`, which comes after `start`, which stands at `place`."""
    line, line_start = place.line, start - (place.column - 1)
    for found in BREAK.finditer(source, start, index):
        line += 1
        line_start = found.end()
    return line, index - line_start + 1
