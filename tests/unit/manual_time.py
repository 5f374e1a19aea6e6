"""A clock that a test sets by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.unit.plate import NOON


class ManualTime:
    """Both clocks; they stand at noon until moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        """The wall clock."""
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Seconds since noon."""
        return self.seconds
