"""Reads the watchlists of rule files; unchanged lists are kept from the load before."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from types import MappingProxyType
from typing import Final

from engine.cel.check.watchlists import Lists
from engine.errors import Fault, Place, Refusal
from engine.rules.faults import FaultCode, Faults, shown, suggestion
from engine.rules.keys import WATCHLIST
from engine.rules.nodes import (
    MappingNode,
    ScalarNode,
    UniqueNames,
    YamlNode,
    as_mapping,
    as_text,
    check_keys,
    named_entries,
    number_of,
)
from engine.watchlist import (
    DateFormat,
    DateOrder,
    Definition,
    ListSummary,
    PlateCosts,
    Watchlist,
    read_watchlist,
)
from engine.watchlist.builder import MAX_ROWS
from engine.watchlist.near_plates import threshold_of
from engine.watchlist.watchlist import FileMark

KnownLists = Mapping[str, Watchlist | ListSummary]
"""Lists of the load before, by name; of a list that is not in memory a summary is enough."""
Accepts = Callable[[str, Path], bool]
"""Whether the list of that name and file was accepted by hand, although it shrank."""

_NONE: Final[KnownLists] = MappingProxyType({})


class WatchlistReader:
    """Reads watchlists; their names must be unique over all files.

    `known` are the lists of the load before, by name; times without a zone are read in `zone`.
    `is_whole` is False where a file can't be read: an unknown list may be defined there. Absolute
    paths of lists are looked up below `root`. `costs` are those of misreadings of plates, the
    package's unless given.

    `watchlists` has the usable lists by name; `lists` is what expressions may name, in which None
    stands for an unusable list. `paths` are the files of all lists, `marks` their state as they
    were read. `refusals` are the lists with too few rows that `accepts` did not accept: the list of
    the load before stays where it is in memory and defined alike, any other is a fault.
    """

    def __init__(
        self,
        faults: Faults,
        known: KnownLists | None,
        zone: tzinfo,
        *,
        accepts: Accepts | None = None,
        is_whole: bool = True,
        root: Path | None = None,
        costs: PlateCosts | None = None,
    ) -> None:
        self.watchlists: dict[str, Watchlist] = {}
        self.paths: list[Path] = []
        self.refusals: list[Refusal] = []
        self.marks: dict[Path, FileMark] = {}
        self._named: dict[str, Watchlist | None] = {}
        self.lists = Lists(self._named, is_whole=is_whole, costs=costs)
        self._faults = faults
        self._known = _NONE if known is None else known
        self._accepts = accepts or _accept_none
        self._zone = zone
        self._root = root
        self._names = UniqueNames(
            faults,
            FaultCode.DUPLICATE_WATCHLIST,
            "the watchlist `{}` is defined twice",
            "rename or remove one of them",
        )

    def read(self, node: YamlNode) -> None:
        """Reads a file's `watchlists:`."""
        for key, value in named_entries(node, "`watchlists`", "a watchlist", self._faults):
            self._read_list(key, value, node.place)

    def warn_of_unused(self) -> None:
        """Warns of each list that no expression names."""
        for name, place in self._names.places.items():
            if name not in self.lists.used:
                self._faults.warning(
                    place,
                    FaultCode.NO_EFFECT,
                    f"no rule asks for the watchlist {name}",
                    f'write `plate.normalized_text in watchlist("{name}")` in a rule, or remove it',
                )

    def _read_list(self, key: ScalarNode, node: YamlNode, owner: Place) -> None:
        name = key.text
        if not self._names.add(key, owner):
            return
        self._named[name] = None
        definition = self._definition(key, node)
        if definition is None:
            return
        self.paths.append(definition.path)
        known = self._known.get(name)
        loaded = known if isinstance(known, Watchlist) else None
        result = read_watchlist(definition, self._zone, loaded, self.lists.costs)
        self._faults.extend(result.faults)
        found = result.watchlist
        if found is None:
            return
        self.marks[definition.path] = found.mark
        refusal = self._refusal(definition, found)
        if refusal is not None:
            self.refusals.append(refusal)
            found = self._as_before(definition, found)
        if found is None:
            self._faults.extend([refusal.fault] if refusal is not None else [])
            return
        self.watchlists[name] = self._named[name] = found

    def _refusal(self, definition: Definition, found: Watchlist) -> Refusal | None:
        """The refusal of a list with too few rows; None where it has enough."""
        known = self._known.get(definition.name)
        before = known.row_count if known is not None else 0
        shrink = definition.may_shrink(before)
        is_same = known is not None and absolute(known.path) == absolute(definition.path)
        name, has_shrunk = definition.name, is_same and found.row_count < (1 - shrink) * before
        if found.row_count < definition.min_rows:
            code = FaultCode.WATCHLIST_ROWS
            what = f"has {_rows(found.row_count)}, fewer than its min_rows of {definition.min_rows}"
            remedy = "restore the file, or write a smaller `min_rows`"
        elif has_shrunk and not self._accepts(name, definition.path):
            code = FaultCode.WATCHLIST_SHRUNK
            what = (
                f"shrank from {before:,} to {_rows(found.row_count)}, "
                f"by more than its max_shrink of {shrink:.0%}"
            )
            remedy = (
                f"restore the file; if it is right, run `alert-engine lists accept {name}`, "
                "or write a larger `max_shrink`"
            )
        else:
            return None
        fault = Fault(definition.place, code, f"the watchlist {name} {what}", remedy)
        can_accept = code is FaultCode.WATCHLIST_SHRUNK
        return Refusal(name, definition.path, found.row_count, before, can_accept, fault)

    def _as_before(self, definition: Definition, found: Watchlist) -> Watchlist | None:
        """The list of the load before, which stays in place of the refused one; None if it can't.

        It can where its rows are in memory and its definition is the same.
        """
        known = self._known.get(definition.name)
        if not isinstance(known, Watchlist) or known is found:
            return None
        is_same = absolute(known.path) == absolute(definition.path)
        if not is_same or replace(known.definition, path=definition.path) != definition:
            return None
        return replace(known, definition=definition)

    def _definition(self, key: ScalarNode, node: YamlNode) -> Definition | None:
        if isinstance(node, ScalarNode):
            path = self._path(node, f"`{key.text}`")
            return Definition(key.text, path, node.place) if path is not None else None
        mapping = as_mapping(node, f"`{key.text}`", self._faults)
        if mapping is None:
            return None
        check_keys(mapping, WATCHLIST.names, WATCHLIST.title, self._faults)
        file = mapping.values.get("file")
        if file is None:
            self._faults.error(
                key.place,
                FaultCode.MISSING_KEY,
                f"the watchlist {key.text} has no `file`",
                "add `file: plates.csv`",
            )
        path = self._path(file, "`file`") if file is not None else None
        column, note = self._text(mapping, "column"), self._text(mapping, "note")
        start, end = self._text(mapping, "valid_from"), self._text(mapping, "valid_until")
        dates, date_format = self._dates(mapping), self._format(mapping)
        threshold, own = self._threshold(mapping), self._text(mapping, "threshold_column")
        shrink, min_rows = self._shrink(mapping), self._min_rows(mapping)
        if path is None or file is None:
            return None
        return Definition(
            key.text,
            path,
            file.place,
            column,
            note,
            start,
            end,
            dates,
            date_format,
            threshold,
            own,
            max_shrink=shrink,
            min_rows=min_rows,
        )

    def _path(self, node: YamlNode, name: str) -> Path | None:
        """The list's file; a relative path starts at the folder of the rule file."""
        scalar = as_text(node, name, self._faults)
        if scalar is None:
            return None
        path = Path(scalar.text.strip())
        if self._root is not None and path.is_absolute():
            return self._root / absolute(path).relative_to("/")
        return Path(scalar.source.file).parent / path

    def _text(self, mapping: MappingNode, key: str) -> str | None:
        node = mapping.values.get(key)
        scalar = as_text(node, f"`{key}`", self._faults) if node is not None else None
        return None if scalar is None else scalar.text.strip()

    def _dates(self, mapping: MappingNode) -> DateOrder | None:
        text = self._text(mapping, "dates")
        known = tuple(map(str, DateOrder))
        if text is None or text in known:
            return DateOrder(text) if text is not None else None
        self._faults.error(
            mapping.values["dates"].place,
            FaultCode.BAD_VALUE,
            f"`dates` can't be `{shown(text)}`",
            suggestion(text, known, f"write {' or '.join(known)}"),
        )
        return None

    def _format(self, mapping: MappingNode) -> DateFormat | None:
        text = self._text(mapping, "date_format")
        if text is None:
            return None
        place = mapping.values["date_format"].place
        if "dates" in mapping.values:
            what = "both `dates` and `date_format` say how dates are written"
            self._faults.error(place, FaultCode.BAD_VALUE, what, "remove `dates`")
        try:
            return DateFormat.parse(text)
        except ValueError as error:
            what = f"`date_format` can't be `{shown(text)}`"
            self._faults.error(place, FaultCode.BAD_VALUE, what, str(error))
        return None

    def _threshold(self, mapping: MappingNode) -> float | None:
        text = self._text(mapping, "threshold")
        if text is None:
            return None
        try:
            return threshold_of(text)
        except ValueError as error:
            what = f"`threshold` can't be `{shown(text)}`"
            place = mapping.values["threshold"].place
            self._faults.error(place, FaultCode.BAD_VALUE, what, str(error))
        return None

    def _min_rows(self, mapping: MappingNode) -> int:
        text = self._text(mapping, "min_rows")
        value = number_of(text) if text is not None else 0
        if isinstance(value, int) and 0 <= value <= MAX_ROWS:
            return value
        self._faults.error(
            mapping.values["min_rows"].place,
            FaultCode.BAD_VALUE,
            f"`min_rows` can't be `{shown(text or '')}`",
            f"write how many rows the list must have, from 0 to {MAX_ROWS}",
        )
        return 0

    def _shrink(self, mapping: MappingNode) -> float | None:
        text = self._text(mapping, "max_shrink")
        if text is None:
            return None
        value = number_of(text.removesuffix("%").strip())
        share = value / 100 if value is not None and text.endswith("%") else value
        if share is not None and 0 <= share <= 1:
            return float(share)
        self._faults.error(
            mapping.values["max_shrink"].place,
            FaultCode.BAD_VALUE,
            f"`max_shrink` can't be `{shown(text)}`",
            "write the share of its rows that the list may lose at once, from 0% to 100%",
        )
        return None


def absolute(path: Path) -> Path:
    """The absolute path without `..`; links are not followed."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _accept_none(name: str, path: Path) -> bool:
    return False
