"""Writes faults as text for people, as JSON, and as annotations for GitHub."""

from __future__ import annotations

import bisect
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from engine.errors import Fault, Place, Severity
from engine.rules.document import MAX_FILE_BYTES
from engine.rules.nodes import BREAK
from engine.watchlist import SUFFIXES

_SECTION: Final = re.compile(r"(?:\ufeff)?(?P<name>[^\s#:-][^:]*?)\s*:(?:\s|$)")
_SHOWN_SECTIONS: Final = frozenset({"rules", "rate_limit", "watchlists", "time_intervals", "tests"})
#: Of a line longer than `_SHOWN` characters, that many from `_BEFORE` before the fault are shown.
_BEFORE: Final = 60
_SHOWN: Final = 100

LineOf = Callable[[Place], str | None]
"""The text of the line at a place, None where it must not or can't be shown."""


class Excerpts:
    """Gives lines of rule files that hold no secrets; each file is read once."""

    def __init__(self) -> None:
        self._files: dict[str, _FileLines] = {}

    def line(self, place: Place) -> str | None:
        """The text of the line at `place`, or None where it must not or can't be shown."""
        if Path(place.file).suffix.lower() in SUFFIXES:
            return None
        lines = self._files.get(place.file)
        if lines is None:
            lines = self._files[place.file] = _FileLines(_text(place.file))
        return lines.line(place.line)


class _FileLines:
    """The lines of one file, and the top-level key that each belongs to."""

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
        """The line of that number, from 1; None where its section may hold secrets."""
        section = bisect.bisect_right(self._starts, number) - 1
        if section < 0 or self._sections[section] not in _SHOWN_SECTIONS:
            return None
        return self._lines[number - 1] if 0 < number <= len(self._lines) else None


def _text(file: str) -> str:
    try:
        with Path(file).open("rb") as opened:
            return opened.read(MAX_FILE_BYTES).decode("utf-8", "replace").removeprefix("\ufeff")
    except OSError:
        return ""


def as_text(faults: Sequence[Fault], line_of: LineOf = lambda place: None) -> str:
    """`file:line:column: what, remedy` a fault; with its line and a caret if `line_of` gives it."""
    return "\n".join(_with_excerpt(fault, line_of(fault.place)) for fault in faults)


def headline(fault: Fault) -> str:
    """A fault on one line; a warning has the word `warning` after its place."""
    if fault.severity is Severity.ERROR:
        return str(fault)
    return str(fault).replace(f"{fault.place}: ", f"{fault.place}: warning: ", 1)


def _with_excerpt(fault: Fault, line: str | None) -> str:
    head = headline(fault)
    if line is None or not line.strip():
        return head
    column = fault.place.column - 1
    start = max(0, column - _BEFORE) if len(line) > _SHOWN else 0
    cut = "".join(char if char.isprintable() else " " for char in line[start : start + _SHOWN])
    width = sum(_width(char) for char in cut[: column - start])
    return f"{head}\n    {cut.rstrip()}\n    {' ' * width}^"


def _width(char: str) -> int:
    """The number of terminal columns that a character takes."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def as_json(
    faults: Sequence[Fault],
    cel: Mapping[str, str] | None = None,
    watchlists: Sequence[Mapping[str, object]] | None = None,
) -> str:
    """A JSON object with `faults`: objects of file, line, column, severity, code, what, remedy.

    `cel` are conditions as CEL text by rule id; with it the object has `rules`: objects of id, cel.
    With `watchlists` it has `watchlists` as they are given.
    """
    report: dict[str, object] = {
        "faults": [
            {
                "file": fault.place.file,
                "line": fault.place.line,
                "column": fault.place.column,
                "severity": str(fault.severity),
                "code": fault.code,
                "what": fault.what,
                "remedy": fault.remedy,
            }
            for fault in faults
        ]
    }
    if cel is not None:
        report["rules"] = [{"id": rule_id, "cel": text} for rule_id, text in cel.items()]
    if watchlists is not None:
        report["watchlists"] = list(watchlists)
    return json.dumps(report, ensure_ascii=False, indent=2)


def as_github(faults: Sequence[Fault]) -> str:
    """GitHub workflow commands, one a line, which annotate the lines of a pull request."""
    return "\n".join(_annotation(fault) for fault in faults)


def _annotation(fault: Fault) -> str:
    message = f"{fault.what}, {fault.remedy}" if fault.remedy else fault.what
    place = fault.place
    properties = f"file={_property(place.file)},line={place.line},col={place.column}"
    return f"::{fault.severity} {properties},title={_property(fault.code)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
