"""Markdown pages taken apart: fenced snippets, tables, code in the text, links and headings.

A fence's first line is `LANGUAGE [NAME=VALUE …]`. These are the attributes, and all there are:

- `file=NAME` (yaml, csv, jsonl): a file for the commands that follow, which judge it.
- `exit=N` (console): the exit status of the last command; 0 unless given.
- `like=webhook|readyz` (json): what the engine really sends or answers looks exactly so.
- `logs=EVENT` (python): after it the running engine logs this.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

LANGUAGES: Final = frozenset(
    {"yaml", "csv", "console", "sh", "python", "json", "jsonl", "lua", "promql", "text"}
)
ATTRIBUTES: Final = {
    "yaml": "file",
    "csv": "file",
    "jsonl": "file",
    "console": "exit",
    "json": "like",
    "python": "logs",
}
PROMPT: Final = "$ "
_FENCE: Final = re.compile(r"^(?P<ticks>`{3,})(?P<info>[^`]*)$")
_HEADING: Final = re.compile(r"^#{1,6} (?P<title>.+)$")
_CODE: Final = re.compile(r"(?<!`)`(?P<code>[^`]+)`(?!`)|``(?P<more>.+?)``")
_LINK: Final = re.compile(r"\[[^\]]*\]\((?P<target>[^)]+)\)")
_ASSIGNMENT: Final = re.compile(r"(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)", re.DOTALL)
_RULER: Final = re.compile(r"^\|(?:\s*:?-+:?\s*\|)+$")


@dataclass(frozen=True, slots=True)
class Snippet:
    """One fenced block; `line` is its first line's number in the page."""

    page: Path
    line: int
    language: str
    attributes: Mapping[str, str]
    text: str

    @property
    def place(self) -> str:
        """`page:line`, for messages."""
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its heading cells and the cells of its rows, as written."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def codes(self, column: int = 0) -> list[str]:
        """Every piece of code in a column, from top to bottom."""
        return [code for row in self.rows for code in codes(row[column])]


@dataclass(frozen=True, slots=True)
class Command:
    """One command line: words, the variables set before it, and what it must print, if told."""

    words: tuple[str, ...]
    variables: Mapping[str, str]
    expected: str | None = None


@dataclass(slots=True)
class Page:
    """A page and its parts, each in the page's order; `prose` is all that is not fenced."""

    path: Path
    snippets: list[Snippet] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    prose: str = ""

    @property
    def codes(self) -> list[str]:
        """Every piece of code outside of fences."""
        return codes(self.prose)

    @property
    def links(self) -> list[str]:
        """The targets of all links."""
        return [found["target"] for found in _LINK.finditer(self.prose)]

    @property
    def anchors(self) -> set[str]:
        """What a link to a heading of this page may name."""
        return {slug(heading) for heading in self.headings}

    def tables_of(self, heading: str) -> list[Table]:
        """The tables whose first column has this heading."""
        return [table for table in self.tables if table.header[0] == heading]


def codes(text: str) -> list[str]:
    """The pieces of code in a text, without their ticks."""
    return [(found["code"] or found["more"]).strip() for found in _CODE.finditer(text)]


def slug(heading: str) -> str:
    """The anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def read_page(path: Path) -> Page:
    """Take a page apart; ValueError for an unknown language or attribute, or an open fence."""
    page = Page(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    prose: list[str] = []
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            prose.append(lines[number])
            number += 1
            continue
        end = next((n for n in range(number + 1, len(lines)) if lines[n] == fence["ticks"]), None)
        if end is None:
            raise ValueError(f"{path.name}:{number + 1}: the fence is not closed")
        body = "".join(f"{line}\n" for line in lines[number + 1 : end])
        page.snippets.append(_snippet(path, number + 1, fence["info"], body))
        prose.append("")
        number = end + 1
    page.prose = "\n".join(prose)
    page.headings = [found["title"] for line in prose if (found := _HEADING.match(line))]
    page.tables = _tables(prose)
    return page


def _snippet(path: Path, line: int, info: str, text: str) -> Snippet:
    language, *rest = shlex.split(info) or [""]
    attributes = dict(each.split("=", 1) for each in rest if "=" in each)
    known = {ATTRIBUTES.get(language)}
    if language not in LANGUAGES or not attributes.keys() <= known or len(attributes) != len(rest):
        raise ValueError(f"{path.name}:{line}: no such fence: {info}")
    return Snippet(path, line, language, attributes, text)


def _tables(lines: list[str]) -> list[Table]:
    tables = []
    for number, line in enumerate(lines):
        if not _RULER.match(line):
            continue
        rows = []
        for row in lines[number + 1 :]:
            if not row.startswith("|"):
                break
            rows.append(_cells(row))
        tables.append(Table(_cells(lines[number - 1]), tuple(rows)))
    return tables


def _cells(row: str) -> tuple[str, ...]:
    parts = re.split(r"(?<!\\)\|", row.strip()[1:-1])
    return tuple(part.strip().replace("\\|", "|") for part in parts)


def commands(snippet: Snippet) -> list[Command]:
    """The commands of a `sh` or `console` snippet; of the latter with what they print."""
    if snippet.language == "sh":
        text = snippet.text.replace("\\\n", " ")
        return [command for line in text.splitlines() for command in _commands(line)]
    found: list[Command] = []
    for block in re.split(rf"^{re.escape(PROMPT)}", snippet.text, flags=re.MULTILINE)[1:]:
        line, _, output = block.partition("\n")
        (command,) = _commands(line)
        found.append(Command(command.words, command.variables, output))
    return found


def _commands(line: str) -> list[Command]:
    found = []
    for part in re.split(r"\s&&\s", line):
        words = shlex.split(part, comments=True)
        variables: dict[str, str] = {}
        while words and (assigned := _ASSIGNMENT.fullmatch(words[0])):
            variables[assigned["name"]] = assigned["value"]
            del words[0]
        if words:
            found.append(Command(tuple(words), variables))
    return found
