"""What a start runs on: the rules on disk, or, when they hold faults, the last good set."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import structlog

from engine.clock import Clock
from engine.errors import Fault, LastGoodError, Place, RulesError
from engine.reload.last_good import KeptSet, LastGood
from engine.reload.source import Attempt, RuleSource
from engine.rules import RuleSet
from engine.rules.channel_list import hold_any, hold_none
from engine.rules.list_reader import Known
from engine.schema import load_event_schema
from engine.settings import Settings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opening:
    """The set to begin with; `attempt` is what became of the files on disk.

    `kept` is where the set is from when it is not from them. `known` are the lists that a later
    one is compared with.
    """

    rule_set: RuleSet
    attempt: Attempt
    known: Known
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
    known: Known = kept.remembered() if kept is not None else {}
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
