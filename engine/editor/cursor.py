"""Finds where in a rule file a cursor is, also while the file is being typed and is no valid YAML.

It reads the lines before the cursor by their indentation, and what stands in brackets on the way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: Stands for an item of a list in a path of keys.
ITEM: Final = "-"

_KEY: Final = re.compile(r"(?P<quote>[\"']?)(?P<name>[A-Za-z_<][\w.<-]*)(?P=quote)[ \t]*:(?=\s|$)")
_DASH: Final = re.compile(r"-(?:[ \t]+|$)")
_BLOCK: Final = re.compile(r"[|>][-+0-9]*\s*(?:#.*)?$")
#: The first item of a section that is a list, after blank lines and comments.
_FIRST_ITEM: Final = re.compile(r"\w+:[ \t]*(?:#.*)?\n(?:[ \t]*(?:#.*)?\n)*(?P<indent> *)- ")
_OPENING: Final = "{["


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a cursor is.

    `path` are the keys from the top of the file, `ITEM` for items of lists. With `is_key` a key is
    typed in the mapping at `path`; else `path` ends with the key, or item, whose value is typed.
    `before` is that key or value as far as it stands before the cursor, without its quote.
    `siblings` are the keys of the same mapping that stand before, with their values as written.
    """

    path: tuple[str, ...]
    is_key: bool
    before: str
    siblings: Mapping[str, str]


@dataclass(slots=True)
class _Level:
    """A key or an item that the lines so far have opened, and the keys below it."""

    column: int
    step: str
    keys: dict[str, str] = field(default_factory=dict)


def cursor_at(text: str, offset: int) -> Cursor:
    """Where the cursor at an offset is."""
    start = _section_start(text, offset)
    first = _FIRST_ITEM.match(text, start, offset)
    if first is None:
        return _Reader(text[start:offset]).read()
    # No line of an item is indented less than its dash, so the last dash there begins the last one.
    item = text.rfind(f"\n{first['indent']}- ", first.start("indent") - 1, offset)
    return _Reader(f"{text[start : first.start('indent')]}{text[item + 1 : offset]}").read()


def _section_start(text: str, offset: int) -> int:
    """The start of the last line up to the cursor's that begins with a key at the margin."""
    at = text.rfind("\n", 0, offset) + 1
    while at > 0 and not _KEY.match(text, at):
        at = text.rfind("\n", 0, at - 1) + 1
    return at


class _Reader:
    """Reads a text up to its end, where the cursor is."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._levels = [_Level(-1, "")]

    def read(self) -> Cursor:
        while True:
            end = self._text.find("\n", self._at)
            is_last = end < 0
            found = self._line(len(self._text) if is_last else end, is_last=is_last)
            if found is not None:
                return found

    def _line(self, end: int, *, is_last: bool) -> Cursor | None:
        """Read the line at `_at`, and what its value goes on with; the cursor if it is in it."""
        line = self._text[self._at : end]
        column = len(line) - len(line.lstrip(" "))
        if not line.strip():
            if is_last:
                return self._key("", len(line))
            self._at = end + 1
            return None
        if line[column] == "#":
            if is_last:
                return Cursor((), is_key=False, before="", siblings={})
            self._at = end + 1
            return None
        while (dash := _DASH.match(line, column)) is not None:
            self._close(column, keeps_key=True)
            self._levels.append(_Level(column, ITEM))
            column = dash.end()
        if column >= len(line) and self._levels[-1].step == ITEM:
            return self._value_end("", is_last=is_last, end=end)
        key = _KEY.match(line, column)
        if key is None:
            return self._scalar(column, end, is_last=is_last)
        self._close(column)
        self._levels[-1].keys[key["name"]] = line[key.end() :].strip()
        self._levels.append(_Level(column, key["name"]))
        return self._value(self._at + key.end(), end, column, is_last=is_last)

    def _scalar(self, column: int, end: int, *, is_last: bool) -> Cursor | None:
        """A line, from this column on, that is no `key: value`: an item, or a key being typed."""
        self._close(column)
        start = self._at + column
        if is_last and self._text[start : start + 1] not in (*_OPENING, '"', "'"):
            return self._key(self._text[start:], column)
        return self._value(start, end, column, is_last=is_last)

    def _value(self, start: int, end: int, column: int, *, is_last: bool) -> Cursor | None:
        """The value that starts at `start` in a line that ends at `end`; `column` is its key's."""
        text = self._text
        while start < end and text[start] in " \t":
            start += 1
        if start < end and text[start] in (*_OPENING, '"', "'"):
            return self._flow(start, end)
        if is_last:
            return self._value_end(text[start:], is_last=True, end=end)
        if _BLOCK.match(text, start, end):
            return self._lines_below(end, column)
        if start < end and text[start] not in "#&*":
            return self._lines_below(end, column, text[start:end])
        self._at = end + 1
        return None

    def _value_end(self, before: str, *, is_last: bool, end: int) -> Cursor | None:
        if is_last:
            return self._cursor(is_key=False, before=before)
        self._at = end + 1
        return None

    def _lines_below(self, end: int, column: int, first: str = "") -> Cursor | None:
        """Skip the lines of a text that goes on below, indented deeper than its key's column."""
        at = end + 1
        text = self._text
        while True:
            stop = text.find("\n", at)
            line = text[at : len(text) if stop < 0 else stop]
            indent = len(line) - len(line.lstrip(" "))
            is_text = indent > column or not line.strip()
            if stop < 0:
                if is_text and (line.strip() or indent > column):
                    return self._cursor(is_key=False, before=f"{first}\n{text[end + 1 :]}".strip())
                self._at = at
                return None
            if not is_text:
                self._at = at
                return None
            at = stop + 1

    def _flow(self, start: int, end: int) -> Cursor | None:
        """A value in brackets or quotes, maybe over several lines."""
        flow = _Flow(self._text, start)
        done = flow.read()
        if done is None:
            steps, is_key, before, siblings = flow.state()
            levels = tuple(level.step for level in self._levels[1:])
            own = self._levels[-2].keys if len(self._levels) > 1 else {}
            return Cursor((*levels, *steps), is_key, before, siblings if steps or is_key else own)
        following = self._text.find("\n", done)
        if following < 0:
            return self._cursor(is_key=False, before="")
        self._at = following + 1
        return None

    def _close(self, column: int, *, keeps_key: bool = False) -> None:
        """Close the levels that end before an entry at this column.

        A list may stand at the column of its own key, which `keeps_key` then.
        """
        while self._levels[-1].column > column or (
            self._levels[-1].column == column and not (keeps_key and self._levels[-1].step != ITEM)
        ):
            self._levels.pop()

    def _key(self, before: str, column: int) -> Cursor:
        self._close(column)
        return self._cursor(is_key=True, before=before)

    def _cursor(self, *, is_key: bool, before: str) -> Cursor:
        path = tuple(level.step for level in self._levels[1:])
        owner = self._levels[-1] if is_key or path[-1:] == (ITEM,) else self._levels[-2]
        return Cursor(path, is_key, before, owner.keys)


@dataclass(slots=True)
class _Frame:
    """An open bracket; `key` is the key whose value is being read, None before its colon."""

    bracket: str
    start: int
    key: str | None = None
    keys: dict[str, str] = field(default_factory=dict)


class _Flow:
    """Reads a value in brackets or quotes."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._at = start
        self._start = start
        self._frames: list[_Frame] = []
        self._quote_start: int | None = None

    def read(self) -> int | None:
        """The offset after the value; None where the text ends first."""
        text = self._text
        while self._at < len(text):
            char = text[self._at]
            if char in "\"'" and self._is_start():
                if not self._skip_quoted(char):
                    return None
                if not self._frames:
                    return self._at
                continue
            if char in _OPENING:
                self._frames.append(_Frame(char, self._at + 1))
            elif char in "}]":
                self._note_value()
                self._frames.pop()
                if not self._frames:
                    return self._at + 1
            elif char == ",":
                self._note_value()
                self._frames[-1].start, self._frames[-1].key = self._at + 1, None
            elif char == ":" and self._is_colon():
                frame = self._frames[-1]
                frame.key = text[frame.start : self._at].strip().strip("\"'")
                frame.start = self._at + 1
            self._at += 1
        return None

    def state(self) -> tuple[tuple[str, ...], bool, str, Mapping[str, str]]:
        """At the text's end: the steps into the value, is it a key, its text so far, its keys."""
        steps: list[str] = []
        for frame in self._frames:
            if frame.bracket == "[":
                steps.append(ITEM)
            elif frame.key is not None:
                steps.append(frame.key)
        if not self._frames:
            return (), False, self._text[self._start + 1 :], {}
        last = self._frames[-1]
        before = self._text[last.start :].lstrip()
        if self._quote_start is not None:
            before = self._text[self._quote_start + 1 :]
        is_key = last.bracket == "{" and last.key is None
        return tuple(steps), is_key, before, last.keys

    def _note_value(self) -> None:
        frame = self._frames[-1]
        if frame.key is not None:
            frame.keys[frame.key] = self._text[frame.start : self._at].strip()

    def _is_start(self) -> bool:
        """Whether a quote here begins a text: nothing stands before it in its entry."""
        begin = self._frames[-1].start if self._frames else self._start
        return not self._text[begin : self._at].strip()

    def _is_colon(self) -> bool:
        following = self._text[self._at + 1 : self._at + 2]
        is_mapping = bool(self._frames) and self._frames[-1].bracket == "{"
        return is_mapping and self._frames[-1].key is None and (not following or following in " \n")

    def _skip_quoted(self, quote: str) -> bool:
        """Go to behind the closing quote; False where the text ends first."""
        start, at, text = self._at, self._at + 1, self._text
        while at < len(text):
            if quote == '"' and text[at] == "\\":
                at += 2
                continue
            if text[at] == quote:
                if quote == "'" and text[at + 1 : at + 2] == "'":
                    at += 2
                    continue
                self._at = at + 1
                return True
            at += 1
        self._quote_start = start
        self._at = at
        return False
