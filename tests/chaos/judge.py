"""What the receivers got, judged by what the rules say of the events.

Two numbers matter most. Nothing is lost: each match lies within the cooldown of an alert of its key
that came to each of the rule's recipients. And no two alerts of a key are nearer than its cooldown.
An alert that comes again is bounded: a target has at most `IN_FLIGHT` deliveries under way at any
time, over all replicas, so a fault that strikes them repeats at most so many, and a receiver that
takes an alert without saying so repeats one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from tests.chaos.oracle import MAIL, WEBHOOK, Event, Match, matches

#: The `concurrency` of each recipient's channel in `rules.yaml`; 1 is what a mail server has.
IN_FLIGHT: Final[Mapping[str, int]] = {WEBHOOK: 4, MAIL: 1}


@dataclass(frozen=True, slots=True)
class Arrival:
    """One alert that a recipient took, confirmed or not."""

    recipient: str
    alert_id: str
    rule_id: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A match that no alert at this recipient accounts for."""

    match: Match
    recipient: str

    def __str__(self) -> str:
        at_ms = self.match.event.at_ms
        return f"{self.match.key} at {at_ms} has no alert near it at {self.recipient}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is wrong, each as a line of text says it, and how often alerts came again."""

    lost: list[Lost] = field(default_factory=list)
    too_near: list[str] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    repeats: Mapping[str, int] = field(default_factory=dict)
    allowed: Mapping[str, int] = field(default_factory=dict)

    @property
    def excess(self) -> list[str]:
        """Recipients that got more repeats than were in flight."""
        return [who for who, count in self.repeats.items() if count > self.allowed.get(who, 0)]

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.too_near or self.invented or self.excess)


def judge(
    events: Iterable[Event], arrivals: Iterable[Arrival], allowed: Mapping[str, int]
) -> Judgement:
    """Compare what came with what the events must lead to.

    `allowed` is how many repeats the faults excuse, by recipient.
    """
    expected = matches(events)
    by_origin = {(match.rule.rule_id, match.event.event_id): match for match in expected}
    came, invented = _sort_out(arrivals, by_origin)
    return Judgement(
        lost=_lost(expected, came),
        too_near=_too_near(came),
        invented=invented,
        repeats=_repeats(came),
        allowed=allowed,
    )


def _sort_out(
    arrivals: Iterable[Arrival], by_origin: Mapping[tuple[str, str], Match]
) -> tuple[list[tuple[Arrival, Match]], list[str]]:
    """The arrivals with the matches that they are of, and those that are of none."""
    came, invented = [], []
    for arrival in arrivals:
        match = by_origin.get((arrival.rule_id, arrival.event_id))
        if match is None or arrival.recipient not in match.rule.recipients:
            invented.append(f"{arrival} is of no match")
        else:
            came.append((arrival, match))
    return came, invented


def _lost(expected: Iterable[Match], came: Iterable[tuple[Arrival, Match]]) -> list[Lost]:
    instants: dict[tuple[str, tuple[str, str]], list[int]] = defaultdict(list)
    for arrival, match in came:
        instants[arrival.recipient, match.key].append(match.event.at_ms)
    for each in instants.values():
        each.sort()
    return [
        Lost(match, recipient)
        for match in expected
        for recipient in match.rule.recipients
        if not _is_covered(instants.get((recipient, match.key), []), match)
    ]


def _is_covered(instants: list[int], match: Match) -> bool:
    """Whether one of the sorted instants is nearer to the match than the cooldown."""
    place = bisect_left(instants, match.event.at_ms)
    near = instants[max(place - 1, 0) : place + 1]
    return any(abs(at - match.event.at_ms) < match.rule.cooldown_ms for at in near)


def _too_near(came: Iterable[tuple[Arrival, Match]]) -> list[str]:
    alerts = {(match.key, match.event.at_ms, arrival.alert_id): match for arrival, match in came}
    return [
        f"{first[0]} has the alerts {first[2]} and {second[2]} at {first[1]} and {second[1]}"
        for first, second in pairwise(sorted(alerts))
        if first[0] == second[0] and second[1] - first[1] < alerts[first].rule.cooldown_ms
    ]


def _repeats(came: Iterable[tuple[Arrival, Match]]) -> dict[str, int]:
    times = Counter((arrival.recipient, arrival.alert_id) for arrival, _ in came)
    repeats: Counter[str] = Counter()
    for (recipient, _), count in times.items():
        repeats[recipient] += count - 1
    return dict(repeats)
