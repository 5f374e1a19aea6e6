"""Loads rules from the watched files, and knows whether they stayed the same meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path
from typing import Final

from engine.errors import RulesError
from engine.reload.last_good import KeptSet
from engine.reload.sighting import Sighting, WatchedFiles
from engine.rules import RuleSet, load_rules, load_watchlists
from engine.rules.channel_list import MayHold, hold_any, hold_none
from engine.rules.list_reader import Accepts, Known
from engine.schema import EventSchema
from engine.watchlist import Watchlist
from engine.watchlist.watchlist import FileMark


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of a load: the set, or all faults.

    `sighting` and `digests` are of the files as they were loaded; `is_current` is False when they
    changed while they were, so that another attempt is needed.
    """

    result: RuleSet | RulesError
    sighting: Sighting
    digests: Mapping[Path, str]
    is_current: bool


class RuleSource:
    """The rules that one path stands for, checked against one schema."""

    def __init__(
        self,
        rules_path: Path,
        schema: EventSchema,
        variables: Mapping[str, str],
        zone: tzinfo,
    ) -> None:
        """`variables` is what `${VAR}` is taken from; dates without a zone are read in `zone`."""
        self.files: Final = WatchedFiles(rules_path)
        self.schema: Final = schema
        self._variables = variables
        self._zone = zone

    @property
    def rules_path(self) -> Path:
        """The file or folder."""
        return self.files.rules_path

    def attempt(
        self,
        seen: Sighting,
        known: Known,
        accepts: Accepts | None = None,
        may_hold: MayHold = hold_none,
    ) -> Attempt:
        """Load once; `seen` is how the files were just now, `known` the lists in force.

        `accepts` says which lists are right although they shrank. Faults of a channel that
        `may_hold` don't stop the load.
        """
        result: RuleSet | RulesError
        lists: Mapping[Path, FileMark | None]
        try:
            result = load_rules(
                [self.rules_path],
                self.schema,
                self._variables,
                known=known,
                accepts=accepts,
                zone=self._zone,
                may_hold=may_hold,
            )
            lists = result.list_marks
        except RulesError as error:
            result = error
            # A list that was not watched yet counts as missing; if it is there, it was not seen.
            lists = {path: seen.marks.get(path) for path in error.lists}
        others = set(self.files.lists) - set(lists)
        marks = {path: mark for path, mark in seen.marks.items() if path not in others}
        loaded = Sighting({**marks, **lists})
        self.files.lists = tuple(lists)
        digests = self.files.digests(loaded)
        return Attempt(result, loaded, digests, self.files.look() == loaded)

    def lists_of(self, kept: KeptSet) -> Mapping[str, Watchlist]:
        """The lists of a set that was kept, as if they had their own files; raises RulesError.

        The mark of each is that of no file, so that its file is read.
        """
        path = kept.copy_of(kept.rules_path)
        found = load_watchlists([path], zone=self._zone, root=kept.root).watchlists
        return {name: _at_its_place(found[name], kept) for name in kept.lists if name in found}

    def load_kept(self, kept: KeptSet) -> RuleSet:
        """Load the copies of a set that was kept, channels with faults held; raises RulesError."""
        return load_rules(
            [kept.copy_of(kept.rules_path)],
            self.schema,
            self._variables,
            zone=self._zone,
            root=kept.root,
            may_hold=hold_any,
        )


def _at_its_place(watchlist: Watchlist, kept: KeptSet) -> Watchlist:
    definition = replace(watchlist.definition, path=kept.lists[watchlist.name][0])
    return replace(watchlist, definition=definition, mark=FileMark(0, 0, 0, 0))
