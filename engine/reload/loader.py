"""Loads rules from the watched files; at a start, the last good ones where these hold faults."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path
from typing import Final

import structlog

from engine.clock import Clock
from engine.errors import Fault, LastGoodError, Place, RulesError
from engine.reload.file_state import FileState, WatchedFiles
from engine.reload.last_good import KeptSet, LastGood
from engine.rules import RuleSet, load_rules, load_watchlists
from engine.rules.channel_reader import MayHold, hold_any, hold_none
from engine.rules.watchlist_reader import Accepts, KnownLists
from engine.schema import EventSchema, load_event_schema
from engine.settings import Settings
from engine.watchlist import Watchlist
from engine.watchlist.watchlist import FileMark


@dataclass(frozen=True, slots=True)
class LoadAttempt:
    """What became of a load: the set, or all faults.

    `sighting` and `digests` are of the files as they were loaded; `is_current` is False when they
    changed while they were, so that another attempt is needed.
    """

    result: RuleSet | RulesError
    sighting: FileState
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
        seen: FileState,
        known: KnownLists,
        accepts: Accepts | None = None,
        may_hold: MayHold = hold_none,
    ) -> LoadAttempt:
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
        loaded = FileState({**marks, **lists})
        self.files.lists = tuple(lists)
        digests = self.files.digests(loaded)
        return LoadAttempt(result, loaded, digests, self.files.look() == loaded)

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


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opening:
    """The set to begin with; `attempt` is what became of the files on disk.

    `kept` is where the set is from when it is not from them. `known` are the lists that a later
    one is compared with.
    """

    rule_set: RuleSet
    attempt: LoadAttempt
    known: KnownLists
    kept: KeptSet | None = None


def rule_source_of(settings: Settings) -> RuleSource:
    """The rules that `settings` name; raises SchemaError."""
    schema = load_event_schema(settings.event_schema_path)
    variables, zone = settings.variables.reveal(), settings.event_timezone
    return RuleSource(settings.rules_path, schema, variables, zone)


def open_rules(source: RuleSource, last_good: LastGood, clock: Clock, *, strict: bool) -> Opening:
    """Load the files or, unless `strict`, the last good set in their place, which is logged.

    A list that is refused, for it shrank, is that of the last good set, and all else is of the
    files. A channel whose definition holds faults, such as an unset variable, is held, unless
    `strict`. RulesError when neither set can be had, with the faults of both.
    """
    kept, problem = _find(last_good)
    known: KnownLists = kept.remembered() if kept is not None else {}
    accepts, may_hold = last_good.acceptances.accepts, hold_none if strict else hold_any
    attempt = source.attempt(source.files.look(), known, accepts, may_hold)
    if kept is not None and not strict and attempt.result.refusals:
        with suppress(RulesError):
            known = source.lists_of(kept)
        attempt = source.attempt(source.files.look(), known, accepts, may_hold)
    result = attempt.result
    if not isinstance(result, RulesError):
        if problem is not None:
            log.warning("last_good.unusable", error=problem, remedy="none needed: it is made anew")
        return Opening(result, attempt, result.watchlists)
    if strict:
        raise result
    if kept is None:
        faults = () if problem is None else (_told(last_good, problem),)
        raise RulesError((*result.faults, *faults), result.lists, result.refusals)
    try:
        rule_set, known = source.load_kept(kept), source.lists_of(kept)
    except RulesError as error:
        told = _told(last_good, "the set that was kept does not load any more either")
        both = (*result.faults, told, *error.faults)
        raise RulesError(both, result.lists, result.refusals) from error
    log.error(
        "rules.last_good",
        faults=[str(fault) for fault in result.errors],
        rules=len(rule_set.rules),
        loaded_from=str(kept.rules_path),
        kept_at=kept.saved_at.isoformat(timespec="seconds"),
        age_seconds=round((clock.now() - kept.saved_at).total_seconds()),
        remedy="mend the files: they come into force as soon as they are good",
    )
    return Opening(rule_set, attempt, known, kept)


def _find(last_good: LastGood) -> tuple[KeptSet | None, str | None]:
    try:
        return last_good.find(), None
    except LastGoodError as error:
        return None, str(error)


def _told(last_good: LastGood, what: str) -> Fault:
    return Fault(
        Place(str(last_good.folder)),
        LastGoodError.code,
        what,
        "mend the rule files; a set is kept again once they are good",
    )
