"""Reads one pattern of a time interval: its times, days and zone, in Alertmanager's form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, tzinfo
from typing import Final, TypeVar
from zoneinfo import available_timezones

from engine.intervals import Pattern
from engine.rules.faults import FaultCode, Faults, shown, suggestion
from engine.rules.keys import TIME_RANGE
from engine.rules.nodes import (
    MappingNode,
    ScalarNode,
    YamlNode,
    as_mapping,
    as_sequence,
    as_text,
    check_keys,
    number_of,
)
from engine.settings.values import read_zone

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS: Final = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|(24):(00)")
_SHORT_TIME: Final = re.compile(r"[0-9]:[0-5][0-9]")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_RANGE: Final = re.compile(r"(\S+?)\s*(?:\.\.|:|/)\s*(\S+)")
_LONGEST_MONTH: Final = 31
_SHORTEST_MONTH: Final = 28
_LAST_YEAR: Final = 9999
_AS_TIME: Final = "write it like '22:00', from '00:00' to '24:00'"
_AS_DATE: Final = "write a date like 2026-12-25, or two with two points between them"
_AS_DAY: Final = "write a day from 1 to 31, or from -31 to -1 for days from the month's end"

_Value = TypeVar("_Value")
_Range = tuple[int, int]


def read_pattern(mapping: MappingNode, zone: tzinfo, faults: Faults) -> Pattern:
    """The pattern of a mapping; where it has faults, some of its parts are missing."""
    reader = _PatternReader(mapping, faults)
    return Pattern(
        zone=reader.zone() or zone,
        times=tuple(reader.items("times", reader.time)),
        weekdays=frozenset(reader.cyclic("weekdays", WEEKDAYS)),
        days_of_month=tuple(reader.items("days_of_month", reader.days)),
        months=frozenset(month + 1 for month in reader.cyclic("months", MONTHS)),
        years=tuple(reader.items("years", reader.years)),
        dates=_merged(reader.items("dates", reader.dates)),
    )


class _PatternReader:
    """Reads the parts of one pattern."""

    def __init__(self, mapping: MappingNode, faults: Faults) -> None:
        self._values: Mapping[str, YamlNode] = mapping.values
        self._faults = faults

    def items(self, key: str, read: Callable[[YamlNode], _Value | None]) -> Iterator[_Value]:
        """What `read` makes of the items of a list; those with faults are left out."""
        node = self._values.get(key)
        sequence = as_sequence(node, f"`{key}`", self._faults) if node is not None else None
        if sequence is None:
            return
        if not sequence.items:
            self._bad(sequence, f"`{key}` is empty", "write one item, or remove it")
        for item in sequence.items:
            value = read(item)
            if value is not None:
                yield value

    def zone(self) -> tzinfo | None:
        """The zone that `location` names; None without one."""
        node = self._values.get("location")
        scalar = as_text(node, "`location`", self._faults) if node is not None else None
        if scalar is None:
            return None
        try:
            return read_zone(scalar.text.strip())
        except ValueError:
            self._bad(
                scalar,
                f"`location` is no time zone: `{shown(scalar.text)}`",
                suggestion(
                    scalar.text,
                    available_timezones(),
                    "write the name of an IANA time zone, such as Europe/Berlin, or leave it out "
                    "for EVENT_TIMEZONE",
                ),
            )
            return None

    def time(self, node: YamlNode) -> _Range | None:
        """A range of minutes since midnight."""
        remedy = 'write {start_time: "22:00", end_time: "05:00"}'
        mapping = as_mapping(node, "an item of `times`", self._faults, remedy)
        if mapping is None:
            return None
        check_keys(mapping, TIME_RANGE.names, TIME_RANGE.title, self._faults)
        for key in TIME_RANGE.names:
            if key not in mapping.values:
                what = f"the item of `times` has no `{key}`"
                self._faults.error(mapping.place, FaultCode.MISSING_KEY, what, remedy)
        start, end = (self._minute(mapping.values.get(key), key) for key in TIME_RANGE.names)
        if start is None or end is None:
            return None
        if start == end or start == _minutes(24, 0):
            self._bad(
                mapping,
                "this time ends when it starts",
                'for the whole day write {start_time: "00:00", end_time: "24:00"}',
            )
            return None
        return start, end

    def _minute(self, node: YamlNode | None, key: str) -> int | None:
        scalar = as_text(node, f"`{key}`", self._faults) if node is not None else None
        if scalar is None:
            return None
        text = scalar.text.strip()
        found = _TIME.fullmatch(text)
        if found is not None:
            hour, minute = (int(part) for part in found.groups() if part is not None)
            return _minutes(hour, minute)
        remedy = f"write '0{text}'" if _SHORT_TIME.fullmatch(text) else _AS_TIME
        self._bad(scalar, f"`{key}` is no time of day: `{shown(text)}`", remedy)
        return None

    def cyclic(self, key: str, names: tuple[str, ...]) -> Iterator[int]:
        """The places among `names` of the names and ranges of a list.

        A range may run over the end, as `november:february`. Months may be numbers.
        """

        def read(node: YamlNode) -> _Range | None:
            scalar = as_text(node, f"an item of `{key}`", self._faults)
            if scalar is None:
                return None
            first, _, last = scalar.text.partition(":")
            places = [self._named(scalar, part, names) for part in (first, last or first)]
            start, end = places
            return None if start is None or end is None else (start, end)

        for start, end in self.items(key, read):
            length = (end - start) % len(names)
            yield from ((start + step) % len(names) for step in range(length + 1))

    def _named(self, scalar: ScalarNode, text: str, names: tuple[str, ...]) -> int | None:
        name = text.strip().lower()
        if name in names:
            return names.index(name)
        number = number_of(name) if names is MONTHS else None
        if isinstance(number, int) and 1 <= number <= len(MONTHS):
            return number - 1
        kind = "month" if names is MONTHS else "weekday"
        self._bad(
            scalar,
            f"unknown {kind} `{shown(text)}`",
            suggestion(name, names, f"write {names[0]}, or a range like {':'.join(names[:2])}"),
        )
        return None

    def days(self, node: YamlNode) -> _Range | None:
        """A range of days of the month, counted from its start or, below zero, its end."""
        found = self._numbers(node, "days_of_month", _AS_DAY)
        if found is None:
            return None
        scalar, first, last = found
        if not all(1 <= abs(day) <= _LONGEST_MONTH for day in (first, last)):
            self._bad(scalar, f"no month has the days `{shown(scalar.text)}`", _AS_DAY)
            return None
        if first < 0 < last:
            what = "a range that starts at the month's end can't end in days from its start"
            self._bad(scalar, what, "write two ranges")
            return None
        earliest, latest = (day if day > 0 else _SHORTEST_MONTH + day for day in (first, last))
        if earliest > latest:
            self._bad(scalar, *_turned(scalar.text, ":"))
            return None
        return first, last

    def years(self, node: YamlNode) -> _Range | None:
        """A range of years."""
        remedy = "write a year like 2026, or a range like 2026:2028"
        found = self._numbers(node, "years", remedy)
        if found is None:
            return None
        scalar, first, last = found
        if not all(1 <= year <= _LAST_YEAR for year in (first, last)):
            self._bad(scalar, f"`years` can't be `{shown(scalar.text)}`", remedy)
            return None
        if first > last:
            self._bad(scalar, *_turned(scalar.text, ":"))
            return None
        return first, last

    def _numbers(self, node: YamlNode, key: str, remedy: str) -> tuple[ScalarNode, int, int] | None:
        scalar = as_text(node, f"an item of `{key}`", self._faults)
        if scalar is None:
            return None
        first, _, last = scalar.text.partition(":")
        start, end = (number_of(part.strip()) for part in (first, last or first))
        if isinstance(start, int) and isinstance(end, int):
            return scalar, start, end
        self._bad(scalar, f"`{key}` can't be `{shown(scalar.text)}`", remedy)
        return None

    def dates(self, node: YamlNode) -> tuple[date, date] | None:
        """A range of dates."""
        scalar = as_text(node, "an item of `dates`", self._faults)
        if scalar is None:
            return None
        text = scalar.text.strip()
        first, dots, last = text.partition("..")
        start, end = _date(first), _date(last if dots else first)
        if start is None or end is None:
            found = _DATE_RANGE.fullmatch(text)
            is_range = found is not None and all(_date(part) for part in found.groups())
            remedy = f"write {found[1]}..{found[2]}" if found and is_range else _AS_DATE
            self._bad(scalar, f"`dates` can't be `{shown(text)}`", remedy)
            return None
        if start > end:
            self._bad(scalar, *_turned(text, ".."))
            return None
        return start, end

    def _bad(self, node: YamlNode, what: str, remedy: str) -> None:
        self._faults.error(node.place, FaultCode.BAD_VALUE, what, remedy)


def _turned(text: str, sign: str) -> tuple[str, str]:
    """The fault and the remedy of a range whose end comes before its start."""
    first, _, last = text.partition(sign)
    return f"the range `{shown(text)}` ends before it starts", (
        f"did you mean {last.strip()}{sign}{first.strip()}?"
    )


def _minutes(hour: int, minute: int) -> int:
    return hour * 60 + minute


def _date(text: str) -> date | None:
    if not _DATE.fullmatch(text.strip()):
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def _merged(ranges: Iterator[tuple[date, date]]) -> tuple[tuple[date, date], ...]:
    """The ranges sorted, those that overlap joined."""
    merged: list[tuple[date, date]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return tuple(merged)
