"""The waiting deliveries of one target as its lane sees them: a page of the store, and claims.

Pure state without a lock; the lane that owns it holds its own around every call, except while the
store is read, which `is_fetching` covers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from engine.delivery.timing import Signal
from engine.store import Delivery

PAGE: Final = 20

Fetch = Callable[[str, int, Collection[int]], list[Delivery]]
"""Reads waiting deliveries: target id, limit, ids to leave out."""


@dataclass(frozen=True, slots=True)
class Task:
    """One claimed delivery; once `interrupt` is set its worker starts no further try."""

    delivery: Delivery
    is_probe: bool
    interrupt: Signal

    @property
    def delivery_id(self) -> int:
        """The delivery's id in the store."""
        return self.delivery.delivery_id


class Queue:
    """Hands out each waiting delivery once, until it is put back or settled."""

    def __init__(self) -> None:
        self.claimed: Final[set[int]] = set()
        self.is_fetching = False
        self._page: deque[Delivery] = deque()
        self._is_stale = False
        self._has_more = False

    @property
    def has_work(self) -> bool:
        """Whether there may be a delivery to claim."""
        return bool(self._page) or self._has_more or self._is_stale

    @property
    def needs_page(self) -> bool:
        """Whether the store should be read before the next claim."""
        return not self.is_fetching and (self._is_stale or (self._has_more and not self._page))

    def look_again(self) -> None:
        """The store has something new, perhaps more urgent than what is in the page."""
        self._is_stale = True

    def begin_page(self) -> None:
        """The store is about to be read; nothing can be claimed until `end_page`."""
        self._page.clear()
        self._is_stale = False
        self.is_fetching = True

    def end_page(self, page: Sequence[Delivery], *, has_more: bool) -> None:
        """What the store had, and whether it may have more."""
        self.is_fetching = False
        self._page.extend(page)
        self._has_more = has_more

    def claim(self) -> Delivery | None:
        """The most urgent delivery of the page, now claimed."""
        if not self._page:
            return None
        delivery = self._page.popleft()
        self.claimed.add(delivery.delivery_id)
        return delivery

    def settle(self, delivery_id: int) -> None:
        """A claimed delivery waits no longer: it is marked in the store."""
        self.claimed.discard(delivery_id)

    def put_back(self, delivery_id: int) -> None:
        """A delivery that is still claimed goes on waiting."""
        if delivery_id in self.claimed:
            self.claimed.discard(delivery_id)
            self._is_stale = True

    def reset(self) -> None:
        """Other deliveries than those in the page are wanted now."""
        self._page.clear()
        self._is_stale = True
