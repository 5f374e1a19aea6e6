"""Clocks, and instants as text in a time zone."""

from __future__ import annotations

import time
from datetime import UTC, datetime, tzinfo
from typing import Final, Protocol


class Clock(Protocol):
    """A source of the present time; tests pass their own."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC."""

    def monotonic(self) -> float:
        """Seconds that only grow, from an arbitrary start."""


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()


_ANY_DAY: Final = datetime(2000, 1, 1)
_CLOCK_LENGTH: Final = len("2025-07-01 22:00:05")


def is_utc(zone: tzinfo) -> bool:
    """Whether the zone is UTC or one of its other names."""
    return _ANY_DAY.replace(tzinfo=zone).tzname() == "UTC"


def localise(moment: datetime, zone: tzinfo) -> datetime:
    """An aware moment in the time zone `zone`; unchanged where its year would not be 1 to 9999."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment


def local_text(moment: datetime, zone: tzinfo) -> str:
    """The text of an aware moment in the time zone `zone`: `2025-07-01 22:00:05 CEST`.

    The zone's name distinguishes the hour that comes twice in autumn: first CEST, then CET. A zone
    without a name in letters shows its offset: `2025-07-01 17:00:05 UTC-03:00`.
    """
    local = localise(moment, zone)
    text = local.isoformat(" ", "seconds")
    clock, offset = text[:_CLOCK_LENGTH], text[_CLOCK_LENGTH:]
    name = local.tzname() or ""
    return f"{clock} {name}" if name[:1].isalpha() else f"{clock} UTC{offset}"
