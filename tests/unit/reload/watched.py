"""A watcher at work, for tests of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from engine.metrics import Metrics
from engine.reload.loader import open_rules
from engine.reload.watcher import RulesHealth, RuleWatcher
from engine.rules import RuleSet
from tests.support.arrivals import Arrivals
from tests.support.patience import PATIENCE_SECONDS, await_that
from tests.unit.reload.place import RulesPlace


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
    """A watcher in a place, and what it puts in force; a context manager in which it is at work."""

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

    def __enter__(self) -> Watched:
        self.watcher.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.watcher.__exit__(None, None, None)
        self.await_end()

    def await_end(self) -> None:
        """Wait until its thread has ended: the watcher itself waits for no load under way.

        What it logged later would be taken for the next test's.
        """
        self.watcher._thread.join(PATIENCE_SECONDS)
        assert not self.watcher._thread.is_alive()

    def await_ids(self, *ids: str) -> RuleSet:
        """The set in force, once it has these rules."""

        def is_it(rule_set: RuleSet) -> bool:
            return tuple(rule.rule_id for rule in rule_set.rules) == ids

        return self.used.wait_for(1, where=is_it)[-1]

    def await_rows(self, count: int) -> RuleSet:
        """The set in force, once its list `stolen` has so many rows."""

        def is_it(rule_set: RuleSet) -> bool:
            found = rule_set.watchlists.get("stolen")
            return found is not None and found.row_count == count

        return self.used.wait_for(1, where=is_it)[-1]

    def await_that(self, is_so: Callable[[], bool]) -> None:
        """Wait until it is so; AssertionError, with what is known of the rules, if never."""
        await_that(is_so, self.health.check)

    def reloads(self, outcome: str) -> float:
        return self.metrics.rule_reloads.labels(outcome)._value.get()  # type: ignore[no-any-return]


def await_events(logs: list[Any], name: str, count: int = 1) -> list[Any]:
    """The lines of this event, once there are so many.

    The watcher logs what it did as the last thing, behind its metrics and what is in force.
    """
    await_that(lambda: len(events(logs, name)) >= count, lambda: logs)
    return events(logs, name)


def events(logs: list[Any], name: str) -> list[Any]:
    """The lines of this event."""
    return [line for line in logs if line["event"] == name]
