"""Whether a target takes deliveries, and how long a delivery may wait for one that does not."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from channels.alert import Outcome, Status
from engine.delivery.retry import DeliveryClock, RetryPolicy
from engine.store import DeliveryStore, Hold


@dataclass(slots=True)
class HoldInForce:
    """A hold in force: `probe_at` is the next probe's time (monotonic), `failed` who failed in it.

    `may_be_message` says that the failures could be one message's own fault; `is_roused` that
    somebody changed something, and `is_news` that the probe in flight is the first since then.
    """

    hold: Hold
    probe_at: float
    may_be_message: bool
    failed: set[int]
    probed: set[int]
    probes: int = 0
    is_roused: bool = False
    is_news: bool = False

    def begin_probe(self, delivery_id: int) -> None:
        """This delivery is sent as a probe now."""
        self.probed.add(delivery_id)
        self.is_news, self.is_roused = self.is_roused, False

    def explain(self, reason: str, detail: str) -> None:
        """This is why the target is held now; since when stays."""
        self.hold = replace(self.hold, reason=reason, detail=detail)


@dataclass(slots=True)
class TargetHealth:
    """Counts what a target took, and remembers which deliveries failed when.

    `marks` has, for each delivery that failed, how many others had been sent at its first
    failure: by it a message that is always answered 500 is told from a channel that is down.
    """

    sent: int = 0
    marks: dict[int, int] = field(default_factory=dict)
    outage: HoldInForce | None = None

    @property
    def hold(self) -> Hold | None:
        """Why and since when the target is held."""
        return self.outage.hold if self.outage else None

    def note_done(self, delivery_id: int, *, is_sent: bool) -> None:
        """The delivery waits no longer; `is_sent`: the target took it."""
        self.sent += is_sent
        self.marks.pop(delivery_id, None)

    def note_failed(self, delivery_id: int) -> None:
        """The delivery failed and goes on waiting."""
        self.marks.setdefault(delivery_id, self.sent)

    def is_suspect(self, delivery_id: int) -> bool:
        """Whether the target took something else since this delivery's first failure."""
        return self.marks.get(delivery_id, self.sent) < self.sent

    def fresh(self, delivery_ids: Iterable[int]) -> set[int]:
        """Those of them that began to fail after the last success."""
        return {each for each in delivery_ids if self.marks.get(each) == self.sent}

    def begin_outage(
        self, hold: Hold, outcome: Outcome, failed: set[int], now: float, policy: RetryPolicy
    ) -> None:
        """Hold the target; `failed` are the deliveries that show it, and are probed last."""
        self.outage = HoldInForce(
            hold=hold,
            probe_at=now + policy.probe_delay(0, outcome),
            may_be_message=_may_be_message(outcome),
            failed=failed,
            probed=set(failed),
        )

    def restore_outage(self, hold: Hold, now: float) -> None:
        """The target was held before; probe at once."""
        self.outage = HoldInForce(hold, now, may_be_message=False, failed=set(), probed=set())
        self.rouse(now)

    def note_probe(
        self, delivery_id: int, outcome: Outcome, now: float, policy: RetryPolicy
    ) -> bool:
        """A probe failed; whether that is news: somebody had changed something, or it is for
        another reason than the target was held for, which it is held for now.

        If somebody has changed something meanwhile, the next probe is due at once.
        """
        outage = self.outage
        if outage is None or outage.is_roused:
            return False
        outage.probes += 1
        outage.failed.add(delivery_id)
        outage.may_be_message = _may_be_message(outcome)
        outage.probe_at = now + policy.probe_delay(outage.probes, outcome)
        is_news = outage.is_news or outage.hold.reason != outcome.reason
        outage.explain(outcome.reason, outcome.detail)
        return is_news

    def rouse(self, now: float) -> None:
        """Somebody changed something: probe at once, and grow the intervals anew."""
        if self.outage is not None:
            self.outage.probe_at = now
            self.outage.probes = -1
            self.outage.is_roused = True

    def note_arrival(self, now: float) -> None:
        """A new delivery: when only one message ever failed, this one may go through, so probe."""
        outage = self.outage
        if outage is not None and outage.may_be_message and len(outage.failed) == 1:
            outage.probe_at = min(outage.probe_at, now)


def _may_be_message(outcome: Outcome) -> bool:
    return outcome.status is Status.UNAVAILABLE and not outcome.retry_after_seconds


log = structlog.get_logger(__name__)

#: Wall and monotonic clock may drift apart so far before what waits is moved.
JUMP_SECONDS: Final = 10.0
#: How often the store learns that the engine runs.
KEEP_SECONDS: Final = 15.0
_MICROSECONDS: Final = 1_000_000


class Patience:
    """Knows which deliveries have waited longer than `hold_seconds`; any thread may ask."""

    def __init__(self, store: DeliveryStore, timing: DeliveryClock, hold_seconds: float) -> None:
        self.hold_seconds: Final = hold_seconds
        self._store = store
        self._timing = timing
        self._lock = threading.Lock()
        #: The wall clock minus the monotonic one, when they were last compared; None before.
        self._offset_us: int | None = None
        self._keep_at_us = 0

    def over_before_us(self) -> int:
        """The instant: what waits since before it has waited too long. StoreError as `mind`."""
        return self.mind() - round(self.hold_seconds * _MICROSECONDS)

    def mind(self) -> int:
        """Move what waits if the wall clock was set since the last call; the instant now.

        Raises StoreError when that can't be written; then nothing has changed, and the next call
        tries again.
        """
        with self._lock:
            now_us = self._timing.now_us()
            run_us = round(self._timing.monotonic() * _MICROSECONDS)
            is_start = self._offset_us is None
            jump_us = self._jump_us(now_us, run_us)
            has_jumped = abs(jump_us) >= JUMP_SECONDS * _MICROSECONDS
            if has_jumped or is_start or run_us >= self._keep_at_us:
                self._store.keep_time(now_us, jump_us if has_jumped else 0)
                self._keep_at_us = run_us + round(KEEP_SECONDS * _MICROSECONDS)
            if has_jumped or is_start:
                self._offset_us = now_us - run_us
            # A clock that is ahead at the start may be right: the engine was off.
            if has_jumped and (jump_us < 0 or not is_start):
                log.warning(
                    "clock.jumped",
                    seconds=round(jump_us / _MICROSECONDS),
                    remedy="run NTP; what waits goes on waiting as long as it would have",
                )
            return now_us

    def _jump_us(self, now_us: int, run_us: int) -> int:
        """How far the wall clock is ahead of where it would be had the engine's time passed."""
        if self._offset_us is not None:
            return now_us - run_us - self._offset_us
        seen_us = self._store.last_seen_us()
        return 0 if seen_us is None else now_us - seen_us
