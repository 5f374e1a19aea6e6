"""A clock for an engine and its store, which a test sets by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from tests.unit.store.samples import Clock


@dataclass
class BothClocks(Clock):
    """The store's seconds, as the engine's clocks too; the wall clock may have jumped by some."""

    jumped: float = 0.0

    def __call__(self) -> float:
        return self.seconds + self.jumped

    def now(self) -> datetime:
        """The wall clock."""
        return datetime.fromtimestamp(self(), UTC)

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return self.seconds
