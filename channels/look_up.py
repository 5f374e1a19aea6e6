"""Look-ups of names that are waited for no longer than their caller can wait.

The system's look-up can't be ended. So it runs in a thread of its own, which is left behind when
time is up. Who asks the same meanwhile waits for the same thread: a name that hangs costs one
thread, however often it is tried.
"""

from __future__ import annotations

import copy
import socket
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Final

#: A mail can be sent without our own name, so nothing waits longer for it.
OWN_NAME_SECONDS: Final = 2.0

_lock: Final = threading.Lock()
_running: Final[dict[Hashable, LookUp]] = {}
_own_name = ""


class LookUp:
    """A look-up at work; `started_at` is by the monotonic clock."""

    def __init__(self) -> None:
        self.started_at: Final = time.monotonic()
        self._done = threading.Event()
        self._found: Any = None
        self._error: BaseException | None = None

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, after so many seconds at most."""
        return self._done.wait(seconds)

    def result(self) -> Any:
        """What the look-up found; raises what it raised. For one that has ended."""
        if self._error is not None:
            # Several callers raise it, each with a traceback of its own.
            raise copy.copy(self._error)
        return self._found

    def work(self, key: Hashable, look_up: Callable[[], Any]) -> None:
        """Look up, in this thread."""
        try:
            self._found = look_up()
        except BaseException as error:  # noqa: BLE001 - it is raised where it belongs
            self._error = error
        with _lock:
            del _running[key]
        self._done.set()


def shared(look_up: Callable[..., Any], *args: Any, **kwargs: Any) -> LookUp:
    """`look_up(*args, **kwargs)` at work: the one that runs already, or else a new one."""
    key = (look_up, args, tuple(sorted(kwargs.items())))
    with _lock:
        running = _running.get(key)
        if running is None:
            running = LookUp()
            threading.Thread(
                target=running.work,
                args=(key, lambda: look_up(*args, **kwargs)),
                name="look-up",
                daemon=True,
            ).start()
            _running[key] = running
        return running


def own_name(seconds: float) -> str:
    """This machine's name with its domain; empty where it is not found in so many seconds.

    Found once, it is known. Of one look-up, at most `OWN_NAME_SECONDS` are waited for.
    """
    global _own_name
    if not _own_name:
        running = shared(socket.getfqdn)
        left = running.started_at + OWN_NAME_SECONDS - time.monotonic()
        name = running.result() if running.wait(min(left, seconds)) else ""
        if "." in name:
            _own_name = name
    return _own_name
