"""The real store, watched: a test can wait for what is written, and make the writing fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from engine.errors import StoreUnavailableError
from engine.store import Backlog, Delivery, DeliveryState, Hold, Store, StoredDelivery
from engine.store.model import NONE_THE_SAME
from tests.support.patience import PATIENCE_SECONDS

Answer = TypeVar("Answer")
#: What hangs on a write, such as a gauge, is set a moment after it.
SOON_SECONDS = 0.02


class ObservedStore:
    """A `DeliveryStore` that passes everything on to the store that it is given."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.is_failing = False
        self.failures = 0
        self.pages: list[tuple[str, int]] = []
        self._changed = threading.Condition()

    def waiting(self, target_id: str, limit: int, exclude: Collection[int] = ()) -> list[Delivery]:
        self.pages.append((target_id, limit))
        return self.store.waiting(target_id, limit, exclude)

    def backlogs(self) -> list[Backlog]:
        return self.store.backlogs()

    def holds(self) -> list[Hold]:
        return self.store.holds()

    def changes_token(self) -> int:
        return self.store.changes_token()

    def last_seen_us(self) -> int | None:
        return self.store.last_seen_us()

    def keep_time(self, now_us: int, ahead_us: int = 0) -> None:
        self.store.keep_time(now_us, ahead_us)

    def mark_sent(self, delivery_id: int) -> None:
        self._write(lambda: self.store.mark_sent(delivery_id))

    def record_try(self, delivery_id: int, reason: str, detail: str = "") -> None:
        self._write(lambda: self.store.record_try(delivery_id, reason, detail))

    def mark_dead(
        self, delivery_id: int, reason: str, detail: str = "", *, is_try: bool = False
    ) -> None:
        self._write(lambda: self.store.mark_dead(delivery_id, reason, detail, is_try=is_try))

    def mark_all_dead(
        self,
        target_id: str,
        reason: str,
        *,
        waiting_before_us: int | None = None,
        exclude: Collection[int] = (),
    ) -> int:
        return self._write(
            lambda: self.store.mark_all_dead(
                target_id,
                reason,
                waiting_before_us=waiting_before_us,
                exclude=exclude,
            )
        )

    def hand_over(
        self,
        target_id: str,
        successor_ids: Sequence[str],
        *,
        same: Mapping[str, Collection[str]] = NONE_THE_SAME,
        exclude: Collection[int] = (),
    ) -> int:
        return self._write(
            lambda: self.store.hand_over(target_id, successor_ids, same=same, exclude=exclude)
        )

    def hold(self, target_id: str, channel: str, reason: str, detail: str, since_us: int) -> None:
        self._write(lambda: self.store.hold(target_id, channel, reason, detail, since_us))

    def release(self, target_id: str) -> None:
        self._write(lambda: self.store.release(target_id))

    def delivery(self, alert_id: str, target_id: str) -> StoredDelivery:
        """The delivery of this alert to this target as the store has it."""
        stored = self.store.alert(alert_id)
        assert stored is not None
        return next(each for each in stored.deliveries if each.target_id == target_id)

    def await_state(
        self, alert_id: str, target_id: str, state: DeliveryState, tries: int | None = None
    ) -> StoredDelivery:
        """Wait until the delivery is in this state, after so many tries."""

        def is_reached() -> bool:
            delivery = self.delivery(alert_id, target_id)
            return delivery.state is state and tries in (None, delivery.tries)

        self.await_that(is_reached)
        return self.delivery(alert_id, target_id)

    def await_that(self, is_reached: Callable[[], bool]) -> None:
        """Wait until it is so, asked after each write and failure, and again soon after them."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self._changed:
            while not is_reached():
                assert time.monotonic() < deadline
                self._changed.wait(SOON_SECONDS)

    def _write(self, write: Callable[[], Answer]) -> Answer:
        with self._changed:
            try:
                if self.is_failing:
                    self.failures += 1
                    raise StoreUnavailableError("the disk is full")
                return write()
            finally:
                self._changed.notify_all()
