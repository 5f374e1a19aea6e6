"""Loads rules from the watched files, and knows whether they stayed the same meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Final

from engine.errors import RulesError
from engine.reload.last_good import KeptSet
from engine.reload.sighting import Sighting, WatchedFiles
from engine.rules import RuleSet, load_rules
from engine.rules.channel_list import MayHold, hold_any, hold_none
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
        known: Mapping[str, Watchlist],
        may_hold: MayHold = hold_none,
    ) -> Attempt:
        """Load once; `seen` is how the files were just now, `known` the lists in force.

        Faults of a channel that `may_hold` don't stop the load.
        """
        result: RuleSet | RulesError
        lists: Mapping[Path, FileMark | None]
        try:
            result = load_rules(
                [self.rules_path],
                self.schema,
                self._variables,
                known=known,
                zone=self._zone,
                may_hold=may_hold,
            )
            lists = {each.path: each.mark for each in result.watchlists.values()}
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
