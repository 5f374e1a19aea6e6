"""Clocks, and instants as people read them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, tzinfo
from typing import Final, Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC."""

    def monotonic(self) -> float:
        """Seconds that only grow, from an arbitrary start."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()


_ANY_DAY: Final = datetime(2000, 1, 1)
_CLOCK_LENGTH: Final = len("2025-07-01 22:00:05")


def is_utc(zone: tzinfo) -> bool:
    """Whether the zone is UTC, by whichever of its names."""
    return _ANY_DAY.replace(tzinfo=zone).tzname() == "UTC"


def localise(moment: datetime, zone: tzinfo) -> datetime:
    """An aware moment on the clocks of `zone`; as it is where those show no year from 1 to 9999."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment


def local_text(moment: datetime, zone: tzinfo) -> str:
    """An aware moment on the clocks of `zone`: `2025-07-01 22:00:05 CEST`.

    The name tells the hour that comes twice in autumn: first it is CEST, then CET. A zone whose
    name has no letters shows its offset: `2025-07-01 17:00:05 UTC-03:00`.
    """
    local = localise(moment, zone)
    text = local.isoformat(" ", "seconds")
    clock, offset = text[:_CLOCK_LENGTH], text[_CLOCK_LENGTH:]
    name = local.tzname() or ""
    return f"{clock} {name}" if name[:1].isalpha() else f"{clock} UTC{offset}"
