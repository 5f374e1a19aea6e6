"""A checked rule, and the set of them that one load gives."""

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
    """What a rule's test says of its event."""

    MATCH = "match"
    NO_MATCH = "no_match"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most one alert per value of `keys` in `cooldown_seconds` (finite, at least 0)."""

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
    """All that one load gives.

    `rules` are the enabled ones, by file and then as they stand in it; `disabled` the ids of the
    others; `channels` the targets of every channel that is enabled; `watchlists` the lists by name.
    `misconfigured` has, by channel, the faults that keep some or all of its targets from sending.
    `unverified` has, by channel, those of the `warnings` that tell of a certificate which nobody
    looks at. `refusals` are lists whose files were not taken over, so that `watchlists` has them as
    they were before; `list_marks` tells each list's file as it was read.
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
    """What a message template sees: the event, its rule, and how many matches it stands for."""
    return {
        **event_bindings,
        "rule": {"id": rule.rule_id, "name": rule.name, "priority": str(rule.priority)},
        "suppressed_count": suppressed_count,
    }


def examples_of(rules: Sequence[Rule]) -> list[Mapping[str, Any]]:
    """The partial events that match one of the rules, as their own positive tests say."""
    return [test.event for rule in rules for test in rule.tests if test.expect is Expect.MATCH]
