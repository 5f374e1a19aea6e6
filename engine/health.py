"""Heartbeats of the engine's threads, and the checks that `/readyz` and `/healthz` report."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

#: A step of the loop that takes longer hangs.
STUCK_SECONDS: Final = 15.0
#: The same for the other threads, which may read large files or the whole store.
SLOW_STUCK_SECONDS: Final = 300.0
#: A loop that hangs for so long needs a restart of the process.
LOST_SECONDS: Final = 300.0
#: How long a process that was halted as a whole (a paused container) may take to go on.
PATIENCE_SECONDS: Final = 0.5
# How often `find_stuck` looks within that time.
_LOOKS: Final = 10


class Stage(StrEnum):
    """The steps of the loop, in words for `/readyz`."""

    STARTING = "starting"
    POLLING = "waiting for records, or for partitions to be given or taken"
    DECODING = "decoding a record, or waiting for the schema registry"
    MATCHING = "matching an event"
    STORING = "writing to the store"
    DEAD_LETTERS = "sending dead letters, or waiting for the schema registry"
    COMMITTING = "committing offsets"
    WAITING = "waiting for what is in the way of the next record"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Pulse:
    """The step of a thread at one moment, and for how many seconds it has lasted."""

    stage: str
    age_seconds: float

    def __str__(self) -> str:
        return f"stuck for {self.age_seconds:.0f} s: {self.stage}"


class Heartbeat:
    """Shows other threads what one thread does: that one calls `beat`, any thread may look.

    `timer` gives monotonic seconds. `find_stuck` waits `patience_seconds` for the next beat: after
    a halt of the whole process the looking thread may go on sooner than the one it looks at.
    """

    def __init__(
        self,
        timer: Callable[[], float] = time.monotonic,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._timer = timer
        self._patience_seconds = patience_seconds
        # One tuple, so that no thread reads the name of one step with the time of another.
        self._last = (str(Stage.STARTING), timer())

    def beat(self, stage: str) -> None:
        """Begin a step, in words for people; the thread calls it for itself."""
        self._last = (stage, self._timer())

    def look(self) -> Pulse:
        """The present step and its age."""
        stage, since = self._last
        return Pulse(stage, max(0.0, self._timer() - since))

    def find_stuck(self, limit_seconds: float) -> Pulse | None:
        """The present step if it lasts longer than `limit_seconds`, now and a moment later."""
        pulse = self.look()
        pause = threading.Event()
        for _ in range(_LOOKS):
            if pulse.age_seconds <= limit_seconds:
                return None
            pause.wait(self._patience_seconds / _LOOKS)
            pulse = self.look()
        return pulse if pulse.age_seconds > limit_seconds else None


def find_stuck_threads(threads: Mapping[str, Heartbeat]) -> dict[str, Pulse]:
    """The threads, by name, that are stuck or have ended; not for the loop, which has less time."""
    found = {name: heartbeat.find_stuck(SLOW_STUCK_SECONDS) for name, heartbeat in threads.items()}
    return {name: pulse for name, pulse in found.items() if pulse is not None}


@dataclass(frozen=True, slots=True)
class Check:
    """A check of `/readyz`; the engine is not ready when an `is_essential` one is bad.

    `facts` are further keys of the JSON.
    """

    is_good: bool
    detail: str = ""
    is_essential: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)
