"""A checked and compiled rule, the set of rules that a load gives, and the reader of `rules:`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from channels.alert import Priority, Target
from channels.render import near_words
from engine.cel import Expression, Template
from engine.clock import is_utc
from engine.errors import Fault, Place, Refusal
from engine.intervals import Schedule, TimeInterval
from engine.rules.channel_reader import ChannelReader
from engine.rules.expressions import Compiler, read_condition
from engine.rules.faults import FaultCode, Faults, shown, suggestion
from engine.rules.interval_reader import ScheduleReader
from engine.rules.keys import RULE
from engine.rules.near import NearMatches, NearPlate, near_matches
from engine.rules.nodes import (
    CUT,
    MappingNode,
    ScalarNode,
    UniqueNames,
    YamlNode,
    as_flag,
    as_mapping,
    as_text,
    check_keys,
)
from engine.rules.rate_limits import RateLimit, UncompiledLimit, rate_limit, read_limits
from engine.rules.rule_test import RuleTest
from engine.rules.test_reader import read_tests
from engine.schema import NORMALIZED_PLATE
from engine.watchlist import PlateCosts, Watchlist, standard_costs
from engine.watchlist.watchlist import FileMark

DEFAULT_TEMPLATE: Final = "{rule.name}: {plate.normalized_text} at {camera_id}, {captured_at}"
#: The default where the site has a time zone: `captured_at` may be in any zone.
LOCAL_TEMPLATE: Final = "{rule.name}: {plate.normalized_text} at {camera_id}, {time}"
MAX_NAME_LENGTH: Final = 200
#: Priorities of other programs. Numbers are left out: some count up, others down.
_PRIORITIES: Final = {
    **dict.fromkeys(("critical", "urgent", "emergency", "error", "page"), "write high"),
    **dict.fromkeys(("warning", "warn", "normal", "default"), "write medium"),
    **dict.fromkeys(("info", "notice", "debug", "minor"), "write low"),
}
_PLACEHOLDER: Final = re.compile(r"\{\s*[$.]?[\w.]+[^{}]*\}")
_ID: Final = re.compile(r"[a-z0-9_-]{1,100}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, checked and compiled.

    `notify` names only channels that exist and are enabled; `rate_limit` is None where every
    match becomes an alert; `schedule` is None where the rule counts at any time. `near` tells near
    matches, None where the condition asks nothing by likeness.
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
    schedule: Schedule | None = None
    near: NearMatches | None = None
    has_default_message: bool = False

    def near_plate(self, event_bindings: Mapping[str, Any]) -> NearPlate | None:
        """The plate that was meant, where the rule holds on an event by likeness only, else None.

        `event_bindings` are the variables of expressions, of an event on which the rule holds.
        """
        return None if self.near is None else self.near.of(event_bindings)

    def message(
        self,
        event_bindings: Mapping[str, Any],
        suppressed_count: int,
        near: NearPlate | None,
    ) -> tuple[str, int]:
        """The message of an alert, and how many of its placeholders failed.

        The default message of a near match has both plates.
        """
        bindings = message_bindings(self, event_bindings, suppressed_count)
        if near is not None and self.has_default_message:
            record, _, name = NORMALIZED_PLATE.partition(".")
            values = bindings.get(record) or {}
            words = near_words(values.get(name), near.plate, near.likeness)
            bindings[record] = {**values, name: words}
        return self.template.render(bindings)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a rule set: its absolute `path`, and the digest of its content.

    The content can be read at `place`, which is another path where a copy was loaded. `lists` has
    the names of the watchlists that are read from it; it is empty for a rule file.
    """

    path: Path
    digest: str
    place: Path
    lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The result of one load.

    `rules` are the enabled rules, by file and in the order of the file; `disabled` the ids of the
    others. `channels` has the targets of each enabled channel; `switched_off` the names of those
    that are defined, but disabled. `watchlists` has the lists by name, and `time_intervals` the
    intervals.
    `misconfigured` has, by channel, the faults that keep some or all of its targets from sending.
    `unverified` has, by channel, the `warnings` about certificates that are not checked.
    `refusals` are the lists whose changed files were not loaded: `watchlists` has the lists of the
    load before. `list_marks` has the state of each list's file as it was read. `digest` is the same
    for sets of the same files, lists and costs, wherever they lie. `sources` are these files.
    `costs` are those of misreadings of plates. `asked_by_likeness` has the names of the lists that
    a rule or a message asks by likeness. `group_keys` has the expressions, by their texts, that
    channels are grouped by.
    """

    rules: tuple[Rule, ...]
    disabled: tuple[str, ...]
    channels: Mapping[str, tuple[Target, ...]]
    warnings: tuple[Fault, ...]
    files: tuple[Path, ...]
    watchlists: Mapping[str, Watchlist] = field(default_factory=lambda: MappingProxyType({}))
    switched_off: frozenset[str] = frozenset()
    misconfigured: Mapping[str, tuple[Fault, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    unverified: Mapping[str, tuple[Fault, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    refusals: tuple[Refusal, ...] = ()
    list_marks: Mapping[Path, FileMark] = field(default_factory=lambda: MappingProxyType({}))
    digest: str = ""
    sources: tuple[SourceFile, ...] = ()
    time_intervals: Mapping[str, TimeInterval] = field(default_factory=lambda: MappingProxyType({}))
    costs: PlateCosts = field(default_factory=standard_costs, repr=False)
    asked_by_likeness: frozenset[str] = frozenset()
    group_keys: Mapping[str, Expression] = field(default_factory=lambda: MappingProxyType({}))


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
    return [event for rule in rules for test in rule.tests for event in test.matching_events()]


class RuleReader:
    """Reads rules one by one; their ids must be unique.

    `rules` are the enabled rules without faults, `disabled` the ids of disabled ones, which are
    checked all the same. `count` is the number of entries read.
    """

    def __init__(self, compiler: Compiler, channels: ChannelReader, faults: Faults) -> None:
        self.rules: list[Rule] = []
        self.disabled: list[str] = []
        self.count = 0
        self._compiler = compiler
        self._schedules = ScheduleReader(compiler.intervals, faults)
        self._channels = channels
        self._faults = faults
        self._ids = UniqueNames(
            faults,
            FaultCode.DUPLICATE_ID,
            "the rule id `{}` is used twice",
            "rename one of the rules",
        )

    def read(self, node: YamlNode, fallback: UncompiledLimit) -> None:
        """Reads one rule; `fallback` is the rate limit of rules without one."""
        self.count += 1
        mapping = as_mapping(node, "a rule", self._faults)
        if mapping is None:
            return
        check_keys(mapping, RULE.names, RULE.title, self._faults)
        rule_id = self._id(mapping)
        is_enabled = self._is_enabled(mapping)
        rule = self._rule(mapping, rule_id or "?", is_enabled, fallback)
        if rule_id is None or rule is None:
            return
        if is_enabled:
            self.rules.append(rule)
        else:
            self.disabled.append(rule_id)

    def _rule(
        self, mapping: MappingNode, rule_id: str, is_enabled: bool, fallback: UncompiledLimit
    ) -> Rule | None:
        """The rule with this id; None where its condition or its template has faults."""
        faults, values = self._faults, mapping.values
        name = self._line(mapping, "name") or rule_id
        priority = self._priority(mapping)
        description = self._description(mapping)
        condition = read_condition(mapping, self._compiler, faults)
        limits = fallback
        if "rate_limit" in values:
            limits = read_limits(values["rate_limit"], fallback, faults)
        limit = rate_limit(limits, mapping, self._compiler, faults, condition)
        schedule = self._schedules.read(mapping)
        template = self._template(mapping)
        tests: tuple[RuleTest, ...] = ()
        if "tests" in values:
            tests = read_tests(values["tests"], self._compiler.schema, self._compiler.zone, faults)
        notify = self._channels.resolve(values.get("notify"), rule_id, mapping, is_enabled)
        if condition is None or template is None:
            return None
        return Rule(
            rule_id=rule_id,
            name=name,
            description=description,
            priority=priority,
            condition=condition,
            notify=notify,
            rate_limit=limit,
            template=template,
            tests=tests,
            place=mapping.place,
            schedule=schedule,
            near=near_matches(condition),
            has_default_message="message_template" not in values,
        )

    def _id(self, mapping: MappingNode) -> str | None:
        node = mapping.values.get("id")
        if node is None:
            self._faults.error(
                mapping.place, FaultCode.MISSING_KEY, "the rule has no `id`", "add `id: some_name`"
            )
            return None
        scalar = as_text(node, "`id`", self._faults)
        if scalar is None:
            return None
        rule_id = scalar.text
        if not _ID.fullmatch(rule_id):
            self._faults.error(
                scalar.place,
                FaultCode.BAD_VALUE,
                f"the rule's id can't be `{shown(rule_id)}`",
                "use at most 100 lower-case letters, digits, `_` and `-`",
            )
            return None
        self._ids.add(scalar, mapping.place)
        return rule_id

    def _is_enabled(self, mapping: MappingNode) -> bool:
        node = mapping.values.get("enabled")
        return node is None or as_flag(node, "`enabled`", self._faults) is not False

    def _priority(self, mapping: MappingNode) -> Priority:
        node = mapping.values.get("priority")
        scalar = as_text(node, "`priority`", self._faults) if node is not None else None
        if scalar is None:
            return Priority.MEDIUM
        known = tuple(str(priority) for priority in Priority)
        if scalar.text in known:
            return Priority(scalar.text)
        self._faults.error(
            scalar.place,
            FaultCode.BAD_VALUE,
            f"unknown priority `{shown(scalar.text)}`",
            _PRIORITIES.get(scalar.text.lower(), "")
            or suggestion(scalar.text, known, f"write {', '.join(known[:-1])} or {known[-1]}"),
        )
        return Priority.MEDIUM

    def _line(self, mapping: MappingNode, key: str) -> str | None:
        node = mapping.values.get(key)
        scalar = as_text(node, f"`{key}`", self._faults) if node is not None else None
        if scalar is None:
            return None
        text = scalar.text.strip()
        if len(text) > MAX_NAME_LENGTH or not all(char.isprintable() for char in text):
            self._faults.error(
                scalar.place,
                FaultCode.BAD_VALUE,
                f"`{key}` is not one line of at most {MAX_NAME_LENGTH} characters",
                "shorten it; `description` may be long",
            )
            return None
        self._warn_of_cut(scalar, key)
        if _PLACEHOLDER.search(text):
            self._faults.warning(
                scalar.place,
                FaultCode.AMBIGUOUS_VALUE,
                f"`{key}` is shown as it stands, with its braces",
                "placeholders belong into message_template",
            )
        return text

    def _description(self, mapping: MappingNode) -> str:
        node = mapping.values.get("description")
        if node is None or node.is_null:
            return ""
        scalar = as_text(node, "`description`", self._faults)
        return "" if scalar is None else scalar.text.strip()

    def _template(self, mapping: MappingNode) -> Template | None:
        node = mapping.values.get("message_template")
        if node is None:
            default = DEFAULT_TEMPLATE if is_utc(self._compiler.zone) else LOCAL_TEMPLATE
            return self._compiler.default_template(default, mapping.place)
        scalar = as_text(node, "`message_template`", self._faults)
        if scalar is None:
            return None
        self._warn_of_cut(scalar, "message_template")
        return self._compiler.template(scalar)

    def _warn_of_cut(self, scalar: ScalarNode, key: str) -> None:
        if scalar.is_cut:
            what = f"`{key}` ends before the `#`"
            self._faults.warning(scalar.place, FaultCode.AMBIGUOUS_VALUE, what, CUT)
