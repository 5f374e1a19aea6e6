"""The rules in force: which of them match, where their alerts go, and what an alert says."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, TypeAlias

from channels.alert import Alert, Target
from channels.targets.identity import identify, target_id, without_duplicates
from engine.match import IndexedMatcher, Matcher, MatchResult
from engine.pipeline.grouping import TargetGroups, target_groups
from engine.rules import Rule, RuleSet
from engine.rules.rule import message_bindings
from engine.schema.event import Event

#: A channel's name and the id of one of its targets.
TargetRef: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class ActiveRules:
    """A whole rule set, ready to match; it never changes, another one takes its place.

    `targets` are those that the alerts of each rule go to, by rule id; `groups` has the groups of
    targets that have any, by target id.
    """

    rule_set: RuleSet
    matcher: Matcher = field(repr=False)
    targets: Mapping[str, tuple[TargetRef, ...]] = field(repr=False)
    groups: Mapping[str, TargetGroups] = field(default_factory=dict, repr=False)

    def match(self, event: Event) -> MatchResult:
        """The rules that hold on `event` and those that fail; any thread may ask."""
        return self.matcher.match(event)


def prepare(rule_set: RuleSet, key: bytes = b"") -> ActiveRules:
    """Build what matching needs, which takes seconds for thousands of rules; any thread may.

    So it does for long watchlists that are asked by likeness; what a list has of it already stays.
    `key` is the store's, by which targets have their ids.
    """
    for name in rule_set.asked_by_likeness & rule_set.watchlists.keys():
        rule_set.watchlists[name].prepare_likeness()
    # Thousands of rules name the same few channels, each of which may have many recipients.
    known = {
        notify: _targets(notify, rule_set.channels, key)
        for notify in {rule.notify for rule in rule_set.rules}
    }
    targets = {rule.rule_id: known[rule.notify] for rule in rule_set.rules}
    groups = target_groups(targets_of(rule_set, key), rule_set.group_keys)
    return ActiveRules(rule_set, IndexedMatcher(rule_set.rules), targets, groups)


def targets_of(rule_set: RuleSet, key: bytes = b"") -> dict[str, Target]:
    """Every target of every channel, by target id; `key` is the store's."""
    return identify(chain.from_iterable(rule_set.channels.values()), key)


def row_counts(rule_set: RuleSet) -> dict[str, int]:
    """How many rows each watchlist has."""
    return {name: each.row_count for name, each in rule_set.watchlists.items()}


def longest_cooldown(rule_set: RuleSet) -> float:
    """The longest cooldown in force, in seconds."""
    limits = (rule.rate_limit for rule in rule_set.rules)
    return max((limit.cooldown_seconds for limit in limits if limit is not None), default=0.0)


def render(rule: Rule, event: Event, suppressed_count: int, now: datetime) -> tuple[Alert, int]:
    """The alert of `rule` on `event`, made at `now` (aware), and how many placeholders failed."""
    near = rule.near_plate(event.bindings)
    message, failed = rule.message(event.bindings, suppressed_count, near)
    alert = Alert(
        alert_id=alert_id(event.digest, rule.rule_id),
        rule_id=rule.rule_id,
        rule_name=rule.name,
        priority=rule.priority,
        message=message,
        captured_at=event.captured_at,
        created_at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        suppressed_count=suppressed_count,
        late_seconds=max(0.0, round((now - event.time).total_seconds(), 3)),
        event=event.values,
        matched_plate="" if near is None else near.plate,
        likeness=1.0 if near is None else near.likeness,
    )
    return alert, failed


def alert_id(digest: bytes, rule_id: str) -> str:
    """The same for the same record and rule, so that reading a record twice names one alert."""
    source = digest + b"\0" + rule_id.encode()
    return str(uuid.UUID(bytes=hashlib.blake2b(source, digest_size=16).digest(), version=4))


def template_bindings(rule: Rule, event: Event, suppressed_count: int) -> dict[str, Any]:
    """What a message template sees: the event, its rule, and how many matches it stands for."""
    return message_bindings(rule, event.bindings, suppressed_count)


def _targets(
    notify: Iterable[str], channels: Mapping[str, tuple[Target, ...]], key: bytes
) -> tuple[TargetRef, ...]:
    """The targets of these channels, without those whose recipient another of them reaches."""
    named = chain.from_iterable(channels.get(channel, ()) for channel in notify)
    return tuple((each.channel, target_id(each, key)) for each in without_duplicates(named))
