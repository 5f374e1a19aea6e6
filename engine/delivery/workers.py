"""Workers: each sends one claimed delivery after the other, and never waits with one in hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final

import structlog

from channels.alert import Alert, Bundle, Outcome, Reason, Status, Target
from channels.redact import redact_outcome
from engine.delivery.parts import Parts
from engine.store import Claim, FreshAlert

log = structlog.get_logger(__name__)

#: Of so many deliveries it is remembered when their events were read.
READ_TIMES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Send:
    """A claim that a worker is done with; `outcome` is None when it was not sent at all."""

    claim: Claim
    outcome: Outcome | None
    knows_key: bool = False


class Workers:
    """A pool of threads, which are started as they are needed."""

    def __init__(self, parts: Parts, finish: Callable[[Send], None]) -> None:
        """`finish` is called with each send, in the thread of its worker."""
        self._parts = parts
        self._finish = finish
        self._lock = threading.Lock()
        self._claims: SimpleQueue[tuple[Claim, float] | None] = SimpleQueue()
        self._in_hand = 0
        self._threads = 0
        self._is_short = False
        self._read_at: dict[tuple[str, str], float] = {}

    def give(self, claim: Claim, good_until: float) -> None:
        """Send this one; its claim is good until then, in monotonic seconds."""
        with self._lock:
            self._in_hand += 1
        self._claims.put((claim, good_until))
        self.staff()

    def staff(self) -> None:
        """Start the threads that are missing; those that the system refuses come later."""
        with self._lock:
            try:
                while self._threads < self._in_hand:
                    # A daemon, because a send that hangs must not keep the process from ending.
                    name = f"delivery-worker-{self._threads}"
                    threading.Thread(target=self._work, name=name, daemon=True).start()
                    self._threads += 1
                self._is_short = False
            except RuntimeError as error:
                if not self._is_short:
                    log.error("delivery.no_worker", error=str(error))
                self._is_short = True

    def close(self) -> None:
        """Let the threads end after what they have in hand."""
        with self._lock:
            for _ in range(self._threads):
                self._claims.put(None)

    def note_read(self, fresh: Iterable[FreshAlert]) -> None:
        """Remember when the events of these alerts were read, for the metric of the latency."""
        with self._lock:
            for alert in fresh:
                for _, target_id in alert.targets:
                    self._read_at[alert.alert_id, target_id] = alert.read_at
            while len(self._read_at) > READ_TIMES:
                del self._read_at[next(iter(self._read_at))]

    def _work(self) -> None:
        try:
            while (given := self._claims.get()) is not None:
                self._handle(*given)
        finally:
            with self._lock:
                self._threads -= 1

    def _handle(self, claim: Claim, good_until: float) -> None:
        outcome, knows_key = None, False
        try:
            with self._parts.targets.borrow(claim.target_id) as target:
                if target is not None and self._parts.monotonic() < good_until:
                    knows_key = target.knows_idempotency_key
                    outcome = self._send(claim, target)
        finally:
            with self._lock:
                self._in_hand -= 1
            self._finish(Send(claim, outcome, knows_key))

    def _send(self, claim: Claim, target: Target) -> Outcome:
        parts = self._parts
        parts.kill_point("send")
        started = parts.monotonic()
        outcome = send_claim(target, claim)
        parts.kill_point("sent")
        if not outcome.is_unsent:
            with self._lock:
                asked = [(alert.alert_id, claim.target_id) for alert in claim.alerts]
                read_at = [self._read_at.pop(each) for each in asked if each in self._read_at]
            for each in read_at:
                parts.metrics.alert_latency.observe(max(0.0, started - each))
            seconds = parts.monotonic() - started
            parts.metrics.notification_send_time.labels(claim.channel).observe(seconds)
        return outcome


def send_claim(target: Target, claim: Claim) -> Outcome:
    """Try once to send all alerts of a claim as one message, and never raise.

    The idempotency key is the same for all tries of the message, and of no other one.
    """
    key = f"{claim.alert.alert_id}-{claim.delivery_id}"
    if not claim.members:
        return send_once(target, claim.alert, key)
    bundle = Bundle(claim.kind, claim.alerts)
    return _tried(
        lambda: target.send_several(bundle, f"{key}-{claim.kind}-{len(bundle.alerts)}"),
        bundle.alerts,
    )


def send_once(target: Target, alert: Alert, idempotency_key: str) -> Outcome:
    """Try once, and never raise; the key is the same for all tries of a delivery."""
    return _tried(lambda: target.send(alert, idempotency_key), (alert,))


def _tried(send: Callable[[], Outcome], alerts: Iterable[Alert]) -> Outcome:
    try:
        return send()
    except Exception as error:  # noqa: BLE001 - a defect of one target must not end the worker
        failed = Outcome(Status.UNAVAILABLE, Reason.UNKNOWN, f"{type(error).__name__}: {error}")
        return redact_outcome(failed, *alerts)
