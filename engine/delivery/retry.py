"""Says when a delivery is tried again and a held target probed, and how to wait until then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

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

from channels.alert import Outcome
from engine.clock import Clock
from engine.errors import StoreError

#: How often a call of the store that failed is tried again.
STORE_RETRY_SECONDS: Final = 1.0
#: The longest `Retry-After` that a worker waits for; for a longer one the target is held.
LONGEST_WAIT_SECONDS: Final = 300.0
#: The longest time without a probe that a `Retry-After` brings about.
LONGEST_PROBE_DELAY_SECONDS: Final = 86_400.0
#: How many alerts have their reading times remembered, by target.
FRESH_ALERTS: Final = 1_000
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


def _attempt(retry_state: RetryCallState) -> Attempt:
    assert retry_state.outcome is not None
    attempt = retry_state.outcome.result()
    assert isinstance(attempt, Attempt)
    return attempt


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
