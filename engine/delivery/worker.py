"""A worker: sends one delivery after another, tries again, stores outcomes, holds the target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import structlog
from tenacity import RetryCallState, Retrying

from channels.alert import Outcome, Reason, Status
from engine.delivery.retry import (
    Attempt,
    DeliveryClock,
    RetryPolicy,
    Signal,
    WaitLimit,
    send_retrying,
    store_retrying,
)
from engine.delivery.target_queue import ClaimedDelivery, TargetQueue
from engine.metrics import Metrics
from engine.store import Delivery, DeliveryStore, Hold

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

_FAILED: Final = (Status.UNAVAILABLE, Status.MISCONFIGURED)


class Worker:
    """One worker of a queue; its `work` runs in a thread of its own."""

    def __init__(
        self,
        queue: TargetQueue,
        store: DeliveryStore,
        policy: RetryPolicy,
        metrics: Metrics,
        timing: DeliveryClock,
        stopping: Signal,
        *,
        wait_limit: WaitLimit,
        kill_point: Callable[[str], None],
    ) -> None:
        self._queue = queue
        self._store = store
        self._policy = policy
        self._metrics = metrics
        self._timing = timing
        self._stopping = stopping
        self._wait_limit = wait_limit
        self._kill_point = kill_point

    def work(self) -> None:
        """Deliver until the queue has nothing more for this worker."""
        queue = self._queue
        try:
            while (claim := queue.claim_next()) is not None:
                try:
                    self._deliver(claim)
                finally:
                    queue.finish(claim)
        except BaseException:
            queue.leave()
            raise

    def _deliver(self, claim: ClaimedDelivery) -> None:
        if claim.is_probe:
            self._handle_probe(claim, self._send(claim.delivery))
            return
        retrying = send_retrying(self._policy, claim.interrupt)
        retrying.after = lambda state: self._note_retryable(claim, state)
        retrying.before_sleep = lambda state: self._queue.suspend(claim)
        attempt: Attempt | None = retrying(self._attempt, claim, retrying)
        if attempt is not None:
            self._handle(claim, attempt)

    def _attempt(self, claim: ClaimedDelivery, retrying: Retrying) -> Attempt | None:
        """One try; None if the delivery is interrupted, or goes back to wait for a pause's end."""
        is_retry = retrying.statistics["attempt_number"] > 1
        while self._queue.resume(claim):
            outcome = self._send(claim.delivery)
            if outcome.is_unsent:
                # A retry goes on after the pause; a first try goes back, so that after the pause
                # the most urgent delivery is chosen.
                if self._pause(claim, outcome) and is_retry:
                    continue
                return None
            if is_retry:
                self._metrics.notification_retries.labels(self._queue.channel).inc()
            if outcome.status not in _FAILED:
                return Attempt(outcome, is_retryable=False)
            self._count_failure(outcome)
            seems_own_fault = self._queue.note_failed(claim, outcome)
            return Attempt(outcome, outcome.status is Status.UNAVAILABLE or seems_own_fault)
        return None

    def _pause(self, claim: ClaimedDelivery, outcome: Outcome) -> bool:
        """Pause the target, or hold it if its pauses take too long; whether it is paused."""
        queue, seconds = self._queue, outcome.retry_after_seconds or 0.0
        if not queue.pause(claim, seconds):
            self._hold(claim, outcome)
            return False
        log.info(
            "target.paused",
            channel=queue.channel,
            target_id=queue.target_id,
            seconds=round(seconds, 1),
            detail=outcome.detail,
        )
        return True

    def _send(self, delivery: Delivery) -> Outcome:
        queue, alert = self._queue, delivery.alert
        read_at = queue.read_times.take(alert.alert_id)
        with queue.current_target.borrow() as target:
            self._kill_point("send")
            started = self._timing.monotonic()
            outcome = target.send(alert, f"{alert.alert_id}-{delivery.delivery_id}")
            self._kill_point("sent")
        if outcome.is_unsent:
            if read_at is not None:
                queue.read_times.note({alert.alert_id: read_at})
            return outcome
        if read_at is not None:
            self._metrics.alert_latency.observe(max(0.0, started - read_at))
        seconds = self._timing.monotonic() - started
        self._metrics.notification_send_time.labels(queue.channel).observe(seconds)
        return outcome

    def _note_retryable(self, claim: ClaimedDelivery, state: RetryCallState) -> None:
        assert state.outcome is not None
        outcome: Outcome = state.outcome.result().outcome
        self._record_try(claim, outcome)
        self._log("delivery.failed", claim, outcome, attempt=state.attempt_number)

    def _handle(self, claim: ClaimedDelivery, attempt: Attempt) -> None:
        outcome = attempt.outcome
        if outcome.status is Status.SENT:
            self._mark_sent(claim)
        elif outcome.status is Status.REFUSED:
            self._mark_refused(claim, outcome)
        else:
            self._handle_failure(claim, attempt)

    def _handle_failure(self, claim: ClaimedDelivery, attempt: Attempt) -> None:
        outcome = attempt.outcome
        if not attempt.is_retryable:
            self._record_try(claim, outcome)
        if claim.interrupt.is_set():
            return
        is_used_up = attempt.is_retryable and not self._policy.asks_to_hold(outcome)
        if is_used_up and self._queue.gives_up(claim):
            self._mark_exhausted(claim, outcome)
        else:
            self._hold(claim, outcome)

    def _handle_probe(self, claim: ClaimedDelivery, outcome: Outcome) -> None:
        if outcome.status is Status.SENT:
            self._mark_sent(claim)
        elif outcome.status is Status.REFUSED:
            self._mark_refused(claim, outcome)
        else:
            self._expire(claim)
            if self._queue.note_probe(claim, outcome):
                # A redelivery may have removed the hold from the store.
                self._keep_hold()
                self._log("target.still_held", claim, outcome)

    def _mark_sent(self, claim: ClaimedDelivery) -> None:
        delivery = claim.delivery
        self._persist(lambda: self._store.mark_sent(delivery.delivery_id))
        self._kill_point("mark")
        sent = self._metrics.notifications_sent
        sent.labels(self._queue.channel, delivery.alert.rule_id).inc()
        self._done(claim, is_sent=True, is_answered=True)

    def _mark_refused(self, claim: ClaimedDelivery, outcome: Outcome) -> None:
        self._count_failure(outcome)
        self._mark_dead(claim, outcome, outcome.reason, is_try=True)
        self._done(claim, is_sent=False, is_answered=True)

    def _mark_exhausted(self, claim: ClaimedDelivery, outcome: Outcome) -> None:
        self._mark_dead(claim, outcome, Reason.RETRIES_EXHAUSTED, is_try=False)
        self._done(claim, is_sent=False, is_answered=False)

    def _mark_dead(
        self, claim: ClaimedDelivery, outcome: Outcome, reason: Reason, *, is_try: bool
    ) -> None:
        detail = outcome.detail
        if reason is not outcome.reason:
            detail = f"{outcome.reason}: {detail}" if detail else str(outcome.reason)
        self._persist(
            lambda: self._store.mark_dead(claim.delivery_id, reason, detail, is_try=is_try)
        )
        self._kill_point("mark")
        self._metrics.notifications_dead.labels(self._queue.channel, reason).inc()
        log.error("delivery.dead", **_facts(claim.delivery), reason=str(reason), detail=detail)

    def _done(self, claim: ClaimedDelivery, *, is_sent: bool, is_answered: bool) -> None:
        queue = self._queue
        with queue.hold_lock:
            if not queue.note_done(claim, is_sent=is_sent, is_answered=is_answered):
                return
            self._persist(lambda: self._store.release(queue.target_id))
            self._metrics.channel_held.labels(queue.channel).dec()
        log.info("target.opened", channel=queue.channel, target_id=queue.target_id)

    def _hold(self, claim: ClaimedDelivery, outcome: Outcome) -> None:
        queue, now_us = self._queue, self._timing.now_us()
        hold = Hold(queue.target_id, queue.channel, outcome.reason, outcome.detail, now_us)
        with queue.hold_lock:
            if not queue.begin_hold(claim, hold, outcome):
                return
            self._metrics.channel_held.labels(queue.channel).inc()
            self._metrics.channel_holds.labels(queue.channel).inc()
            self._log("target.held", claim, outcome)
            self._write_hold(hold)

    def _keep_hold(self) -> None:
        with self._queue.hold_lock:
            if (hold := self._queue.hold) is not None:
                self._write_hold(hold)

    def _write_hold(self, hold: Hold) -> None:
        self._persist(
            lambda: self._store.hold(
                hold.target_id, hold.channel, hold.reason, hold.detail, hold.since_us
            )
        )

    def _expire(self, probe: ClaimedDelivery) -> None:
        queue, store = self._queue, self._store
        before_us = self._persist(self._wait_limit.expired_before_us)
        if before_us is None:
            return
        exclude = queue.claimed - {probe.delivery_id}
        total = 0
        while count := self._persist(
            lambda: store.mark_all_dead(
                queue.target_id, Reason.HOLD_EXPIRED, waiting_before_us=before_us, exclude=exclude
            )
        ):
            total += count
        if total:
            dead = self._metrics.notifications_dead
            dead.labels(queue.channel, Reason.HOLD_EXPIRED).inc(total)
            log.error(
                "delivery.expired",
                channel=queue.channel,
                target_id=queue.target_id,
                count=total,
                hold_seconds=self._wait_limit.hold_seconds,
            )

    def _record_try(self, claim: ClaimedDelivery, outcome: Outcome) -> None:
        self._persist(
            lambda: self._store.record_try(claim.delivery_id, outcome.reason, outcome.detail)
        )

    def _persist(self, write: Callable[[], Answer]) -> Answer | None:
        retrying = store_retrying(self._stopping)
        retrying.after = self._note_store_error
        answer: Answer | None = retrying(write)
        return answer

    def _note_store_error(self, state: RetryCallState) -> None:
        self._metrics.store_errors.inc()
        if state.attempt_number == 1:
            assert state.outcome is not None
            log.error("delivery.store_waiting", error=str(state.outcome.exception()))

    def _count_failure(self, outcome: Outcome) -> None:
        failed = self._metrics.notifications_failed
        failed.labels(self._queue.channel, outcome.reason).inc()

    def _log(self, event: str, claim: ClaimedDelivery, outcome: Outcome, **more: object) -> None:
        facts = _facts(claim.delivery)
        log.warning(event, **facts, reason=str(outcome.reason), detail=outcome.detail, **more)


def _facts(delivery: Delivery) -> dict[str, object]:
    return {
        "channel": delivery.channel,
        "target_id": delivery.target_id,
        "alert_id": delivery.alert.alert_id,
        "rule_id": delivery.alert.rule_id,
    }
