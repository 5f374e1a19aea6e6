"""When a rule counts: inside of its active time intervals, and outside of the muting ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from engine.intervals.interval import Pattern, TimeInterval


class Reason(StrEnum):
    """Why a rule does not count: outside of all active intervals, or inside of a muting one."""

    INACTIVE = "inactive"
    MUTED = "muted"


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """A rule does not count, and by which interval; INACTIVE names all active ones."""

    reason: Reason
    interval: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """The time intervals of a rule; without `active` ones it is active at any time."""

    active: tuple[TimeInterval, ...] = ()
    mute: tuple[TimeInterval, ...] = ()

    def out_of_time(self, moment: datetime) -> OutOfTime | None:
        """Why the rule does not count at an aware moment; None where it counts."""
        if self.active and not any(each.holds(moment) for each in self.active):
            return OutOfTime(Reason.INACTIVE, ", ".join(each.name for each in self.active))
        for each in self.mute:
            if each.holds(moment):
                return OutOfTime(Reason.MUTED, each.name)
        return None

    def counts(self, moment: datetime) -> bool:
        """Whether the rule counts at an aware moment."""
        return self.out_of_time(moment) is None

    def all_patterns(self) -> Iterator[Pattern]:
        """The patterns of all of its intervals."""
        for each in (*self.active, *self.mute):
            yield from each.all_patterns()
