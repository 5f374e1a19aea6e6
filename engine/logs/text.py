"""What log lines and terminals show: masked plates, printable text, one line for many repeats."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

REPEAT_SECONDS: Final = 60.0
#: How many reasons are remembered. They come from outside; beyond it every line is written.
REASONS_KEPT: Final = 1_000
REPLACEMENT: Final = "\ufffd"


def mask_plate(text: str) -> str:
    """A plate number as logs show it by default: its first two characters."""
    return f"{text[:2]}***" if text else ""


def printable(text: str) -> str:
    """`text` with `REPLACEMENT` for control and other invisible characters but line ends.

    A plate's text comes from outside; a terminal would obey its escape sequences.
    """
    return "".join(
        each if each == "\n" or each.isprintable() or each in "\u200d\ufe0f" else REPLACEMENT
        for each in text
    )


class Repeats:
    """Writes a reason's first line at once, and those of the next minute as one, with a `count`.

    `timer` gives monotonic seconds. For one thread.
    """

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._reasons: dict[Hashable, _Reason] = {}

    def write(
        self, reason: Hashable, write: Callable[..., object], facts: Mapping[str, Any], count: int
    ) -> None:
        """Call `write(count=…, **facts)` now, or later where a line of `reason` was just written.

        `count` is how many things this line reports. A later line adds up the counts and has the
        last facts.
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
        """Write the lines that have waited for a minute; call it now and then."""
        now = self._timer()
        for reason, known in [*self._reasons.items()]:
            if now < known.silent_until:
                # All wait equally long, and the dict has them in order of their begin.
                break
            del self._reasons[reason]
            if known.count:
                known.write(count=known.count, **known.facts)
                known.count, known.silent_until = 0, now + REPEAT_SECONDS
                self._reasons[reason] = known


@dataclass(slots=True)
class _Reason:
    write: Callable[..., object]
    facts: Mapping[str, Any]
    silent_until: float
    count: int = 0
