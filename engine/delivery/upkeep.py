"""What the claimer does now and then: it counts, ends what waited too long, and renews its claims.

After a change of the targets it also settles what waits for those that are gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

import structlog

from channels.alert import Reason
from channels.targets.identity import MisconfiguredTarget
from engine.delivery.judge import US_IN_A_SECOND
from engine.delivery.parts import Parts
from engine.errors import StoreError
from engine.store import Backlog, Hold

log = structlog.get_logger(__name__)

HELD_SECONDS: Final = 1.0
COUNT_SECONDS: Final = 5.0
TIME_SECONDS: Final = 15.0
#: What this replica never used may be of another one's newer rules, of which it has not heard yet.
STRANGE_SECONDS: Final = 15.0
_GIVEN_UP: Final = {
    Reason.CHANNEL_REMOVED: "delivery.channel_removed",
    Reason.TARGET_REMOVED: "delivery.target_removed",
    Reason.HOLD_EXPIRED: "delivery.expired",
}


class Upkeep:
    """Its `run` does what is due; all but `note_change` is for the claimer's thread."""

    def __init__(self, parts: Parts) -> None:
        self.held: tuple[Hold, ...] = ()
        self._parts = parts
        self._deliveries, self._targets = parts.deliveries, parts.targets
        self._is_begun = False
        self._is_changed = self._is_reloaded = True
        self._due_at: dict[str, float] = {}
        self._channels: set[str] = set()
        self._registered: frozenset[str] = frozenset()
        # Targets that a change here removed, and since when others are strange to this replica.
        self._removed: set[str] = set()
        self._strange_since: dict[str, float] = {}

    def note_change(self, *, is_reload: bool) -> None:
        """There are other targets now; after a reload those that are held may be well again."""
        self._is_reloaded |= is_reload
        self._is_changed = True

    def run(self, in_hand: Collection[int]) -> None:
        """Do what is due; StoreError when the store is away, and all of it is due again then.

        `in_hand` are the ids of the deliveries that are claimed.
        """
        try:
            if not self._is_begun:
                self._begin()
            if self._is_changed:
                self._is_changed = False
                self._apply_change()
            if self._is_due("renew", self._parts.claim_seconds / 3):
                self._deliveries.renew(self._parts.owner, self._parts.claim_seconds, in_hand)
            if self._is_due("held", HELD_SECONDS):
                self.show_held()
                self._fall_back()
            if self._is_due("count", COUNT_SECONDS):
                backlogs = self._deliveries.backlogs()
                self._count(backlogs)
                self._settle(backlogs)
            if self._is_due("time", TIME_SECONDS):
                self._deliveries.free_members()
                self._expire()
        except StoreError:
            self._is_changed = self._is_reloaded = True
            self._due_at.clear()
            raise

    def show_held(self) -> None:
        """Ask the store which targets are held now."""
        holds = self._deliveries.held()
        self.held = tuple(each for each in holds if each.target_id in self._targets.in_use)
        counts = Counter(hold.channel for hold in self.held)
        for channel in self._all_channels():
            self._parts.metrics.channel_held.labels(channel).set(counts[channel])

    def _begin(self) -> None:
        if self._deliveries.has_former_ids():
            self._deliveries.rename_targets(self._parts.former_ids)
        self._deliveries.take_back_all()
        self._is_begun = True

    def _apply_change(self) -> None:
        in_use = self._targets.in_use
        self._deliveries.register(
            {each: (target.channel, max(1, target.concurrency)) for each, target in in_use.items()}
        )
        for target_id, target in in_use.items():
            if isinstance(target, MisconfiguredTarget):
                self._deliveries.hold(target_id, Reason.MISCONFIGURED, target.detail)
        if self._is_reloaded:
            self._is_reloaded = False
            self._deliveries.wake(in_use.keys())
        self._removed |= self._registered - in_use.keys()
        self._registered = frozenset(in_use)
        # What waits is counted, and settled, next.
        self._due_at.clear()

    def _fall_back(self) -> None:
        """Let what waits for targets that are held for long go to their fallbacks too."""
        for hold in self.held:
            terms = self._targets.terms(hold.target_id)
            fallback = self._targets.fallback(hold.target_id, f"is held: {hold.reason}")
            if fallback is None:
                continue
            held_us = self._deliveries.now_us() - hold.since_us
            if held_us < terms.fallback_after_seconds * US_IN_A_SECOND:
                continue
            total = 0
            while count := self._deliveries.fall_back(hold.target_id, fallback):
                total += count
            if total:
                facts = {"target_id": hold.target_id, "reason": hold.reason, "count": total}
                log.warning("delivery.fell_back", channel=hold.channel, to=terms.fallback, **facts)

    def _settle(self, backlogs: Sequence[Backlog]) -> None:
        """Pass on, or give up, what waits for targets that are gone in all replicas."""
        # Before the replicas are asked: one that begins after that has its targets to itself.
        targets, known = self._targets, self._deliveries.known()
        if not self._parts.replicas_agree():
            self._strange_since.clear()
            return
        gone = self._gone({*known, *(backlog.target_id for backlog in backlogs)})
        for backlog in backlogs:
            target_id, channel = backlog.target_id, backlog.channel
            if target_id not in gone or targets.keeps(channel):
                continue
            heirs = targets.heirs(target_id, channel, known, self._deliveries.now_us())
            if isinstance(heirs, Reason):
                self._give_up(backlog, heirs)
                continue
            given = 0
            while count := self._deliveries.hand_over(target_id, heirs):
                given += count
            if given:
                log.info("delivery.handed_over", channel=channel, count=given, targets=[*heirs])
        self._deliveries.forget(gone & known.keys())
        self._removed.clear()

    def _gone(self, target_ids: set[str]) -> set[str]:
        """Those of the targets that no replica uses any more."""
        now = self._parts.monotonic()
        unused = target_ids - self._targets.in_use.keys()
        self._strange_since = {each: self._strange_since.get(each, now) for each in unused}
        wait_seconds = STRANGE_SECONDS if self._deliveries.is_shared else 0.0
        is_over = {each for each, at in self._strange_since.items() if now - at >= wait_seconds}
        return is_over | (unused & self._removed)

    def _expire(self) -> None:
        """Give up what waited too long where nothing is sent, and mind jumps of the clock."""
        before_us = self._deliveries.now_us()
        jump_us = self._deliveries.keep_time(round(self._parts.monotonic() * US_IN_A_SECOND))
        if jump_us:
            log.warning(
                "clock.jumped",
                seconds=round(jump_us / US_IN_A_SECOND),
                remedy="run NTP; what waits goes on waiting as long as it would have",
            )
        # The earlier one, since the clock may jump just before `keep_time`, and just after it.
        now_us = min(before_us, self._deliveries.now_us())
        limit_us = now_us - round(self._parts.hold_seconds * US_IN_A_SECOND)
        held = {hold.target_id for hold in self.held}
        for backlog in self._deliveries.backlogs():
            is_gone = backlog.target_id not in self._targets.in_use
            if backlog.target_id in held or (is_gone and self._targets.keeps(backlog.channel)):
                self._give_up(backlog, Reason.HOLD_EXPIRED, limit_us)

    def _give_up(self, backlog: Backlog, reason: Reason, before_us: int | None = None) -> None:
        target_id, channel, total = backlog.target_id, backlog.channel, 0
        while count := self._deliveries.give_up(target_id, reason, waiting_before_us=before_us):
            total += count
        if total:
            self._parts.metrics.notifications_dead.labels(channel, reason).inc(total)
            log.error(_GIVEN_UP[reason], channel=channel, target_id=target_id, count=total)

    def _count(self, backlogs: Sequence[Backlog]) -> None:
        waiting = Counter[str]()
        for backlog in backlogs:
            waiting[backlog.channel] += backlog.count
        for channel in self._all_channels() | waiting.keys():
            self._parts.metrics.deliveries_waiting.labels(channel).set(waiting[channel])

    def _all_channels(self) -> set[str]:
        """Those in use, and those that were: a channel that is gone shows 0, not its last count."""
        self._channels |= {target.channel for target in self._targets.in_use.values()}
        return self._channels

    def _is_due(self, what: str, every_seconds: float) -> bool:
        now = self._parts.monotonic()
        if now < self._due_at.get(what, now):
            return False
        self._due_at[what] = now + every_seconds
        return True
