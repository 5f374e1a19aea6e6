"""The rules of `rules.yaml` in plain Python: what an event must lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

PLATES: Final = tuple(f"CAR{number:02}" for number in range(30))
CAMERAS: Final = tuple(f"cam-{number}" for number in range(8))
LISTED: Final = frozenset(PLATES[:8])

WEBHOOK: Final = "webhook"
MAIL: Final = "mail"


@dataclass(frozen=True, slots=True)
class Event:
    """One reading, as far as the rules ask; `at_ms` since the epoch."""

    event_id: str
    at_ms: int
    plate: str
    camera: str
    confidence: float
    color: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; with a cooldown of 1 ms and the event as its key, each match is an alert."""

    rule_id: str
    holds: Callable[[Event], bool]
    key: Callable[[Event], str]
    cooldown_ms: int
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that holds on an event: two of a key are further apart than its cooldown, or one."""

    rule: Rule
    event: Event

    @property
    def key(self) -> tuple[str, str]:
        """What the cooldown counts by."""
        return self.rule.rule_id, self.rule.key(self.event)


RULES: Final = (
    Rule("listed", lambda event: event.plate in LISTED, lambda event: event.plate, 3_000,
         (WEBHOOK, MAIL)),
    Rule("sure", lambda event: event.confidence > 0.5, lambda event: event.camera, 2_000,
         (WEBHOOK,)),
    Rule("red", lambda event: event.color == "red", lambda event: event.event_id, 1,
         (WEBHOOK,)),
)  # fmt: skip


def matches(events: Iterable[Event]) -> list[Match]:
    """Every rule that holds on every event, in the order of the events."""
    return [Match(rule, event) for event in events for rule in RULES if rule.holds(event)]
