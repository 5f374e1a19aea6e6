"""What a store offers: to the stream, to the delivery workers, and to people and housekeeping.

Every method may raise `StoreUnavailableError`; it has written nothing then, and the same call may
be made again later. Times are microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol, Self

from engine.store.model import (
    NONE_THE_SAME,
    AlertFilter,
    Backlog,
    Delivery,
    Hold,
    NewAlert,
    Redelivery,
    StoredAlert,
)
from engine.stream.record import DeadLetter


class StreamStore(Protocol):
    """The stream's side. Alerts, counts and kept dead letters outlive a power cut once written."""

    def has_alert(self, digest: bytes, rule_id: str) -> bool:
        """Whether the event with this digest is stored for this rule."""

    def has_alert_between(self, dedup_key: str, after_us: int, before_us: int) -> bool:
        """Whether the store has an alert of this key between the times, both exclusive."""

    def suppressed_count(self, dedup_key: str) -> int:
        """How many matches were suppressed since the last alert of this key."""

    def save(
        self,
        alerts: Sequence[NewAlert],
        suppressed: Mapping[str, int] | None = None,
    ) -> None:
        """Store a batch in one transaction; without alerts it writes nothing.

        An alert whose (digest, rule id) is stored already is skipped. A stored alert sets the
        suppressed count of its key to zero; then the counts of `suppressed`, by key, are added.

        After any exception nothing is written. UnstorableError means that the store works and
        refuses one of the alerts.
        """

    def save_suppressed(self, suppressed: Mapping[str, int]) -> None:
        """Add suppressed counts, by key, without a batch: when the engine stops."""

    def keep_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep letters that their topic refuses; one for each (topic, partition, offset, value)."""

    def kept_dead_letters(self, limit: int, after_id: int = 0) -> dict[int, DeadLetter]:
        """At most `limit` dead letters with ids above `after_id`, by their ids, oldest first."""

    def dead_letter_bytes(self) -> int:
        """The size of all kept dead letters, in bytes."""

    def drop_oldest_dead_letters(self, most_bytes: int) -> int:
        """Delete the oldest dead letters until `most_bytes` are left; returns their number."""

    def drop_dead_letters_before(self, before_us: int) -> int:
        """Delete dead letters that were kept before that time; returns their number."""

    def drop_dead_letters(self, letter_ids: Iterable[int]) -> None:
        """Delete these dead letters, since their topic has taken them."""


class DeliveryStore(Protocol):
    """The delivery workers' side, for many threads. A power cut may undo its last writes."""

    def waiting(self, target_id: str, limit: int, exclude: Collection[int] = ()) -> list[Delivery]:
        """At most `limit` waiting deliveries, by priority, then by age, without `exclude` (ids)."""

    def backlogs(self) -> list[Backlog]:
        """Every target that has waiting deliveries, including targets that are gone."""

    def mark_sent(self, delivery_id: int) -> None:
        """The target has taken the delivery, with one more try."""

    def record_try(self, delivery_id: int, reason: str, detail: str = "") -> None:
        """Count a try that failed; the delivery goes on waiting."""

    def mark_dead(
        self, delivery_id: int, reason: str, detail: str = "", *, is_try: bool = False
    ) -> None:
        """Give up a waiting delivery; `is_try` adds a try that was not recorded."""

    def mark_all_dead(
        self,
        target_id: str,
        reason: str,
        *,
        waiting_before_us: int | None = None,
        exclude: Collection[int] = (),
    ) -> int:
        """Give up some hundred waiting deliveries of a target; returns their number.

        With `waiting_before_us` only those that began to wait before then; never those of `exclude`
        (ids). To be called again until it returns 0.
        """

    def hand_over(
        self,
        target_id: str,
        successor_ids: Sequence[str],
        *,
        same: Mapping[str, Collection[str]] = NONE_THE_SAME,
        exclude: Collection[int] = (),
    ) -> int:
        """Give some hundred waiting deliveries of a target to its successors; returns their number.

        Each successor gets each of them, but those of `exclude` (ids). `same` has, by successor,
        the targets that reach the same recipient: who has a delivery of the alert already, in any
        state and by any of them, gets no second one. To be called again until it returns 0.
        """

    def hold(self, target_id: str, channel: str, reason: str, detail: str, since_us: int) -> None:
        """Store that the target is held; if it is held already, only the reason changes."""

    def release(self, target_id: str) -> None:
        """Delete the target's hold."""

    def holds(self) -> list[Hold]:
        """Every held target."""

    def last_seen_us(self) -> int | None:
        """The `now_us` of the last `keep_time`; None before the first."""

    def keep_time(self, now_us: int, ahead_us: int = 0) -> None:
        """Store that an engine runs and that its wall clock shows `now_us`.

        `ahead_us` is the jump of that clock since the last call, negative if it was set back. The
        times since when deliveries wait are moved by the jump, so that none waits longer because of
        it; none is left in the future.
        """

    def changes_token(self) -> int:
        """A number that changes with each redelivery; it is cheap, to be read every second.

        After a change, read `holds()` again, since a redelivery releases them, and look for waiting
        deliveries.
        """


class ArchiveStore(Protocol):
    """The side of people and of housekeeping. A power cut may undo its last writes."""

    def alerts(self, limit: int, only: AlertFilter = ...) -> list[StoredAlert]:
        """The newest alerts, with their deliveries, newest first."""

    def alert(self, alert_id: str) -> StoredAlert | None:
        """The alert with this id, or whose id alone begins so, with its deliveries; or None."""

    def redeliver(
        self,
        alert_ids: Sequence[str] = (),
        channel: str | None = None,
        dead_since_us: int | None = None,
    ) -> Redelivery:
        """Let deliveries wait again, with no tries, and release the holds of their targets.

        With `alert_ids` these are the dead and the sent deliveries of those alerts, without them
        all dead ones; `channel` and `dead_since_us` restrict either. Without `alert_ids`, all holds
        of the channel, or of all channels, are released, even if no delivery is dead.
        """

    def begin_sweep(self) -> int:
        """Returns the time by which the next sweep judges which rows are old.

        It is now, but at most a day later than in the sweep before: while a clock is years ahead,
        each sweep removes no more than a day's rows.
        """

    def sweep(
        self,
        retention_seconds: float,
        longest_cooldown_seconds: float,
        now_us: int,
    ) -> int:
        """Delete some hundred alerts that are old at `now_us`; returns their number.

        Never deletes an alert with a waiting delivery, or one that a cooldown may need. To be
        called again, with pauses, until it returns 0.
        """

    def rows(self) -> Mapping[str, int]:
        """The number of rows, by table."""

    def check_writable(self) -> None:
        """Write a small row; StoreUnavailableError says why that is not possible."""


class Store(StreamStore, DeliveryStore, ArchiveStore, Protocol):
    """All sides of one store; a context manager that closes it."""

    def close(self) -> None:
        """Close the files and release the lock; later calls raise StoreUnavailableError."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...
