"""Waits until files have come to rest, so that a half-written one is not read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

#: So long nothing may change before files are read.
QUIET_SECONDS: Final = 0.5
#: Who writes all the time is read after that all the same. A slow copy of a long list takes less.
LONGEST_SECONDS: Final = 60.0
STEP_SECONDS: Final = 0.1


def await_quiet(
    look: Callable[[], T],
    wait: Callable[[float], bool],
    monotonic: Callable[[], float],
    until: float,
) -> T:
    """What `look` gives once that has stayed the same for `QUIET_SECONDS`, or at `until`.

    `wait` waits for some seconds and tells whether to stop waiting altogether.
    """
    seen, since = look(), monotonic()
    while (now := monotonic()) < until and now - since < QUIET_SECONDS:
        if wait(STEP_SECONDS):
            break
        found = look()
        if found != seen:
            seen, since = found, monotonic()
    return seen
