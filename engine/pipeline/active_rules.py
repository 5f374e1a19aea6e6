"""A rule set ready to match, which takes the place of the one in force as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

from channels.alert import Target
from channels.targets.identity import audience_of, without_duplicates
from engine.match import IndexedMatcher, Matcher, MatchResult
from engine.rules import RuleSet
from engine.schema.event import Event

#: A channel's name and the id of one of its targets.
TargetRef: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class ActiveRules:
    """A whole rule set, ready to match; it never changes, another one takes its place.

    `targets` are those that the alerts of each rule go to, by rule id.
    """

    rule_set: RuleSet
    matcher: Matcher = field(repr=False)
    targets: Mapping[str, tuple[TargetRef, ...]] = field(repr=False)

    def match(self, event: Event) -> MatchResult:
        """The rules that hold on `event` and those that fail; any thread may ask."""
        return self.matcher.match(event)


def prepare(rule_set: RuleSet) -> ActiveRules:
    """Build what matching needs, which for thousands of rules takes seconds; any thread may."""
    # Thousands of rules name the same few channels, each of which may have many recipients.
    known = {
        notify: _targets(notify, rule_set.channels)
        for notify in {rule.notify for rule in rule_set.rules}
    }
    targets = {rule.rule_id: known[rule.notify] for rule in rule_set.rules}
    return ActiveRules(rule_set, IndexedMatcher(rule_set.rules), targets)


def _targets(
    notify: Iterable[str], channels: Mapping[str, tuple[Target, ...]]
) -> tuple[TargetRef, ...]:
    """The targets of these channels, without those whose recipient another of them reaches."""
    named = chain.from_iterable(channels.get(channel, ()) for channel in notify)
    return tuple((each.channel, each.target_id) for each in without_duplicates(named, audience_of))


def targets_of(rule_set: RuleSet) -> dict[str, Target]:
    """Every target of every channel, by target id."""
    return {
        target.target_id: target for targets in rule_set.channels.values() for target in targets
    }


def row_counts(rule_set: RuleSet) -> dict[str, int]:
    """How many rows each watchlist has."""
    return {name: each.row_count for name, each in rule_set.watchlists.items()}


def longest_cooldown(rule_set: RuleSet) -> float:
    """The longest cooldown in force, in seconds."""
    limits = (rule.rate_limit for rule in rule_set.rules)
    return max((limit.cooldown_seconds for limit in limits if limit is not None), default=0.0)
