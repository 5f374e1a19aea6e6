"""A clock for an engine and its store, which a test sets by hand."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.unit.store.samples import Clock


class BothClocks(Clock):
    """The store's seconds, as the engine's clocks too."""

    def now(self) -> datetime:
        """The wall clock."""
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        """The same in seconds."""
        return self.seconds
