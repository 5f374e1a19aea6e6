"""The claimer: one thread that writes what became of sends, and claims what is to be sent next.

Each turn is one transaction, in which the states of the targets are locked: judge, mark, claim.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from channels.alert import Reason, Status
from engine.delivery.judge import US_IN_A_SECOND, Event, Verdict, judge
from engine.delivery.parts import Parts
from engine.delivery.upkeep import Upkeep
from engine.delivery.workers import Send, Workers
from engine.errors import StoreError
from engine.health import Heartbeat
from engine.store import Claim, DeliveryState, Mark, TargetState, Turn

log = structlog.get_logger(__name__)

#: The longest time between two turns: redeliveries, and other replicas, wake nobody.
TURN_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Turned:
    """What a turn has done; `troubled` are the targets whose last send failed."""

    verdicts: Sequence[Verdict]
    written: frozenset[int]
    claims: Sequence[Claim]
    troubled: frozenset[str]
    wait_seconds: float


class Claimer:
    """Has at most one claim for each worker, until what became of it is stored."""

    def __init__(self, parts: Parts, upkeep: Upkeep) -> None:
        self.heartbeat = Heartbeat(timer=parts.monotonic)
        self.workers = Workers(parts, self._finish)
        self._parts = parts
        self._upkeep = upkeep
        self._changed = threading.Condition()
        self._is_due = False
        self._is_stopping = False
        self._is_away = False
        self._in_flight: dict[tuple[int, int], Claim] = {}
        self._finished: list[Send] = []
        self._troubled = frozenset[str]()
        self._served: dict[str, int] = {}

    @property
    def in_flight(self) -> int:
        """How many claims are being sent, or were sent and are not stored yet."""
        return len(self._in_flight)

    def wake(self) -> None:
        """Take a turn at once: something is due."""
        with self._changed:
            self._is_due = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Claim nothing more; the thread ends when what is in flight is stored."""
        self._is_stopping = True
        self.wake()

    def work(self) -> None:
        """Take turns until `stop`; a store that is away is asked again each second."""
        while True:
            self.heartbeat.beat("asking the store for what waits")
            with self._changed:
                self._is_due = False
            seconds = TURN_SECONDS
            try:
                if not self._is_stopping:
                    self._upkeep.run()
                seconds = self._take_turn()
                self._is_away = False
            except StoreError as error:
                self._parts.metrics.store_errors.inc()
                if not self._is_away:
                    log.error("delivery.store_waiting", error=str(error))
                self._is_away = True
            self.workers.staff()
            if self._is_over():
                break
            with self._changed:
                if not self._is_due:
                    self._parts.wait(self._changed, seconds)
        self.workers.close()

    def _is_over(self) -> bool:
        with self._changed:
            is_sending = len(self._in_flight) > len(self._finished)
            return self._is_stopping and not is_sending and (self._is_away or not self._finished)

    def _finish(self, send: Send) -> None:
        with self._changed:
            self._finished.append(send)
        self.wake()

    def _take_turn(self) -> float:
        """Returns for how many seconds nothing becomes due."""
        with self._changed:
            sends = tuple(self._finished)
        good_until = self._parts.monotonic() + self._parts.claim_seconds
        turned = self._parts.deliveries.turn(lambda turn: self._turn(turn, sends))
        with self._changed:
            del self._finished[: len(sends)]
            for send in sends:
                del self._in_flight[_key(send.claim)]
            self._in_flight |= {_key(claim): claim for claim in turned.claims}
        self._troubled = turned.troubled
        for verdict in turned.verdicts:
            self._report(verdict, is_written=verdict.mark.claim.delivery_id in turned.written)
        for claim in turned.claims:
            self._served.pop(claim.target_id, None)
            self._served[claim.target_id] = claim.delivery_id
        for claim in sorted(turned.claims, key=lambda each: each.priority_rank):
            self.workers.give(claim, good_until)
        if any({Event.HELD, Event.OPENED} & {*verdict.events} for verdict in turned.verdicts):
            self._upkeep.show_held()
        return turned.wait_seconds

    def _turn(self, turn: Turn, sends: Sequence[Send]) -> _Turned:
        """Must change nothing but by the turn: it may be called again."""
        verdicts, troubled = self._judge(turn, sends) if sends else ([], set(self._troubled))
        unsent = [_given_back(send.claim) for send in sends if send.outcome is None]
        marks = [*unsent, *(verdict.mark for verdict in verdicts)]
        written = turn.mark(marks, self._parts.owner)
        for verdict in verdicts:
            turn.reopen(verdict.reopened)
        free = 0 if self._is_stopping else self._parts.workers - len(self._in_flight) + len(sends)
        claims = self._claim(turn, free, sends, troubled) if free > 0 else []
        due_us = turn.next_due_us()
        seconds = (due_us - turn.now_us) / US_IN_A_SECOND if due_us else TURN_SECONDS
        return _Turned(
            verdicts, written, claims, frozenset(troubled), max(0.0, min(seconds, TURN_SECONDS))
        )

    def _judge(self, turn: Turn, sends: Sequence[Send]) -> tuple[list[Verdict], set[str]]:
        states = turn.targets({send.claim.target_id for send in sends})
        # Only for a target that opens: one that is held, or was held by a failure of this turn.
        may_open = any(state.held_since_us for state in states.values()) or any(
            send.outcome is not None and send.outcome.status is not Status.SENT for send in sends
        )
        newest_id = turn.newest_delivery() if may_open else 0
        troubled, verdicts = set(self._troubled), []
        for send in sends:
            claim, outcome = send.claim, send.outcome
            if outcome is None:
                continue
            state = states.setdefault(claim.target_id, TargetState(claim.target_id, claim.channel))
            verdict = judge(
                claim,
                state,
                outcome,
                self._parts.policy,
                turn.now_us,
                knows_key=send.knows_key,
                newest_id=newest_id,
            )
            if verdict.begins_hold:
                turn.reset_failures(claim.target_id)
            is_sent = outcome.status is Status.SENT
            (troubled.discard if is_sent else troubled.add)(claim.target_id)
            verdicts.append(verdict)
        turn.write_targets(states.values())
        return verdicts, troubled

    def _claim(
        self, turn: Turn, free: int, sends: Sequence[Send], troubled: set[str]
    ) -> list[Claim]:
        """Claims for so many free workers: those targets first that were served longest ago.

        Targets in trouble get at most half of the workers, so that those that hang block nobody.
        """
        due = [each for each in turn.due_targets() if self._parts.targets.can_send(each.target_id)]
        in_force = turn.claims_in_force() if due else {}
        in_hand = self._in_flight.keys() - {_key(send.claim) for send in sends}
        in_trouble = sum(self._in_flight[each].target_id in troubled for each in in_hand)
        order = {target_id: place for place, target_id in enumerate(self._served)}
        ids: list[int] = []
        for state in sorted(due, key=lambda each: order.get(each.target_id, -1)):
            is_held = state.held_since_us > 0
            room = (1 if is_held else state.concurrency) - in_force.get(state.target_id, 0)
            room = min(room, free - len(ids))
            is_troubled = is_held or state.target_id in troubled
            if is_troubled:
                room = min(room, max(1, self._parts.workers // 2) - in_trouble)
            if room > 0:
                claimed = self._claim_of(turn, state, room)
                in_trouble += len(claimed) if is_troubled else 0
                ids += claimed
        return turn.claims(ids)

    def _claim_of(self, turn: Turn, state: TargetState, room: int) -> list[int]:
        if state.held_since_us:
            # Until it is judged; a change meanwhile sets it to 0 again.
            seconds = self._parts.policy.probe_seconds_after(state.probes)
            state.probe_at_us = turn.now_us + round(seconds * US_IN_A_SECOND)
        # In an outage no more deliveries are tried than show it.
        only_failed = state.failing > state.concurrency and not state.held_since_us
        if only_failed and not turn.has_failed(state.target_id):
            state.failing, only_failed = 0, False
            turn.write_targets([state])
        owner, claim_seconds = self._parts.owner, self._parts.claim_seconds
        return turn.claim(state, room, owner, claim_seconds, only_failed=only_failed)

    def _report(self, verdict: Verdict, *, is_written: bool) -> None:
        """Count and log; a mark that was not written is another replica's to count."""
        mark, outcome, metrics = verdict.mark, verdict.outcome, self._parts.metrics
        channel = mark.claim.channel
        if is_written and mark.state is not DeliveryState.WAITING:
            self._parts.kill_point("mark")
        if mark.state is DeliveryState.SENT and is_written:
            metrics.notifications_sent.labels(channel, mark.claim.alert.rule_id).inc()
        if mark.state is DeliveryState.DEAD and is_written:
            metrics.notifications_dead.labels(channel, mark.reason).inc()
        if verdict.is_retry:
            metrics.notification_retries.labels(channel).inc()
        if verdict.is_failure:
            metrics.notifications_failed.labels(channel, outcome.reason).inc()
        if Event.HELD in verdict.events:
            metrics.channel_holds.labels(channel).inc()
        for event in verdict.events:
            if is_written or event not in (Event.DEAD, Event.FAILED):
                _log(event, verdict)


def _key(claim: Claim) -> tuple[int, int]:
    return claim.delivery_id, claim.claim_no


def _given_back(claim: Claim) -> Mark:
    return Mark(
        claim,
        DeliveryState.WAITING,
        claim.tries,
        claim.failures,
        claim.failed_us,
        reason=claim.reason,
        detail=claim.detail,
    )


def _log(event: Event, verdict: Verdict) -> None:
    mark, outcome = verdict.mark, verdict.outcome
    claim = mark.claim
    target = {"channel": claim.channel, "target_id": claim.target_id}
    if event is Event.OPENED:
        log.info(event, **target)
        return
    if event is Event.PAUSED:
        seconds = round(outcome.retry_after_seconds or 0.0, 1)
        log.info(event, **target, seconds=seconds, detail=outcome.detail)
        return
    facts = {**target, "alert_id": claim.alert.alert_id, "rule_id": claim.alert.rule_id}
    if mark.reason == Reason.UNCONFIRMED:
        facts["note"] = "it may have arrived"
    if event is Event.DEAD:
        log.error(event, **facts, reason=mark.reason, detail=mark.detail)
    elif event is Event.FAILED:
        log.warning(event, **facts, reason=mark.reason, detail=mark.detail, attempt=mark.failures)
    else:
        log.warning(event, **facts, reason=str(outcome.reason), detail=outcome.detail)
