"""When a delivery is tried again: its retries, its target's hold, and the limit of its wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    sleep_using_event,
    stop_after_attempt,
    stop_when_event_set,
    wait_exponential,
    wait_fixed,
    wait_random,
)
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from channels.alert import Outcome, Status
from engine.clock import Clock
from engine.errors import StoreError
from engine.store import DeliveryStore, Hold

log = structlog.get_logger(__name__)

#: How often a call of the store that failed is tried again.
STORE_RETRY_SECONDS: Final = 1.0
#: The longest `Retry-After` that a worker waits for; for a longer one the target is held.
LONGEST_WAIT_SECONDS: Final = 300.0
#: The longest time without a probe that a `Retry-After` brings about.
LONGEST_PROBE_DELAY_SECONDS: Final = 86_400.0
#: How far wall clock and monotonic clock may drift apart before times in the store are moved.
JUMP_SECONDS: Final = 10.0
#: How often the store is told that the engine runs.
KEEP_SECONDS: Final = 15.0
#: How many alerts have their reading times remembered, by target.
FRESH_ALERTS: Final = 1_000
_US_IN_A_SECOND: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

Wait = Callable[[threading.Condition, float | None], object]
"""Waits on a condition whose lock is held, for at most so many seconds (None: no limit)."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try again; all durations in seconds.

    After the first try come `max_retries` more, after `base_seconds` and then twice as long each
    time. Jitter adds up to `jitter` of the base, so that no wait is shorter than stated. A
    `Retry-After` that is longer counts instead; beyond `LONGEST_WAIT_SECONDS` the target is held
    until then, but not longer than `LONGEST_PROBE_DELAY_SECONDS` without a probe. A held target is
    probed after `probe_seconds`, then twice as long each time, up to `longest_probe_seconds`.
    """

    max_retries: int = 3
    base_seconds: float = 5.0
    jitter: float = 0.1
    probe_seconds: float = 30.0
    longest_probe_seconds: float = 300.0

    def asks_to_hold(self, outcome: Outcome) -> bool:
        """Whether the receiver asks for a wait that is too long for a worker."""
        return (outcome.retry_after_seconds or 0.0) > LONGEST_WAIT_SECONDS

    def probe_delay(self, probes: int, outcome: Outcome) -> float:
        """Seconds until the next probe, after `probes` that failed and the last `outcome`."""
        # The bound is reached long before 32 doublings; without one the power would overflow.
        grown = self.probe_seconds * 2.0 ** min(probes, 32)
        asked = min(outcome.retry_after_seconds or 0.0, LONGEST_PROBE_DELAY_SECONDS)
        return max(min(grown, self.longest_probe_seconds), asked)


@dataclass(frozen=True, slots=True)
class Attempt:
    """The outcome of one try, and whether trying it again may help."""

    outcome: Outcome
    is_retryable: bool


def send_retrying(policy: RetryPolicy, interrupt: Signal) -> Retrying:
    """Returns what calls a function that returns an `Attempt` or None until it is not retryable.

    The call returns the last attempt. `interrupt` ends a wait; the function is called once more
    then, and must return None.
    """
    backoff = wait_exponential(multiplier=policy.base_seconds, exp_base=2)
    return Retrying(
        sleep=sleep_using_event(interrupt),
        stop=stop_after_attempt(policy.max_retries + 1)
        | stop_when_event_set(interrupt)
        | _StopWhenAskedToHold(policy),
        wait=_WaitAsAsked(backoff + wait_random(0, policy.base_seconds * policy.jitter)),
        retry=retry_if_result(lambda attempt: attempt is not None and attempt.is_retryable),
        retry_error_callback=_attempt,
    )


def store_retrying(stopping: Signal) -> Retrying:
    """Returns what calls a function until it raises no StoreError.

    The call returns the function's result, or None if `stopping` is set before.
    """
    return Retrying(
        sleep=sleep_using_event(stopping),
        stop=stop_when_event_set(stopping),
        wait=wait_fixed(STORE_RETRY_SECONDS),
        retry=retry_if_exception_type(StoreError),
        retry_error_callback=lambda retry_state: None,
    )


@dataclass(slots=True)
class HoldInForce:
    """A hold that is in force, and its probes.

    `probe_at` is the monotonic time of the next probe, in seconds. `failed` and `probed` are the
    ids of deliveries: those that failed, and those that need no probe in this round.
    `may_be_message` says that the failures could be the fault of one message. `has_changed` says
    that something changed since the last probe began: the targets, by a redelivery or a restart.
    `is_first_since_change` says that the probe in flight is the first one after such a change.
    """

    hold: Hold
    probe_at: float
    may_be_message: bool
    failed: set[int]
    probed: set[int]
    probes: int = 0
    has_changed: bool = False
    is_first_since_change: bool = False

    def begin_probe(self, delivery_id: int) -> None:
        """This delivery is sent as the probe."""
        self.probed.add(delivery_id)
        self.is_first_since_change, self.has_changed = self.has_changed, False

    def explain(self, reason: str, detail: str) -> None:
        """The target is held for another reason from now on; `since_us` stays."""
        self.hold = replace(self.hold, reason=reason, detail=detail)


@dataclass(slots=True)
class TargetHealth:
    """Knows whether a target is held, what it took, and which deliveries failed when.

    `marks` has, for each delivery that failed, the value of `sent` at its first failure. If others
    were sent since, the fault is the message's and not the channel's.
    """

    sent: int = 0
    marks: dict[int, int] = field(default_factory=dict)
    in_force: HoldInForce | None = None

    @property
    def hold(self) -> Hold | None:
        """The hold with its reason, or None."""
        return self.in_force.hold if self.in_force else None

    def note_done(self, delivery_id: int, *, is_sent: bool) -> None:
        """The delivery does not wait any more; `is_sent` says that the target took it."""
        self.sent += is_sent
        self.marks.pop(delivery_id, None)

    def note_failed(self, delivery_id: int) -> None:
        """The delivery failed and goes on waiting."""
        self.marks.setdefault(delivery_id, self.sent)

    def is_suspect(self, delivery_id: int) -> bool:
        """Whether the target took another delivery since this one's first failure."""
        return self.marks.get(delivery_id, self.sent) < self.sent

    def new_failures(self, delivery_ids: Iterable[int]) -> set[int]:
        """Returns those that failed first after the last delivery that was sent."""
        return {each for each in delivery_ids if self.marks.get(each) == self.sent}

    def begin_hold(
        self, hold: Hold, outcome: Outcome, failed: set[int], now: float, policy: RetryPolicy
    ) -> None:
        """Hold the target because of the `failed` deliveries, which are probed last."""
        self.in_force = HoldInForce(
            hold=hold,
            probe_at=now + policy.probe_delay(0, outcome),
            may_be_message=_may_be_message(outcome),
            failed=failed,
            probed=set(failed),
        )

    def restore_hold(self, hold: Hold, now: float) -> None:
        """Hold the target as before the restart, and probe it at once."""
        self.in_force = HoldInForce(hold, now, may_be_message=False, failed=set(), probed=set())
        self.try_now(now)

    def note_probe(
        self, delivery_id: int, outcome: Outcome, now: float, policy: RetryPolicy
    ) -> bool:
        """A probe failed; returns whether that is to be reported.

        It is if the probe was the first after a change, or failed for another reason than the one
        before; the hold takes its reason. After a change during the probe nothing is noted, since
        the next probe is due at once.
        """
        in_force = self.in_force
        if in_force is None or in_force.has_changed:
            return False
        in_force.probes += 1
        in_force.failed.add(delivery_id)
        in_force.may_be_message = _may_be_message(outcome)
        in_force.probe_at = now + policy.probe_delay(in_force.probes, outcome)
        is_new_reason = in_force.hold.reason != outcome.reason
        in_force.explain(outcome.reason, outcome.detail)
        return in_force.is_first_since_change or is_new_reason

    def try_now(self, now: float) -> None:
        """Something changed: probe at once, and with the shortest interval again."""
        if self.in_force is not None:
            self.in_force.probe_at = now
            self.in_force.probes = -1
            self.in_force.has_changed = True

    def note_arrival(self, now: float) -> None:
        """There is a new delivery: if only one message has failed, probe with this one now."""
        in_force = self.in_force
        if in_force is not None and in_force.may_be_message and len(in_force.failed) == 1:
            in_force.probe_at = min(in_force.probe_at, now)


class WaitLimit:
    """Knows which deliveries have waited longer than `hold_seconds`, and minds clock jumps.

    Time in which no engine ran does not count as waiting, nor does a jump of the wall clock. Any
    thread may call it.
    """

    def __init__(self, store: DeliveryStore, timing: DeliveryClock, hold_seconds: float) -> None:
        self.hold_seconds: Final = hold_seconds
        self._store = store
        self._timing = timing
        self._lock = threading.Lock()
        # The wall clock minus the monotonic clock when they were last compared; None before that.
        self._offset_us: int | None = None
        self._keep_at_us = 0

    def expired_before_us(self) -> int:
        """The instant in µs before which a delivery that still waits has waited too long.

        Raises StoreError as `check_clock` does.
        """
        return self.check_clock() - round(self.hold_seconds * _US_IN_A_SECOND)

    def check_clock(self) -> int:
        """Returns the time now in µs; if the clock was set, moves the times of waiting deliveries.

        Raises StoreError when that can't be written; nothing is changed then, and the next call
        tries again.
        """
        with self._lock:
            now_us = self._timing.now_us()
            run_us = round(self._timing.monotonic() * _US_IN_A_SECOND)
            is_start = self._offset_us is None
            jump_us = self._jump_us(now_us, run_us)
            has_jumped = abs(jump_us) >= JUMP_SECONDS * _US_IN_A_SECOND
            if has_jumped or is_start or run_us >= self._keep_at_us:
                self._store.keep_time(now_us, jump_us if has_jumped else 0)
                self._keep_at_us = run_us + round(KEEP_SECONDS * _US_IN_A_SECOND)
            if has_jumped or is_start:
                self._offset_us = now_us - run_us
            # At the start, a clock that is ahead is not reported: the engine may have been off.
            if has_jumped and (jump_us < 0 or not is_start):
                log.warning(
                    "clock.jumped",
                    seconds=round(jump_us / _US_IN_A_SECOND),
                    remedy="run NTP; what waits goes on waiting as long as it would have",
                )
            return now_us

    def _jump_us(self, now_us: int, run_us: int) -> int:
        """How many µs the wall clock has moved beyond the time in which an engine ran."""
        if self._offset_us is not None:
            return now_us - run_us - self._offset_us
        seen_us = self._store.last_seen_us()
        return 0 if seen_us is None else now_us - seen_us


class DeliveryClock:
    """A clock, and the way to wait by it."""

    def __init__(self, clock: Clock, wait: Wait = threading.Condition.wait) -> None:
        self.wait: Final = wait
        self.monotonic: Final = clock.monotonic
        self._now = clock.now

    def now_us(self) -> int:
        """Microseconds since the epoch, by the wall clock."""
        return (self._now() - _EPOCH) // _MICROSECOND


class Signal(threading.Event):
    """An event whose waits, and so tenacity's sleeps, go by the clock of `timing`."""

    def __init__(self, timing: DeliveryClock) -> None:
        super().__init__()
        self._timing = timing
        self._changed = threading.Condition()
        self._is_set = False

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._is_set

    def set(self) -> None:
        """Set it for good: all waits end."""
        with self._changed:
            self._is_set = True
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, at most `timeout` seconds; returns whether it is set."""
        timing = self._timing
        deadline = None if timeout is None else timing.monotonic() + timeout
        with self._changed:
            while not self._is_set:
                left = None if deadline is None else deadline - timing.monotonic()
                if left is not None and left <= 0:
                    break
                timing.wait(self._changed, left)
            return self._is_set


class ReadTimes:
    """When the events of new alerts were read, in monotonic seconds; each is given once.

    It is bounded, and any thread may call it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at: dict[str, float] = {}

    def note(self, read_at: Mapping[str, float]) -> None:
        """Remember these, by alert id; the oldest are forgotten when there are too many."""
        with self._lock:
            self._read_at.update(read_at)
            while len(self._read_at) > FRESH_ALERTS:
                del self._read_at[next(iter(self._read_at))]

    def take(self, alert_id: str) -> float | None:
        """Returns and forgets the alert's time; None when it is not known, or was taken before."""
        with self._lock:
            return self._read_at.pop(alert_id, None)


class _WaitAsAsked(wait_base):
    """tenacity's wait: what another one says, but at least the receiver's `Retry-After`."""

    def __init__(self, otherwise: wait_base) -> None:
        self._otherwise = otherwise

    def __call__(self, retry_state: RetryCallState) -> float:
        asked = _attempt(retry_state).outcome.retry_after_seconds or 0.0
        return max(float(self._otherwise(retry_state)), asked)


class _StopWhenAskedToHold(stop_base):
    """tenacity's stop: the receiver asked for a wait that is too long for a worker."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy

    def __call__(self, retry_state: RetryCallState) -> bool:
        return self._policy.asks_to_hold(_attempt(retry_state).outcome)


def _attempt(retry_state: RetryCallState) -> Attempt:
    assert retry_state.outcome is not None
    attempt = retry_state.outcome.result()
    assert isinstance(attempt, Attempt)
    return attempt


def _may_be_message(outcome: Outcome) -> bool:
    return outcome.status is Status.UNAVAILABLE and not outcome.retry_after_seconds
