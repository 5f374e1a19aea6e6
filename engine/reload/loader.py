"""Loads the rules from the watched files, or at the start the last good ones in their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import tzinfo
from hashlib import blake2b
from pathlib import Path
from typing import Final

import structlog

from engine.clock import Clock
from engine.errors import Fault, LastGoodError, Place, RulesError
from engine.reload.file_state import FileState, WatchedFiles
from engine.reload.last_good import KeptSet, LastGood
from engine.rules import RuleSet, load_rules, load_watchlists
from engine.rules.channel_reader import MayHold, hold_any, hold_none
from engine.rules.rule import SourceFile
from engine.rules.watchlist_reader import Accepts, KnownLists, absolute
from engine.schema import EventSchema, load_event_schema
from engine.settings import Settings
from engine.watchlist import PlateCosts, Watchlist, costs_of, standard_costs
from engine.watchlist.watchlist import FileMark

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoadAttempt:
    """The result of one load: the rule set, or all faults.

    `state` and `digests` are those of the files as they were loaded. `is_current` is False when
    the files changed meanwhile, so that another attempt is needed.
    """

    result: RuleSet | RulesError
    state: FileState
    digests: Mapping[Path, str]
    is_current: bool


class RuleSource:
    """Loads the rules of one path, checked against one schema."""

    def __init__(
        self,
        rules_path: Path,
        schema: EventSchema,
        variables: Mapping[str, str],
        zone: tzinfo,
        costs: PlateCosts | None = None,
    ) -> None:
        """`variables` has the values of `${VAR}`; dates without a time zone are read in `zone`.

        `costs` are those of misreadings of plates, the package's unless given.
        """
        self.files: Final = WatchedFiles(rules_path)
        self.schema: Final = schema
        self._variables = variables
        self._zone = zone
        self._costs = standard_costs() if costs is None else costs
        # Where the content of a list can be read that stays in force while its file is refused.
        self._list_sources: dict[tuple[Path, FileMark], SourceFile] = {}

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
        """Load once. `seen` is the files' state just now, `known` are the watchlists in force.

        A watchlist that shrank is refused unless `accepts` says that it is right. A channel with
        faults is held where `may_hold` says so, and stops the load elsewhere.
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
                costs=self._costs,
            )
            lists = result.list_marks
        except RulesError as error:
            result = error
            # A list that was not watched yet counts as missing, so if it exists, the load is stale.
            lists = {path: seen.marks.get(path) for path in error.lists}
        others = set(self.files.lists) - set(lists)
        marks = {path: mark for path, mark in seen.marks.items() if path not in others}
        loaded = FileState({**marks, **lists})
        self.files.lists = tuple(lists)
        digests = self.files.digests(loaded)
        if isinstance(result, RuleSet):
            sources = self._sources(result, digests, known)
            result = replace(result, digest=_digest_in_force(result, digests), sources=sources)
        return LoadAttempt(result, loaded, digests, self.files.look() == loaded)

    def lists_of(self, kept: KeptSet) -> Mapping[str, Watchlist]:
        """The watchlists of a kept set, with the paths of their original files; raises RulesError.

        Their marks match no file, so that a load with these as the known lists reads every file.
        """
        path = kept.copy_of(kept.rules_path)
        found = load_watchlists(
            [path], zone=self._zone, root=kept.root, costs=self._costs
        ).watchlists
        lists = {name: _with_path(found[name], kept) for name in kept.lists if name in found}
        for each in lists.values():
            path, _ = key = _key_of(each)
            digest = kept.digests.get(path, "")
            self._list_sources[key] = SourceFile(path, digest, kept.copy_of(path))
        return lists

    def load_kept(self, kept: KeptSet) -> RuleSet:
        """Load the copies of a kept set; channels with faults are held. Raises RulesError."""
        rule_set = load_rules(
            [kept.copy_of(kept.rules_path)],
            self.schema,
            self._variables,
            zone=self._zone,
            root=kept.root,
            may_hold=hold_any,
            costs=self._costs,
        )
        sources = tuple(
            SourceFile(path, digest, kept.copy_of(path), _names_of(kept, path))
            for path, digest in kept.digests.items()
        )
        digest = _digest_of((*kept.digests.values(), self._costs.digest))
        return replace(rule_set, digest=digest, sources=sources)

    def _sources(
        self, rule_set: RuleSet, digests: Mapping[Path, str], known: KnownLists
    ) -> tuple[SourceFile, ...]:
        """The files of what is in force, which for a refused list is not its present file."""
        before = {_key_of(each) for each in known.values() if isinstance(each, Watchlist)}
        former = {key: each for key, each in self._list_sources.items() if key in before}
        lists: dict[tuple[Path, FileMark], SourceFile] = {}
        for each in rule_set.watchlists.values():
            key = _key_of(each)
            is_read = rule_set.list_marks.get(each.path) == each.mark
            digest = digests.get(each.path, "") if is_read else ""
            read = SourceFile(key[0], digest, each.path)
            found = lists.get(key) or (read if is_read else former.get(key, read))
            lists[key] = replace(found, lists=(*found.lists, each.name))
        self._list_sources = {
            **former,
            **{key: replace(each, lists=()) for key, each in lists.items()},
        }
        files = [SourceFile(absolute(each), digests.get(each, ""), each) for each in rule_set.files]
        return (*files, *lists.values())


@dataclass(frozen=True, slots=True)
class Opening:
    """The rule set that the engine starts with; `attempt` is the load of the files on disk.

    `kept` is the last good set where that is in force in place of the files. `known` are the
    watchlists that the next load compares its own with.
    """

    rule_set: RuleSet
    attempt: LoadAttempt
    known: KnownLists
    kept: KeptSet | None = None


def rule_source_of(settings: Settings) -> RuleSource:
    """The source of the rules that `settings` name; raises SchemaError and CostsError."""
    schema = load_event_schema(settings.event_schema_path)
    variables, zone = settings.variables.reveal(), settings.event_timezone
    costs = costs_of(settings.plate_costs_path)
    return RuleSource(settings.rules_path, schema, variables, zone, costs)


def open_rules(source: RuleSource, last_good: LastGood, clock: Clock, *, strict: bool) -> Opening:
    """Load the files or, where they hold faults and unless `strict`, the last good set.

    A watchlist that shrank is taken from the last good set, and all else from the files. A channel
    whose definition holds faults, such as an unset variable, is held, unless `strict`. Raises
    RulesError, with the faults of both, when neither set can be loaded.
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
        faults = () if problem is None else (_last_good_fault(last_good, problem),)
        raise RulesError((*result.faults, *faults), result.lists, result.refusals)
    try:
        rule_set, known = source.load_kept(kept), source.lists_of(kept)
    except RulesError as error:
        fault = _last_good_fault(last_good, "the set that was kept does not load any more either")
        both = (*result.faults, fault, *error.faults)
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


def _digest_in_force(rule_set: RuleSet, digests: Mapping[Path, str]) -> str:
    """The digest of a rule set that was loaded from files of these digests, with its costs."""
    refused = {refusal.file: f"{refusal.rows_before} rows" for refusal in rule_set.refusals}
    files = {path: each for path, each in digests.items() if not path.is_dir()}
    # The file of a refused list is not what is in force.
    return _digest_of((*{**files, **refused}.values(), rule_set.costs.digest))


def _digest_of(digests: Iterable[str]) -> str:
    """A digest of files and costs by theirs; paths, which differ between machines, don't count."""
    return blake2b("\n".join(sorted(set(digests))).encode(), digest_size=8).hexdigest()


def _key_of(watchlist: Watchlist) -> tuple[Path, FileMark]:
    """What tells the content of a list's file from that of other files and of later ones."""
    return absolute(watchlist.path), watchlist.mark


def _names_of(kept: KeptSet, path: Path) -> tuple[str, ...]:
    return tuple(name for name, (of_list, _) in kept.lists.items() if of_list == path)


def _find(last_good: LastGood) -> tuple[KeptSet | None, str | None]:
    try:
        return last_good.find(), None
    except LastGoodError as error:
        return None, str(error)


def _last_good_fault(last_good: LastGood, what: str) -> Fault:
    return Fault(
        Place(str(last_good.folder)),
        LastGoodError.code,
        what,
        "mend the rule files; a set is kept again once they are good",
    )


def _with_path(watchlist: Watchlist, kept: KeptSet) -> Watchlist:
    definition = replace(watchlist.definition, path=kept.lists[watchlist.name][0])
    return replace(watchlist, definition=definition, mark=FileMark(0, 0, 0, 0))
