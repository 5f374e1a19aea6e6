"""Kill points for the crash tests: off unless `ALERT_ENGINE_FAULT_POINT` names one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from enum import StrEnum

from engine.errors import SettingsError


class KillPoint(StrEnum):
    """Where on an event's way a test can kill the process."""

    READ = "read"
    MATCH = "match"
    STORE = "store"
    COMMIT = "commit"
    SEND = "send"
    SENT = "sent"
    MARK = "mark"


def kill_point_at(spec: str) -> Callable[[str], None]:
    """Returns the function that the steps call by their names; it kills the process at one of them.

    `spec` is the name of a KillPoint, or `name:count` for the count-th time it is reached. With an
    empty one the function does nothing. Raises SettingsError for anything else.
    """
    if not spec:
        return lambda name: None
    chosen, _, count = spec.partition(":")
    number = int(count) if count.isdigit() else 0 if count else 1
    if chosen not in tuple(KillPoint) or number < 1:
        known = ", ".join(KillPoint)
        raise SettingsError(
            (f"ALERT_ENGINE_FAULT_POINT: {spec!r} is not one of {known}, or one with :count",)
        )
    remaining = [number]
    lock = threading.Lock()

    def kill_point(name: str) -> None:
        if name != chosen:
            return
        with lock:
            remaining[0] -= 1
            if remaining[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return kill_point
