"""Reads the time intervals of rule files, and the names of intervals in rules.

The form is Alertmanager's: an entry of its `time_intervals:` is read as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from engine.cel.check.intervals import Intervals
from engine.intervals import Coverage, Pattern, Schedule, TimeInterval, coverage
from engine.rules.faults import FaultCode, Faults, shown, suggestion
from engine.rules.keys import INTERVAL, PATTERN
from engine.rules.nodes import (
    MappingNode,
    ScalarNode,
    UniqueNames,
    YamlNode,
    as_mapping,
    as_sequence,
    as_text,
    check_keys,
)
from engine.rules.pattern_reader import read_pattern

NESTED_KEY: Final = "time_intervals"
EXCEPT_KEY: Final = "except"
ACTIVE_KEY: Final = "active_time_intervals"
MUTE_KEY: Final = "mute_time_intervals"
#: Most patterns of an interval, those of the intervals that it excepts included.
MAX_PATTERNS: Final = 100

#: Alertmanager's names are any text; a comma would separate names.
_NAME: Final = re.compile(r"[^\W_](?:[\w .:/-]{0,62}[\w.:/-])?")


@dataclass(frozen=True, slots=True)
class _Definition:
    """An interval as it is written: its patterns, and the names of the intervals it excepts.

    `patterns` is None where the entry has faults.
    """

    patterns: tuple[Pattern, ...] | None
    excepted: tuple[ScalarNode, ...]


class IntervalReader:
    """Reads time intervals; their names must be unique over all files.

    An interval without a location is of the time zone `zone`. `is_whole` is False where a file
    can't be read: an unknown interval may be defined there. Once all files are read, `resolve`
    makes the intervals: `intervals` has what rules and expressions may name, None for an unusable
    one, and `usable` the others.
    """

    def __init__(self, faults: Faults, zone: tzinfo, *, is_whole: bool = True) -> None:
        self._named: dict[str, TimeInterval | None] = {}
        self.intervals: Final = Intervals(self._named, is_whole=is_whole)
        self._definitions: dict[str, _Definition] = {}
        self._faults = faults
        self._zone = zone
        self._names = UniqueNames(
            faults,
            FaultCode.DUPLICATE_INTERVAL,
            "the time interval `{}` is defined twice",
            "rename or remove one of them",
        )

    @property
    def usable(self) -> dict[str, TimeInterval]:
        """The intervals without faults, by name."""
        return {name: found for name, found in self._named.items() if found is not None}

    def read(self, node: YamlNode) -> None:
        """Reads a file's `time_intervals:`."""
        if node.is_null:
            return
        sequence = as_sequence(
            node, "`time_intervals`", self._faults, "write each after `- `, as `- name: night`"
        )
        for item in sequence.items if sequence is not None else ():
            self._entry(item)

    def resolve(self) -> None:
        """Makes the intervals of all files; warns of those that never hold, or always."""
        while self._definitions:
            self._resolve(next(iter(self._definitions)), ())
        for name, found in self.usable.items():
            place = self._names.places[name]
            held = coverage(found.holds, found.all_patterns())
            if held is Coverage.NEVER:
                self._faults.warning(
                    place,
                    FaultCode.NEVER_TRUE,
                    f"the time interval `{name}` never holds",
                    "all of its parts must hold together, outside of what it excepts; for one or "
                    "the other write a list under its `time_intervals`",
                )
            elif held is Coverage.ALWAYS:
                self._faults.warning(
                    place,
                    FaultCode.NO_EFFECT,
                    f"the time interval `{name}` always holds",
                    "give it times, days or dates, or remove it",
                )

    def warn_of_unused(self) -> None:
        """Warns of each interval that no rule names."""
        for name, place in self._names.places.items():
            if name not in self.intervals.used:
                self._faults.warning(
                    place,
                    FaultCode.NO_EFFECT,
                    f"no rule names the time interval `{name}`",
                    f'write `{ACTIVE_KEY}: [{name}]` or `during("{name}")` in a rule, or remove it',
                )

    def _entry(self, node: YamlNode) -> None:
        mapping = as_mapping(node, "a time interval", self._faults)
        if mapping is None:
            return
        name = self._name(mapping)
        of_entry = Faults()
        check_keys(mapping, INTERVAL.names, INTERVAL.title, of_entry)
        patterns = self._patterns(mapping, of_entry)
        excepted: tuple[ScalarNode, ...] = ()
        if EXCEPT_KEY in mapping.values:
            excepted = _names_in(mapping.values[EXCEPT_KEY], EXCEPT_KEY, of_entry)
        self._faults.extend(of_entry)
        if name is None or not self._names.add(name, mapping.place):
            return
        self._named[name.text] = None
        self.intervals.used.update(each.text for each in excepted)
        usable = None if of_entry.has_errors else patterns
        self._definitions[name.text] = _Definition(usable, excepted)

    def _name(self, mapping: MappingNode) -> ScalarNode | None:
        node = mapping.values.get("name")
        if node is None:
            self._faults.error(
                mapping.place,
                FaultCode.MISSING_KEY,
                "the time interval has no `name`",
                "add `name: night`",
            )
            return None
        scalar = as_text(node, "`name`", self._faults)
        if scalar is not None and not _NAME.fullmatch(scalar.text):
            self._faults.error(
                scalar.place,
                FaultCode.BAD_VALUE,
                "this can't be the name of a time interval",
                "use at most 64 letters, digits, blanks and `_.:/-`",
            )
            return None
        return scalar

    def _patterns(self, mapping: MappingNode, faults: Faults) -> tuple[Pattern, ...]:
        """One pattern of the entry's own keys, or those of its nested list."""
        nested = mapping.values.get(NESTED_KEY)
        if nested is None:
            return (read_pattern(mapping, self._zone, faults),)
        for key in PATTERN.names:
            if key in mapping.keys:
                what = f"`{key}` stands beside `{NESTED_KEY}`, whose items have their own"
                remedy = f"write it into the items of `{NESTED_KEY}`"
                faults.error(mapping.keys[key].place, FaultCode.UNKNOWN_KEY, what, remedy)
        sequence = as_sequence(nested, f"`{NESTED_KEY}`", faults)
        found: list[Pattern] = []
        for item in sequence.items if sequence is not None else ():
            inner = as_mapping(item, f"an item of `{NESTED_KEY}`", faults)
            if inner is not None:
                check_keys(inner, PATTERN.names, PATTERN.title, faults)
                found.append(read_pattern(inner, self._zone, faults))
        if sequence is not None and not sequence.items:
            faults.error(
                nested.place, FaultCode.BAD_VALUE, f"`{NESTED_KEY}` is empty", "write one item"
            )
        return tuple(found)

    def _resolve(self, name: str, path: tuple[str, ...]) -> TimeInterval | None:
        """The interval of that name; `path` are those by whose `except` it is asked for."""
        definition = self._definitions.pop(name, None)
        if definition is None:
            return self._named.get(name)
        if len(path) == MAX_PATTERNS:
            self._report_size(path[0])
            return None
        path = (*path, name)
        excepted: list[TimeInterval] = []
        for each in definition.excepted:
            report_unknown(each, self.intervals, self._faults)
            if each.text in path:
                self._report_cycle(each, path[path.index(each.text) :])
            found = self._resolve(each.text, path)
            if found is not None:
                excepted.append(found)
        if definition.patterns is None or len(excepted) < len(definition.excepted):
            return None
        made = TimeInterval(name, definition.patterns, tuple(excepted))
        if sum(1 for _ in made.all_patterns()) > MAX_PATTERNS:
            self._report_size(name)
            return None
        self._named[name] = made
        return made

    def _report_size(self, name: str) -> None:
        self._faults.error(
            self._names.places[name],
            FaultCode.TOO_LARGE,
            f"the time interval `{name}` has more than {MAX_PATTERNS} parts, with those that it "
            "excepts",
            "write several dates into one `dates`, and several times into one `times`",
        )

    def _report_cycle(self, node: ScalarNode, cycle: tuple[str, ...]) -> None:
        what = f"the time interval `{cycle[0]}` excepts itself"
        if len(cycle) > 1:
            what += f", by {' and '.join(f'`{each}`' for each in cycle[1:])}"
        self._faults.error(node.place, FaultCode.BAD_VALUE, what, "remove one of these `except`")


class ScheduleReader:
    """Reads the time intervals that rules name; equal lists of names are checked once."""

    def __init__(self, intervals: Intervals, faults: Faults) -> None:
        self._intervals = intervals
        self._faults = faults
        self._coverages: dict[Schedule, Coverage] = {}

    def read(self, rule: MappingNode) -> Schedule | None:
        """The schedule of a rule; None where it names no interval."""
        active, mute = (self._named(rule, key) for key in (ACTIVE_KEY, MUTE_KEY))
        if not active and not mute:
            return None
        schedule = Schedule(active, mute)
        if schedule not in self._coverages:
            self._coverages[schedule] = coverage(schedule.counts, schedule.all_patterns())
        if self._coverages[schedule] is Coverage.NEVER:
            key = MUTE_KEY if mute else ACTIVE_KEY
            self._faults.warning(
                rule.keys[key].place,
                FaultCode.NEVER_TRUE,
                "by its time intervals the rule never counts",
                "correct them, or switch it off by `enabled: false`",
            )
        return schedule

    def _named(self, rule: MappingNode, key: str) -> tuple[TimeInterval, ...]:
        node = rule.values.get(key)
        names = _names_in(node, key, self._faults) if node is not None else ()
        found: dict[str, TimeInterval] = {}
        for name in names:
            self._intervals.used.add(name.text)
            report_unknown(name, self._intervals, self._faults)
            interval = self._intervals.known.get(name.text)
            if interval is not None:
                found[name.text] = interval
        return tuple(found.values())


def report_unknown(name: ScalarNode, intervals: Intervals, faults: Faults) -> None:
    """Reports a name that no interval has."""
    if intervals.is_missing(name.text):
        faults.error(
            name.place,
            FaultCode.UNKNOWN_INTERVAL,
            f"there is no time interval `{shown(name.text)}`",
            suggestion(name.text, intervals.known, "define it under `time_intervals:`"),
        )


def _names_in(node: YamlNode, key: str, faults: Faults) -> tuple[ScalarNode, ...]:
    """The names in a list of intervals."""
    if node.is_null:
        return ()
    sequence = as_sequence(node, f"`{key}`", faults)
    items = sequence.items if sequence is not None else []
    found = (as_text(item, "the name of a time interval", faults) for item in items)
    return tuple(name for name in found if name is not None)
