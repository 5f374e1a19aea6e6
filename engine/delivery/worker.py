"""What a worker does with one delivery after another: send, try again, mark, hold, open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import structlog
from tenacity import RetryCallState, Retrying

from channels.alert import Outcome, Reason, Status
from engine.delivery.hold import Patience
from engine.delivery.retry import (
    Attempt,
    DeliveryClock,
    RetryPolicy,
    Signal,
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
    """The work of one worker of a lane."""

    def __init__(
        self,
        lane: TargetQueue,
        store: DeliveryStore,
        policy: RetryPolicy,
        metrics: Metrics,
        timing: DeliveryClock,
        stopping: Signal,
        *,
        patience: Patience,
        kill_point: Callable[[str], None],
    ) -> None:
        self._lane = lane
        self._store = store
        self._policy = policy
        self._metrics = metrics
        self._timing = timing
        self._stopping = stopping
        self._patience = patience
        self._kill_point = kill_point

    def work(self) -> None:
        """Deliver until the lane sends the worker home."""
        lane = self._lane
        try:
            while (task := lane.next_task()) is not None:
                try:
                    self._deliver(task)
                finally:
                    lane.finish(task)
        except BaseException:
            lane.leave()
            raise

    def _deliver(self, task: ClaimedDelivery) -> None:
        if task.is_probe:
            self._settle_probe(task, self._send(task.delivery))
            return
        retrying = send_retrying(self._policy, task.interrupt)
        retrying.after = lambda state: self._note_retryable(task, state)
        retrying.before_sleep = lambda state: self._lane.suspend(task)
        attempt: Attempt | None = retrying(self._attempt, task, retrying)
        if attempt is not None:
            self._settle(task, attempt)

    def _attempt(self, task: ClaimedDelivery, retrying: Retrying) -> Attempt | None:
        """One try; None when the task is interrupted, or goes back to wait for a pause's end."""
        is_retry = retrying.statistics["attempt_number"] > 1
        while self._lane.resume(task):
            outcome = self._send(task.delivery)
            if outcome.is_unsent:
                # A retry keeps its place and its count; others are chosen anew after the pause.
                if self._pause(task, outcome) and is_retry:
                    continue
                return None
            if is_retry:
                self._metrics.notification_retries.labels(self._lane.channel).inc()
            if outcome.status not in _FAILED:
                return Attempt(outcome, is_retryable=False)
            self._count_failure(outcome)
            seems_own_fault = self._lane.note_failed(task, outcome)
            return Attempt(outcome, outcome.status is Status.UNAVAILABLE or seems_own_fault)
        return None

    def _pause(self, task: ClaimedDelivery, outcome: Outcome) -> bool:
        """Let the target rest, or hold it where its pauses take too long; whether it rests."""
        lane, seconds = self._lane, outcome.retry_after_seconds or 0.0
        if not lane.pause(task, seconds):
            self._hold(task, outcome)
            return False
        log.info(
            "target.paused",
            channel=lane.channel,
            target_id=lane.target_id,
            seconds=round(seconds, 1),
            detail=outcome.detail,
        )
        return True

    def _send(self, delivery: Delivery) -> Outcome:
        lane, alert = self._lane, delivery.alert
        read_at = lane.read_times.take(alert.alert_id)
        with lane.outlet.borrow() as target:
            self._kill_point("send")
            started = self._timing.monotonic()
            outcome = target.send(alert, f"{alert.alert_id}-{delivery.delivery_id}")
            self._kill_point("sent")
        if outcome.is_unsent:
            if read_at is not None:
                lane.read_times.note({alert.alert_id: read_at})
            return outcome
        if read_at is not None:
            self._metrics.alert_latency.observe(max(0.0, started - read_at))
        seconds = self._timing.monotonic() - started
        self._metrics.notification_send_time.labels(lane.channel).observe(seconds)
        return outcome

    def _note_retryable(self, task: ClaimedDelivery, state: RetryCallState) -> None:
        assert state.outcome is not None
        outcome: Outcome = state.outcome.result().outcome
        self._record(task, outcome)
        self._log("delivery.failed", task, outcome, attempt=state.attempt_number)

    def _settle(self, task: ClaimedDelivery, attempt: Attempt) -> None:
        outcome = attempt.outcome
        if outcome.status is Status.SENT:
            self._mark_sent(task)
        elif outcome.status is Status.REFUSED:
            self._mark_refused(task, outcome)
        else:
            self._settle_failure(task, attempt)

    def _settle_failure(self, task: ClaimedDelivery, attempt: Attempt) -> None:
        outcome = attempt.outcome
        if not attempt.is_retryable:
            self._record(task, outcome)
        if task.interrupt.is_set():
            return
        is_used_up = attempt.is_retryable and not self._policy.asks_to_hold(outcome)
        if is_used_up and self._lane.gives_up(task):
            self._mark_exhausted(task, outcome)
        else:
            self._hold(task, outcome)

    def _settle_probe(self, task: ClaimedDelivery, outcome: Outcome) -> None:
        if outcome.status is Status.SENT:
            self._mark_sent(task)
        elif outcome.status is Status.REFUSED:
            self._mark_refused(task, outcome)
        else:
            self._expire(task)
            if self._lane.note_probe(task, outcome):
                # A redelivery has removed the hold from the store.
                self._keep_hold()
                self._log("target.still_held", task, outcome)

    def _mark_sent(self, task: ClaimedDelivery) -> None:
        delivery = task.delivery
        self._persist(lambda: self._store.mark_sent(delivery.delivery_id))
        self._kill_point("mark")
        sent = self._metrics.notifications_sent
        sent.labels(self._lane.channel, delivery.alert.rule_id).inc()
        self._done(task, is_sent=True, is_answered=True)

    def _mark_refused(self, task: ClaimedDelivery, outcome: Outcome) -> None:
        self._count_failure(outcome)
        self._mark_dead(task, outcome, outcome.reason, is_try=True)
        self._done(task, is_sent=False, is_answered=True)

    def _mark_exhausted(self, task: ClaimedDelivery, outcome: Outcome) -> None:
        self._mark_dead(task, outcome, Reason.RETRIES_EXHAUSTED, is_try=False)
        self._done(task, is_sent=False, is_answered=False)

    def _mark_dead(
        self, task: ClaimedDelivery, outcome: Outcome, reason: Reason, *, is_try: bool
    ) -> None:
        detail = outcome.detail
        if reason is not outcome.reason:
            detail = f"{outcome.reason}: {detail}" if detail else str(outcome.reason)
        self._persist(
            lambda: self._store.mark_dead(task.delivery_id, reason, detail, is_try=is_try)
        )
        self._kill_point("mark")
        self._metrics.notifications_dead.labels(self._lane.channel, reason).inc()
        log.error("delivery.dead", **_facts(task.delivery), reason=str(reason), detail=detail)

    def _done(self, task: ClaimedDelivery, *, is_sent: bool, is_answered: bool) -> None:
        lane = self._lane
        with lane.turning:
            if not lane.note_done(task, is_sent=is_sent, is_answered=is_answered):
                return
            self._persist(lambda: self._store.release(lane.target_id))
            self._metrics.channel_held.labels(lane.channel).dec()
        log.info("target.opened", channel=lane.channel, target_id=lane.target_id)

    def _hold(self, task: ClaimedDelivery, outcome: Outcome) -> None:
        lane, now_us = self._lane, self._timing.now_us()
        hold = Hold(lane.target_id, lane.channel, outcome.reason, outcome.detail, now_us)
        with lane.turning:
            if not lane.begin_hold(task, hold, outcome):
                return
            self._metrics.channel_held.labels(lane.channel).inc()
            self._metrics.channel_holds.labels(lane.channel).inc()
            self._log("target.held", task, outcome)
            self._write_hold(hold)

    def _keep_hold(self) -> None:
        with self._lane.turning:
            if (hold := self._lane.hold) is not None:
                self._write_hold(hold)

    def _write_hold(self, hold: Hold) -> None:
        self._persist(
            lambda: self._store.hold(
                hold.target_id, hold.channel, hold.reason, hold.detail, hold.since_us
            )
        )

    def _expire(self, probe: ClaimedDelivery) -> None:
        lane, store = self._lane, self._store
        before_us = self._persist(self._patience.over_before_us)
        if before_us is None:
            return
        exclude = lane.claimed - {probe.delivery_id}
        total = 0
        while count := self._persist(
            lambda: store.mark_all_dead(
                lane.target_id, Reason.HOLD_EXPIRED, waiting_before_us=before_us, exclude=exclude
            )
        ):
            total += count
        if total:
            dead = self._metrics.notifications_dead
            dead.labels(lane.channel, Reason.HOLD_EXPIRED).inc(total)
            log.error(
                "delivery.expired",
                channel=lane.channel,
                target_id=lane.target_id,
                count=total,
                hold_seconds=self._patience.hold_seconds,
            )

    def _record(self, task: ClaimedDelivery, outcome: Outcome) -> None:
        self._persist(
            lambda: self._store.record_try(task.delivery_id, outcome.reason, outcome.detail)
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
        failed.labels(self._lane.channel, outcome.reason).inc()

    def _log(self, event: str, task: ClaimedDelivery, outcome: Outcome, **more: object) -> None:
        facts = _facts(task.delivery)
        log.warning(event, **facts, reason=str(outcome.reason), detail=outcome.detail, **more)


def _facts(delivery: Delivery) -> dict[str, object]:
    return {
        "channel": delivery.channel,
        "target_id": delivery.target_id,
        "alert_id": delivery.alert.alert_id,
        "rule_id": delivery.alert.rule_id,
    }
