"""What a replay has found: counts, alerts and their times by rule, and what another set differs in.

Its size does not grow with the number of events, but for the list of alerts, where that is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from engine.pipeline.outcome import RuleOutcome, Verdict
from engine.schema import EVENT_ID, NORMALIZED_PLATE, value_at
from engine.schema.event import EPOCH, Event

#: How many differences between two rule sets are kept of each rule.
MOST_EXAMPLES: Final = 5
_FIRST_WIDTH_US: Final = 1_000_000
_MOST_COUNTS: Final = 256
_MICROSECOND: Final = timedelta(microseconds=1)
_ALERTS: Final = frozenset({Verdict.ALERT, Verdict.EXPIRED})
_OUT_OF_TIME: Final = frozenset({Verdict.INACTIVE, Verdict.MUTED})


class Timeline:
    """How many there were at which time; times are in microseconds since the epoch.

    It counts by seconds, and by ever longer times where they spread over ever more.
    """

    def __init__(self) -> None:
        self._width_us = _FIRST_WIDTH_US
        self._counts: dict[int, int] = {}

    def add(self, time_us: int) -> None:
        """Count one more at this time."""
        place = time_us // self._width_us
        self._counts[place] = self._counts.get(place, 0) + 1
        while len(self._counts) > _MOST_COUNTS:
            self._width_us *= 2
            merged: dict[int, int] = {}
            for place, count in self._counts.items():
                merged[place // 2] = merged.get(place // 2, 0) + count
            self._counts = merged

    def counts(self, first_us: int, last_us: int, columns: int) -> list[int]:
        """How many there were in each of so many equal parts of this time."""
        found = [0] * columns
        length_us = max(1, last_us - first_us)
        for place, count in self._counts.items():
            middle_us = place * self._width_us + self._width_us // 2
            column = (middle_us - first_us) * columns // length_us
            found[min(max(column, 0), columns - 1)] += count
        return found


@dataclass(slots=True)
class RuleReport:
    """What became of one rule.

    `matches` counts the events on which its condition held, once each. They are `alerts` (of which
    `expired` are too old to be sent), `suppressed`, `silenced` and `out_of_time`. `errors` counts
    the events on which its evaluation failed. `times` are those of its alerts.
    """

    matches: int = 0
    alerts: int = 0
    expired: int = 0
    suppressed: int = 0
    silenced: int = 0
    out_of_time: int = 0
    errors: int = 0
    times: Timeline = field(default_factory=Timeline)

    def add(self, outcome: RuleOutcome) -> None:
        """Count one more outcome of the rule."""
        verdict = outcome.verdict
        if verdict is Verdict.ERROR:
            self.errors += 1
            return
        if verdict is Verdict.DUPLICATE:
            return
        self.matches += 1
        if verdict in _ALERTS:
            self.alerts += 1
            self.expired += verdict is Verdict.EXPIRED
            self.times.add(outcome.event.time_us)
        elif verdict is Verdict.SUPPRESSED:
            self.suppressed += 1
        elif verdict is Verdict.SILENCED:
            self.silenced += 1
        elif verdict in _OUT_OF_TIME:
            self.out_of_time += 1


@dataclass(frozen=True, slots=True)
class FoundAlert:
    """An alert that a replay has made, as it would have been sent.

    `matched_plate` and `likeness` are those of its `Alert`.
    """

    rule_id: str
    event_id: str
    captured_at: str
    plate: str
    message: str
    suppressed_count: int
    is_expired: bool = False
    matched_plate: str = ""
    likeness: float = 1.0

    @classmethod
    def of(cls, outcome: RuleOutcome) -> FoundAlert:
        """That of an outcome which has one."""
        assert outcome.alert is not None
        alert = outcome.alert.alert
        return cls(
            alert.rule_id,
            _text(outcome.event, EVENT_ID),
            alert.captured_at,
            _text(outcome.event, NORMALIZED_PLATE),
            alert.message,
            alert.suppressed_count,
            outcome.alert.is_expired,
            alert.matched_plate,
            alert.likeness,
        )


def is_alert(outcome: RuleOutcome) -> bool:
    """Whether it is an alert that channels would get, or would have got in time."""
    return outcome.verdict in _ALERTS


@dataclass(frozen=True, slots=True)
class Seen:
    """The events of a batch that count: how many, the earliest time and the latest."""

    events: int = 0
    first: datetime | None = None
    last: datetime | None = None


NOTHING_SEEN: Final = Seen()


class Report:
    """What became of `rule_ids`, all of them, on the events so far.

    `events` is how many there were, `first_us` and `last_us` the earliest and the latest time of
    them. With `keeps_alerts` it has all alerts.
    """

    def __init__(self, rule_ids: Iterable[str], *, keeps_alerts: bool = False) -> None:
        self.events = 0
        self.rules: dict[str, RuleReport] = {rule_id: RuleReport() for rule_id in rule_ids}
        self.alerts: list[FoundAlert] = []
        self.first_us = self.last_us = 0
        self._keeps_alerts = keeps_alerts

    def saw(self, seen: Seen) -> None:
        """Count events, whatever became of them."""
        if seen.first is None or seen.last is None:
            return
        first, last = _microseconds(seen.first), _microseconds(seen.last)
        self.first_us = min(self.first_us, first) if self.events else first
        self.last_us = max(self.last_us, last) if self.events else last
        self.events += seen.events

    def add(self, outcomes: Iterable[RuleOutcome]) -> None:
        """Count what became of rules."""
        for outcome in outcomes:
            self.rules[outcome.rule.rule_id].add(outcome)
            if self._keeps_alerts and is_alert(outcome):
                self.alerts.append(FoundAlert.of(outcome))


@dataclass(slots=True)
class Difference:
    """The events on which only one of two rule sets alerts, by one rule.

    `only_here` and `only_against` count them; the examples are the first of each.
    """

    only_here: int = 0
    only_against: int = 0
    here: list[FoundAlert] = field(default_factory=list)
    against: list[FoundAlert] = field(default_factory=list)


class Comparison:
    """What differs between two rule sets, by rule id: first `here`, then what it is `against`."""

    def __init__(self) -> None:
        self.rules: dict[str, Difference] = {}

    def add(self, here: Iterable[RuleOutcome], against: Iterable[RuleOutcome]) -> None:
        """Compare what both have made of the same events."""
        ours, theirs = _alerts(here), _alerts(against)
        for key in ours.keys() - theirs.keys():
            difference = self.rules.setdefault(key[0], Difference())
            difference.only_here += 1
        for key in theirs.keys() - ours.keys():
            difference = self.rules.setdefault(key[0], Difference())
            difference.only_against += 1
        # In the order of the events, which sets don't keep.
        for key, outcome in ours.items():
            if key not in theirs:
                _keep(self.rules[key[0]].here, outcome)
        for key, outcome in theirs.items():
            if key not in ours:
                _keep(self.rules[key[0]].against, outcome)


def _keep(examples: list[FoundAlert], outcome: RuleOutcome) -> None:
    if len(examples) < MOST_EXAMPLES:
        examples.append(FoundAlert.of(outcome))


def _alerts(outcomes: Iterable[RuleOutcome]) -> Mapping[tuple[str, bytes], RuleOutcome]:
    return {(each.rule.rule_id, each.event.digest): each for each in outcomes if is_alert(each)}


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // _MICROSECOND


def _text(event: Event, path: str) -> str:
    value = value_at(event.values, path)
    return value if isinstance(value, str) else ""
