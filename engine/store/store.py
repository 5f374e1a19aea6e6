"""What a store offers, by who uses it: the stream, the delivery workers, people.

Every method may raise `StoreUnavailableError`; then it has written nothing, and the same call
may be made again later. Times are microseconds since the epoch.
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
    """The stream's side: every write outlives a power cut once its call has returned."""

    def has_alert(self, digest: bytes, rule_id: str) -> bool:
        """Whether the event with this digest is stored for this rule."""

    def has_alert_between(self, dedup_key: str, after_us: int, before_us: int) -> bool:
        """Whether an alert of this key lies between the instants, both exclusive."""

    def suppressed_count(self, dedup_key: str) -> int:
        """How many suppressed matches the key's next alert has to tell."""

    def save(
        self,
        alerts: Sequence[NewAlert],
        suppressed: Mapping[str, int] | None = None,
        dead_letters: Sequence[DeadLetter] = (),
    ) -> None:
        """Store a batch in one transaction; without alerts and dead letters write nothing.

        Any exception means that nothing is written; UnstorableError, that the store is well and
        does not take one of them.

        An alert whose (digest, rule id) is stored already is skipped. A stored alert sets its
        key's suppressed count to zero, then `suppressed` is added.
        """

    def save_suppressed(self, suppressed: Mapping[str, int]) -> None:
        """Add the counts without a batch: for a clean stop."""

    def keep_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep records that the dead-letter topic refuses."""

    def kept_dead_letters(self, limit: int, after_id: int = 0) -> dict[int, DeadLetter]:
        """At most `limit` dead letters with ids above `after_id`, by their ids, oldest first."""

    def dead_letter_bytes(self) -> int:
        """The size of all dead letters kept."""

    def drop_oldest_dead_letters(self, most_bytes: int) -> int:
        """Forget the oldest dead letters until the others have `most_bytes`; their number."""

    def drop_dead_letters_before(self, before_us: int) -> int:
        """Forget dead letters that are kept since before then; their number."""

    def drop_dead_letters(self, letter_ids: Iterable[int]) -> None:
        """Forget dead letters that their topic has taken."""


class DeliveryStore(Protocol):
    """The delivery workers' side, for many threads: a power cut may undo the last marks."""

    def waiting(self, target_id: str, limit: int, exclude: Collection[int] = ()) -> list[Delivery]:
        """At most `limit` waiting deliveries, by priority, then oldest; none of `exclude`."""

    def backlogs(self) -> list[Backlog]:
        """Every target that has waiting deliveries, gone targets too."""

    def mark_sent(self, delivery_id: int) -> None:
        """The delivery's channel took it: one more try, the last."""

    def record_try(self, delivery_id: int, reason: str, detail: str = "") -> None:
        """Count a try that failed; the delivery goes on waiting."""

    def mark_dead(
        self, delivery_id: int, reason: str, detail: str = "", *, is_try: bool = False
    ) -> None:
        """Give up a waiting delivery; `is_try` counts a try that is not recorded yet."""

    def mark_all_dead(
        self,
        target_id: str,
        reason: str,
        detail: str = "",
        *,
        waiting_before_us: int | None = None,
        exclude: Collection[int] = (),
        limit: int = 500,
    ) -> int:
        """Give up at most `limit` waiting deliveries of a target; the number of them.

        `waiting_before_us` spares those that wait since then or later. Call again until 0.
        """

    def hand_over(
        self,
        target_id: str,
        heir_ids: Sequence[str],
        *,
        same: Mapping[str, Collection[str]] = NONE_THE_SAME,
        exclude: Collection[int] = (),
        limit: int = 500,
    ) -> int:
        """Pass at most `limit` waiting deliveries of a target to each of its heirs; their number.

        `same` has the targets that reach the same recipient as an heir, by the heir's id. Who has
        the alert already, in whatever state and by whichever of them, does not get it again. Call
        again until 0.
        """

    def hold(self, target_id: str, channel: str, reason: str, detail: str, since_us: int) -> None:
        """Remember that the target is held; a target held already keeps its `since_us`."""

    def release(self, target_id: str) -> None:
        """Forget the target's hold."""

    def holds(self) -> list[Hold]:
        """Every held target."""

    def last_seen_us(self) -> int | None:
        """When an engine last said that it runs, by its wall clock; None before the first time."""

    def keep_time(self, now_us: int, ahead_us: int = 0) -> None:
        """An engine runs, and its wall clock shows `now_us`, which is `ahead_us` too much.

        What waits is moved so far that it has not waited any longer for that, and nothing waits
        since an instant to come. A clock that was put back is ahead by less than 0.
        """

    def changes_token(self) -> int:
        """A number that changes when somebody asked for a redelivery: cheap, ask every second.

        Then read `holds()` again (a redelivery releases them) and look for waiting deliveries.
        """


class ArchiveStore(Protocol):
    """The side of people and of housekeeping."""

    def alerts(self, limit: int, only: AlertFilter = ...) -> list[StoredAlert]:
        """The newest alerts, with their deliveries, newest first."""

    def alert(self, alert_id: str) -> StoredAlert | None:
        """One alert with its deliveries; a unique beginning of the id is enough."""

    def redeliver(
        self,
        alert_ids: Sequence[str] = (),
        channel: str | None = None,
        dead_since_us: int | None = None,
    ) -> Redelivery:
        """Open deliveries again, with no tries, and release the holds of their targets.

        With `alert_ids`: those alerts' dead and sent deliveries; without: all dead ones.
        `channel` and `dead_since_us` restrict either. A channel's holds, and without any
        argument all holds, are released even if no delivery is dead.
        """

    def begin_sweep(self) -> int:
        """The instant by which old rows are told from young ones in the sweep to come.

        It is now, but at most a day later than in the sweep before: a clock that is years ahead
        removes no more than a day's rows with each sweep, until somebody sets it right.
        """

    def sweep(
        self,
        retention_seconds: float,
        longest_cooldown_seconds: float,
        limit: int = 200,
        now_us: int | None = None,
    ) -> int:
        """Remove at most `limit` old alerts in one short transaction; the number removed.

        Call again, with a pause, until it is 0. Never removes an alert with an open delivery
        or one that a cooldown may need. Rows are old by `now_us`, the wall clock unless given.
        """

    def rows(self) -> Mapping[str, int]:
        """The number of rows by table."""

    def check_writable(self) -> None:
        """Write a small row; StoreUnavailableError says what is wrong, if something is."""


class Store(StreamStore, DeliveryStore, ArchiveStore, Protocol):
    """All sides of one store; a context manager that closes it."""

    def close(self) -> None:
        """Let go of files and of the lock; every later call raises StoreUnavailableError."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...
