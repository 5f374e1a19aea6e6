"""Whether the engine is well: heartbeats of its threads, and the checks that `/readyz` reports."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

#: No step of the loop takes longer, unless something in it hangs.
STUCK_SECONDS: Final = 15.0
#: Steps of the other threads may read large files, or the whole store.
SLOW_STUCK_SECONDS: Final = 300.0
#: A loop that hangs so long needs a new process.
LOST_SECONDS: Final = 300.0
#: A process that was halted as a whole (a paused container, a moved machine) needs a moment.
PATIENCE_SECONDS: Final = 0.5
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
    """A look at a thread: what it does, and for how many seconds."""

    stage: str
    age_seconds: float

    def __str__(self) -> str:
        return f"stuck for {self.age_seconds:.0f} s: {self.stage}"


class Heartbeat:
    """One thread beats, any may look.

    `timer` gives monotonic seconds. `patience_seconds` is how long another step is waited for
    before a thread is called stuck: when the whole process was halted, the thread that asks may go
    on sooner than the one that is asked about.
    """

    def __init__(
        self,
        timer: Callable[[], float] = time.monotonic,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._timer = timer
        self._patience_seconds = patience_seconds
        # One tuple, so that nobody sees the time of one step with the name of another.
        self._last = (str(Stage.STARTING), timer())

    def beat(self, stage: str) -> None:
        """The thread is alive, and goes over to this step."""
        self._last = (stage, self._timer())

    def look(self) -> Pulse:
        """The step, and its age."""
        stage, since = self._last
        return Pulse(stage, max(0.0, self._timer() - since))

    def find_stuck(self, limit_seconds: float) -> Pulse | None:
        """The step that lasts longer than that, None if none does."""
        pulse = self.look()
        pause = threading.Event()
        for _ in range(_LOOKS):
            if pulse.age_seconds <= limit_seconds:
                return None
            pause.wait(self._patience_seconds / _LOOKS)
            pulse = self.look()
        return pulse if pulse.age_seconds > limit_seconds else None


def find_stuck_threads(threads: Mapping[str, Heartbeat]) -> dict[str, Pulse]:
    """Those threads besides the loop that are stuck or have ended, by name."""
    found = {name: heartbeat.find_stuck(SLOW_STUCK_SECONDS) for name, heartbeat in threads.items()}
    return {name: pulse for name, pulse in found.items() if pulse is not None}


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `/readyz`: `is_essential` ones make the service not ready when they fail."""

    is_good: bool
    detail: str = ""
    is_essential: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)
