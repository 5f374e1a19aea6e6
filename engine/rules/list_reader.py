"""The watchlists that rule files define: read, or taken over from the load before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from types import MappingProxyType
from typing import Final

from engine.cel.lists import Lists
from engine.errors import Place
from engine.rules.fields import as_table, as_text, check_keys, number_of
from engine.rules.files import absolute
from engine.rules.findings import Code, Findings, shown, suggestion
from engine.rules.names import Names
from engine.rules.node import Node, Scalar, Table
from engine.watchlist import DEFAULT_MAX_SHRINK, DateOrder, Definition, Watchlist, read_watchlist

LIST_KEYS: Final = (
    "file",
    "column",
    "note",
    "valid_from",
    "valid_until",
    "dates",
    "max_shrink",
)
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NONE: Final[Mapping[str, Watchlist]] = MappingProxyType({})


class ListReader:
    """Lists by name, unique over all files; None stands for one that can't be used.

    `known` are those of the load before, `zone` is that of times without one. `lists` is what
    `watchlist("name")` means; it `is_whole` unless a file can't be read. `paths` are the lists'
    files, whether they can be used or not; absolute ones are looked up below `root`.
    """

    def __init__(
        self,
        findings: Findings,
        known: Mapping[str, Watchlist] | None,
        zone: tzinfo,
        *,
        is_whole: bool = True,
        root: Path | None = None,
    ) -> None:
        self.watchlists: dict[str, Watchlist] = {}
        self.paths: list[Path] = []
        self._named: dict[str, Watchlist | None] = {}
        self.lists = Lists(self._named, is_whole=is_whole)
        self._findings = findings
        self._known = _NONE if known is None else known
        self._zone = zone
        self._root = root
        self._names = Names(
            findings,
            Code.DUPLICATE_WATCHLIST,
            "the watchlist `{}` is defined twice",
            "rename or remove one of them",
        )

    def read(self, node: Node) -> None:
        """Takes a file's `watchlists:`."""
        if isinstance(node, Scalar) and node.is_null:
            return
        table = as_table(node, "`watchlists`", self._findings)
        for name, key in table.keys.items() if table is not None else ():
            if not _NAME.fullmatch(name):
                self._findings.error(
                    key.place,
                    Code.BAD_VALUE,
                    "this can't be the name of a watchlist",
                    "use at most 64 letters, digits, `_`, `.` and `-`",
                )
            elif table is not None:
                self._take(key, table.values[name], table.place)

    def warn_of_unused(self) -> None:
        """Warn of each list that no expression asks for."""
        for name, place in self._names.places.items():
            if name not in self.lists.used:
                self._findings.warning(
                    place,
                    Code.NO_EFFECT,
                    f"no rule asks for the watchlist {name}",
                    f'write `plate.normalized_text in watchlist("{name}")` in a rule, or remove it',
                )

    def _take(self, key: Scalar, node: Node, owner: Place) -> None:
        name = key.text
        if not self._names.take(key, owner):
            return
        self._named[name] = None
        definition = self._definition(key, node)
        if definition is None:
            return
        self.paths.append(definition.path)
        known = self._known.get(name)
        reading = read_watchlist(definition, self._zone, known)
        self._findings.take(reading.faults)
        found = reading.watchlist
        if found is None or (known is not None and self._is_shrunk(definition, known, found)):
            return
        self.watchlists[name] = self._named[name] = found

    def _is_shrunk(self, definition: Definition, known: Watchlist, found: Watchlist) -> bool:
        """Whether the list lost so many rows that its file is taken to be cut off."""
        least = (1 - definition.max_shrink) * known.row_count
        is_same = absolute(known.path) == absolute(definition.path)
        if not is_same or found.row_count >= least:
            return False
        allowed = f"{definition.max_shrink:.0%}"
        self._findings.error(
            definition.place,
            Code.WATCHLIST_SHRUNK,
            f"the watchlist {definition.name} shrank from {known.row_count:,} to "
            f"{found.row_count:,} rows, by more than its max_shrink of {allowed}",
            "restore the file; if it is right, write `max_shrink: 100%` until it is loaded",
        )
        return True

    def _definition(self, key: Scalar, node: Node) -> Definition | None:
        if isinstance(node, Scalar):
            path = self._path(node, f"`{key.text}`")
            return Definition(key.text, path, node.place) if path is not None else None
        table = as_table(node, f"`{key.text}`", self._findings)
        if table is None:
            return None
        check_keys(table, LIST_KEYS, "a watchlist", self._findings)
        file = table.values.get("file")
        if file is None:
            self._findings.error(
                key.place,
                Code.MISSING_KEY,
                f"the watchlist {key.text} has no `file`",
                "add `file: plates.csv`",
            )
        path = self._path(file, "`file`") if file is not None else None
        column, note = self._text(table, "column"), self._text(table, "note")
        start, end = self._text(table, "valid_from"), self._text(table, "valid_until")
        dates, shrink = self._dates(table), self._shrink(table)
        if path is None or file is None:
            return None
        return Definition(key.text, path, file.place, column, note, start, end, dates, shrink)

    def _path(self, node: Node, name: str) -> Path | None:
        """The list's file; a relative path starts at the folder of the rule file."""
        scalar = as_text(node, name, self._findings)
        if scalar is None:
            return None
        path = Path(scalar.text.strip())
        if self._root is not None and path.is_absolute():
            return self._root / absolute(path).relative_to("/")
        return Path(scalar.source.file).parent / path

    def _text(self, table: Table, key: str) -> str | None:
        node = table.values.get(key)
        scalar = as_text(node, f"`{key}`", self._findings) if node is not None else None
        return None if scalar is None else scalar.text.strip()

    def _dates(self, table: Table) -> DateOrder | None:
        text = self._text(table, "dates")
        known = tuple(map(str, DateOrder))
        if text is None or text in known:
            return DateOrder(text) if text is not None else None
        self._findings.error(
            table.values["dates"].place,
            Code.BAD_VALUE,
            f"`dates` can't be `{shown(text)}`",
            suggestion(text, known, f"write {' or '.join(known)}"),
        )
        return None

    def _shrink(self, table: Table) -> float:
        text = self._text(table, "max_shrink")
        if text is None:
            return DEFAULT_MAX_SHRINK
        value = number_of(text.removesuffix("%").strip())
        share = value / 100 if value is not None and text.endswith("%") else value
        if share is not None and 0 <= share <= 1:
            return float(share)
        self._findings.error(
            table.values["max_shrink"].place,
            Code.BAD_VALUE,
            f"`max_shrink` can't be `{shown(text)}`",
            "write the share of its rows that the list may lose at once, from 0% to 100%",
        )
        return DEFAULT_MAX_SHRINK
