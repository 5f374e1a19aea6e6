"""A thread-safe list of what arrived at a server, to wait on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from tests.support.patience import PATIENCE_SECONDS

T = TypeVar("T")


class Arrivals(Generic[T]):
    """What arrived, in order."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._items: list[T] = []

    def add(self, item: T) -> None:
        """Append, and wake who waits."""
        with self._condition:
            self._items.append(item)
            self._condition.notify_all()

    def all(self) -> list[T]:
        """A copy of what arrived so far."""
        with self._condition:
            return list(self._items)

    def clear(self) -> None:
        """Forget what arrived."""
        with self._condition:
            self._items.clear()

    def wait_for(
        self,
        count: int,
        timeout_seconds: float = PATIENCE_SECONDS,
        where: Callable[[T], bool] = lambda _: True,
    ) -> list[T]:
        """Everything that `where` takes, once there are `count` of them.

        Raises AssertionError, telling what did arrive, when the time is over.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._condition:
            while len(found := [item for item in self._items if where(item)]) < count:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(
                        f"{len(found)} of {count} arrived in {timeout_seconds} s: {self._items}"
                    )
                self._condition.wait(left)
            return found
