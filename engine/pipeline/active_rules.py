"""A rule set in force: matcher and targets together, made beside the one that is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from channels.alert import Target
from channels.sameness import reach_of, without_repeats
from engine.match import IndexedMatcher, Matcher, MatchResult
from engine.rules import RuleSet
from engine.schema.event import Event

Route = tuple[str, str]
"""A channel's name and the id of one of its targets."""


@dataclass(frozen=True, slots=True, eq=False)
class ActiveRules:
    """A whole rule set, ready to match; it never changes, another one takes its place.

    `routes` are where the alerts of each rule go, by rule id.
    """

    rule_set: RuleSet
    matcher: Matcher = field(repr=False)
    routes: Mapping[str, tuple[Route, ...]] = field(repr=False)

    def match(self, event: Event) -> MatchResult:
        """The rules that hold on `event` and those that fail; any thread may ask."""
        return self.matcher.match(event)


def ready(rule_set: RuleSet) -> ActiveRules:
    """Build what matching needs, which for thousands of rules takes a while."""
    # Thousands of rules name the same few channels, each of which may have many recipients.
    known = {
        notify: _routes(notify, rule_set.channels)
        for notify in {rule.notify for rule in rule_set.rules}
    }
    routes = {rule.rule_id: known[rule.notify] for rule in rule_set.rules}
    return ActiveRules(rule_set, IndexedMatcher(rule_set.rules), routes)


def _routes(notify: Iterable[str], channels: Mapping[str, tuple[Target, ...]]) -> tuple[Route, ...]:
    """The targets of the channels that are enough to reach everybody."""
    named = chain.from_iterable(channels.get(channel, ()) for channel in notify)
    return tuple((each.channel, each.target_id) for each in without_repeats(named, reach_of))


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
