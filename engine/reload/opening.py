"""What a start runs on: the rules on disk, or, when they hold faults, the last good set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import structlog

from engine.clock import Clock
from engine.errors import Fault, LastGoodError, Place, RulesError
from engine.reload.last_good import KeptSet, LastGood
from engine.reload.source import Attempt, RuleSource
from engine.rules import RuleSet
from engine.rules.channel_list import hold_any, hold_none
from engine.schema import load_event_schema
from engine.settings import Settings
from engine.store.location import parse_state_url
from engine.watchlist import Definition, Watchlist
from engine.watchlist.lines import Lines
from engine.watchlist.rows import Rows
from engine.watchlist.watchlist import FileMark

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opening:
    """The set to begin with; `attempt` is what became of the files on disk.

    `kept` is where the set is from when it is not from them. `known` are the lists that a later
    one is compared with.
    """

    rule_set: RuleSet
    attempt: Attempt
    known: Mapping[str, Watchlist]
    kept: KeptSet | None = None


def rule_source_of(settings: Settings) -> RuleSource:
    """The rules that `settings` name; raises SchemaError."""
    schema = load_event_schema(settings.event_schema_path)
    variables, zone = settings.variables.reveal(), settings.event_timezone
    return RuleSource(settings.rules_path, schema, variables, zone)


def last_good_of(settings: Settings) -> LastGood:
    """Where the last good rules of this store are kept; raises StoreError for an unusable URL."""
    path = parse_state_url(settings.state_url).path
    return LastGood(path.parent / "last-good" / path.name)


def open_rules(source: RuleSource, last_good: LastGood, clock: Clock, *, strict: bool) -> Opening:
    """Load the files or, unless `strict`, the last good set in their place, which is logged.

    A channel whose definition holds faults, such as an unset variable, is held, unless `strict`.
    RulesError when neither can be had, with the faults of both.
    """
    kept, problem = _find(last_good)
    known = _known(kept)
    may_hold = hold_none if strict else hold_any
    attempt = source.attempt(source.files.look(), known, may_hold)
    result = attempt.result
    if not isinstance(result, RulesError):
        if problem is not None:
            log.warning("last_good.unusable", error=problem, remedy="none needed: it is made anew")
        return Opening(result, attempt, result.watchlists)
    if strict:
        raise result
    if kept is None:
        faults = () if problem is None else (_told(last_good, problem),)
        raise RulesError((*result.faults, *faults), result.lists)
    try:
        rule_set = source.load_kept(kept)
    except RulesError as error:
        told = _told(last_good, "the set that was kept does not load any more either")
        raise RulesError((*result.faults, told, *error.faults), result.lists) from error
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


def _known(kept: KeptSet | None) -> Mapping[str, Watchlist]:
    """The lists of the kept set by their numbers of rows, so that none is taken that shrank."""
    if kept is None:
        return {}
    return {name: _remembered(name, path, count) for name, (path, count) in kept.lists.items()}


def _remembered(name: str, path: Path, row_count: int) -> Watchlist:
    """A list of which only that much is known; its mark is that of no file."""
    return Watchlist(
        definition=Definition(name, path, Place(str(path))),
        plates={},
        row_count=row_count,
        skipped_count=0,
        columns=(),
        rows=Rows((), ()),
        validity=None,
        repeated=(),
        most_rows=1,
        lines=Lines(),
        mark=FileMark(0, 0, 0, 0),
        zone=UTC,
        faults=(),
    )
