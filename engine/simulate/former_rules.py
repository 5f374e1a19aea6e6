"""The rules by which something was decided: those of that time, as far as they are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from types import MappingProxyType
from typing import Final, Protocol

from engine.errors import RulesError, RulesNotKeptError
from engine.reload.history import ChangeKind, RuleChange, changes, load_rule_set
from engine.rules import RuleSet
from engine.schema import EventSchema
from engine.store import RuleFiles, RuleSetUse

_NO_CHANGES: Final[Mapping[str, RuleChange]] = MappingProxyType({})


class KeptRuleSets(Protocol):
    """The rule sets that were in force; `engine.store.RuleSets` is one."""

    def at(self, at_us: int) -> list[RuleSetUse]:
        """The uses in force at that time, the oldest first."""

    def files(self, digest: str) -> RuleFiles | None:
        """The files of the set with this digest."""


@dataclass(frozen=True, slots=True)
class RulesOfTime:
    """The rules to explain something by.

    `changes` has what has become since of each rule that is not as it was. `note` says why they are
    today's, where they should not be, or that engines disagreed; "" where all is well.
    """

    rule_set: RuleSet
    changes: Mapping[str, RuleChange] = field(default_factory=lambda: _NO_CHANGES)
    note: str = ""


class FormerRules:
    """Finds the rules of a time; `today` are those of the files."""

    def __init__(
        self, kept: KeptRuleSets | None, today: RuleSet, schema: EventSchema, zone: tzinfo
    ) -> None:
        self.today: Final = today
        self._kept: Final = kept
        self._schema: Final = schema
        self._zone: Final = zone
        self._found: Final[dict[str, RulesOfTime]] = {}

    def at(self, at_us: int) -> RulesOfTime:
        """The rules in force at that time; today's where that is not known."""
        uses = self._kept.at(at_us) if self._kept is not None else []
        if not uses:
            return RulesOfTime(self.today, note="the rules are today's: those of then are not kept")
        found = self.of(uses[-1].digest)
        if len({use.digest for use in uses}) > 1 and not found.note:
            note = "engines had different rules then: these are those that came last"
            return RulesOfTime(found.rule_set, found.changes, note)
        return found

    def of(self, digest: str) -> RulesOfTime:
        """The rules of that digest; today's where they are not kept."""
        if digest and digest == self.today.digest and self._kept is not None:
            return RulesOfTime(self.today)
        if digest not in self._found:
            self._found[digest] = self._load(digest)
        return self._found[digest]

    def _load(self, digest: str) -> RulesOfTime:
        files = self._kept.files(digest) if self._kept is not None and digest else None
        if files is None:
            return RulesOfTime(self.today, note="the rules are today's: those of then are not kept")
        try:
            former = load_rule_set(files, self._schema, self._zone, self.today.costs)
        except RulesNotKeptError as error:
            return RulesOfTime(self.today, note=f"the rules are today's: {error}")
        except RulesError as error:
            what = error.faults[0]
            return RulesOfTime(
                self.today,
                note=f"the rules are today's: those of then do not load any more, {what}",
            )
        changed = {
            rule_id: change
            for rule_id, change in changes(former, self.today).items()
            if change.kind is not ChangeKind.UNCHANGED
        }
        return RulesOfTime(former, changed)


def change_text(change: RuleChange) -> str:
    """What has become of a rule since, for people: `condition, cooldown_seconds changed since`."""
    match change.kind:
        case ChangeKind.GONE:
            return "it is gone since"
        case ChangeKind.DISABLED:
            return "it is disabled since"
        case ChangeKind.NEW:
            return "it is new since"
        case ChangeKind.UNCHANGED:
            return ""
    parts: Sequence[str] = [*change.keys, *(f"the list {name}" for name in change.lists)]
    return f"changed since: {', '.join(parts)}"
