"""A checked and compiled rule, and the set of rules and channels that one load gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from channels.alert import Priority, Target
from engine.cel import Expression, Template
from engine.errors import Fault, Place, Refusal
from engine.watchlist import Watchlist
from engine.watchlist.watchlist import FileMark


class Expect(StrEnum):
    """What a rule's test expects of its event."""

    MATCH = "match"
    NO_MATCH = "no_match"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most one alert per value of `keys` within `cooldown_seconds` (finite, at least 0)."""

    cooldown_seconds: float
    keys: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One of a rule's own tests: a partial event, and whether the rule matches it."""

    name: str
    event: Mapping[str, Any]
    expect: Expect
    place: Place


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, checked and compiled.

    `notify` names only channels that exist and are enabled; `rate_limit` is None where every
    match becomes an alert.
    """

    rule_id: str
    name: str
    description: str
    priority: Priority
    condition: Expression
    notify: tuple[str, ...]
    rate_limit: RateLimit | None
    template: Template
    tests: tuple[RuleTest, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The result of one load.

    `rules` are the enabled rules, by file and in the order of the file; `disabled` the ids of the
    others. `channels` has the targets of each enabled channel, `watchlists` the lists by name.
    `misconfigured` has, by channel, the faults that keep some or all of its targets from sending.
    `unverified` has, by channel, the `warnings` about certificates that are not checked.
    `refusals` are the lists whose changed files were not loaded: `watchlists` has the lists of the
    load before. `list_marks` has the state of each list's file as it was read.
    """

    rules: tuple[Rule, ...]
    disabled: tuple[str, ...]
    channels: Mapping[str, tuple[Target, ...]]
    warnings: tuple[Fault, ...]
    files: tuple[Path, ...]
    watchlists: Mapping[str, Watchlist] = field(default_factory=lambda: MappingProxyType({}))
    misconfigured: Mapping[str, tuple[Fault, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    unverified: Mapping[str, tuple[Fault, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    refusals: tuple[Refusal, ...] = ()
    list_marks: Mapping[Path, FileMark] = field(default_factory=lambda: MappingProxyType({}))


def message_bindings(
    rule: Rule, event_bindings: Mapping[str, Any], suppressed_count: int
) -> dict[str, Any]:
    """The variables of a message template: the event's, `rule` and `suppressed_count`."""
    return {
        **event_bindings,
        "rule": {"id": rule.rule_id, "name": rule.name, "priority": str(rule.priority)},
        "suppressed_count": suppressed_count,
    }


def examples_of(rules: Sequence[Rule]) -> list[Mapping[str, Any]]:
    """The partial events of the rules' own tests that expect a match."""
    return [test.event for rule in rules for test in rule.tests if test.expect is Expect.MATCH]
