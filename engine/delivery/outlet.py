"""The target object that a lane sends through, which a reload may replace while it is in use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from channels.alert import Target
from channels.sameness import reach_of


class Outlet:
    """Lends a target to senders; a replaced one is closed once nobody uses it any more."""

    def __init__(self, target: Target) -> None:
        self._lock = threading.Lock()
        self._target = target
        self._is_open = True
        self._users: dict[int, int] = {}

    @property
    def concurrency(self) -> int:
        """How many sends may run at once, at least one."""
        return max(1, self._target.concurrency)

    def reaches(self, other: Outlet) -> bool:
        """Whether everybody whom the other reaches gets what is sent here."""
        return reach_of(self._target).recipients >= reach_of(other._target).recipients

    @contextmanager
    def borrow(self) -> Iterator[Target]:
        """The target in force, for one send."""
        with self._lock:
            target = self._target
            self._users[id(target)] = self._users.get(id(target), 0) + 1
        try:
            yield target
        finally:
            with self._lock:
                self._users[id(target)] -= 1
                is_free = self._users[id(target)] == 0
                if is_free:
                    del self._users[id(target)]
                is_over = is_free and (target is not self._target or not self._is_open)
            if is_over:
                target.close()

    def replace(self, target: Target) -> None:
        """Send through `target` from now on."""
        with self._lock:
            former, self._target = self._target, target
            self._is_open = True
            is_over = former is not target and id(former) not in self._users
        if is_over:
            former.close()

    def close(self) -> None:
        """Close the target as soon as nobody uses it."""
        with self._lock:
            was_open, self._is_open = self._is_open, False
            is_over = was_open and id(self._target) not in self._users
        if is_over:
            self._target.close()
