"""A watcher at work, for tests of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from engine.metrics import Metrics
from engine.reload.health import RulesHealth
from engine.reload.opening import open_rules
from engine.reload.watcher import RuleWatcher
from engine.rules import RuleSet
from tests.support.arrivals import Arrivals
from tests.unit.reload.place import RulesPlace

PATIENCE_SECONDS = 20.0


class HastyClock:
    """Time that runs ten times as fast: what has to be quiet is so after 50 ms.

    `ahead_seconds` are added to it.
    """

    ahead_seconds = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic() * 10 + self.ahead_seconds


class Watched:
    """A watcher at work in a place, and what it puts in force."""

    def __init__(self, place: RulesPlace) -> None:
        self.place = place
        self.clock = HastyClock()
        self.metrics = Metrics()
        self.used: Arrivals[RuleSet] = Arrivals()
        self.take: Callable[[RuleSet], None] = self.used.add
        opening = open_rules(place.source, place.last_good, self.clock, strict=False)
        self.opening = opening
        self.health = RulesHealth(self.metrics, len(opening.rule_set.rules))
        self.watcher = RuleWatcher(
            place.source,
            opening,
            lambda rule_set: self.take(rule_set),
            self.health,
            place.last_good,
            self.clock,
        )

    def await_ids(self, *ids: str) -> RuleSet:
        """The set in force, once it has these rules."""

        def is_it(rule_set: RuleSet) -> bool:
            return tuple(rule.rule_id for rule in rule_set.rules) == ids

        return self.used.wait_for(1, PATIENCE_SECONDS, is_it)[-1]

    def await_rows(self, count: int) -> RuleSet:
        """The set in force, once its list `stolen` has so many rows."""

        def is_it(rule_set: RuleSet) -> bool:
            found = rule_set.watchlists.get("stolen")
            return found is not None and found.row_count == count

        return self.used.wait_for(1, PATIENCE_SECONDS, is_it)[-1]

    def await_that(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, self.health.check()
            time.sleep(0.01)

    def reloads(self, outcome: str) -> float:
        return self.metrics.rule_reloads.labels(outcome)._value.get()  # type: ignore[no-any-return]


def events(logs: list[Any], name: str) -> list[Any]:
    """The lines of this event."""
    return [line for line in logs if line["event"] == name]
