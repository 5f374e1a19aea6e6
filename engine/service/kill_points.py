"""Kill points for the crash tests: off unless `ALERT_ENGINE_FAULT_POINT` names one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from enum import StrEnum

from engine.errors import SettingsError


class KillPoint(StrEnum):
    """The steps of an event's way at which the process can be made to die."""

    READ = "read"
    MATCH = "match"
    STORE = "store"
    COMMIT = "commit"
    SEND = "send"
    SENT = "sent"
    MARK = "mark"


def kill_points(spec: str) -> Callable[[str], None]:
    """A function to call at each step; raises SettingsError for an unknown point."""
    if not spec:
        return lambda step: None
    name, _, count = spec.partition(":")
    number = int(count) if count.isdigit() else 0 if count else 1
    if name not in tuple(KillPoint) or number < 1:
        known = ", ".join(KillPoint)
        raise SettingsError(
            (f"ALERT_ENGINE_FAULT_POINT: {spec!r} is not one of {known}, or one with :count",)
        )
    remaining = [number]
    lock = threading.Lock()

    def reach(step: str) -> None:
        if step != name:
            return
        with lock:
            remaining[0] -= 1
            if remaining[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reach
