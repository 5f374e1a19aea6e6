"""Log lines that repeat: the first at once, those like it counted in one line a minute."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

REPEAT_SECONDS: Final = 60.0
# Reasons come from outside: beyond so many within a minute, each line is written.
REASONS_KEPT: Final = 1_000


@dataclass(slots=True)
class _Reason:
    write: Callable[..., object]
    facts: Mapping[str, Any]
    silent_until: float
    count: int = 0


class Repeats:
    """Writes lines that have a `count`; `timer` gives monotonic seconds. For one thread."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._reasons: dict[Hashable, _Reason] = {}

    def write(
        self, reason: Hashable, write: Callable[..., object], facts: Mapping[str, Any], count: int
    ) -> None:
        """Call `write(count=…, **facts)` now, or with what comes within a minute for that reason.

        A line that was held back has the facts of the last one.
        """
        self.flush()
        known = self._reasons.get(reason)
        if known is not None:
            known.facts, known.count = facts, known.count + count
            return
        if len(self._reasons) < REASONS_KEPT:
            until = self._timer() + REPEAT_SECONDS
            self._reasons[reason] = _Reason(write, facts, until)
        write(count=count, **facts)

    def flush(self) -> None:
        """Write what was held back for a minute."""
        now = self._timer()
        for reason, known in [*self._reasons.items()]:
            if now < known.silent_until:
                # All wait equally long, so those behind it were begun later.
                break
            del self._reasons[reason]
            if known.count:
                known.write(count=known.count, **known.facts)
                known.count, known.silent_until = 0, now + REPEAT_SECONDS
                self._reasons[reason] = known
