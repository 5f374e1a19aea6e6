"""The claimer: one thread that writes what became of sends, and claims what is to be sent next.

Each turn is one transaction, in which the states of the targets are locked: judge, mark, claim.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from channels.alert import Reason, Status, Terms
from engine.delivery.judge import US_IN_A_SECOND, Event, Verdict, judge
from engine.delivery.parts import Parts
from engine.delivery.upkeep import Upkeep
from engine.delivery.workers import Send, Workers
from engine.errors import StoreError
from engine.health import Heartbeat
from engine.store import Answer, Claim, DeliveryState, Joining, Mark, TargetState, Turn

log = structlog.get_logger(__name__)

#: The longest time between two turns: redeliveries, and other replicas, wake nobody.
TURN_SECONDS: Final = 1.0
#: What a target did whose message is dead, where it did not refuse it.
_UNTAKEN: Final = (Reason.RETRIES_EXHAUSTED, Reason.UNCONFIRMED)
_LEVELS: Final = {
    Event.DEAD: logging.ERROR,
    Event.PAUSED: logging.INFO,
    Event.OPENED: logging.INFO,
}


@dataclass(frozen=True, slots=True)
class _Turned:
    """What a turn has done; `troubled` are the targets whose last send failed.

    The last answers came with the commit.
    """

    verdicts: Sequence[Verdict]
    written: frozenset[int]
    claims: Answer[Sequence[Claim]]
    troubled: frozenset[str]
    now_us: int
    next_due_us: Answer[int | None]

    @property
    def wait_seconds(self) -> float:
        """For how many seconds nothing becomes due."""
        due_us = self.next_due_us() or self.now_us + US_IN_A_SECOND
        return min((due_us - self.now_us) / US_IN_A_SECOND, TURN_SECONDS)


class _Room:
    """How many more may be claimed.

    What was asked for counts as claimed, and its answer is called for only where that may matter:
    it is a round trip.
    """

    def __init__(self, most: int) -> None:
        self._left = most
        self._asked: list[tuple[int, Answer[list[int]]]] = []

    def of(self, wanted: int) -> int:
        """So many of those that are wanted; may be negative."""
        if wanted > self._left:
            self._left += sum(count - len(claimed()) for count, claimed in self._asked)
            self._asked.clear()
        return min(wanted, self._left)

    def take(self, count: int, claimed: Answer[list[int]]) -> None:
        """So many were asked for."""
        self._left -= count
        self._asked.append((count, claimed))


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
        # In the order in which they were served last.
        self._served: dict[str, None] = {}

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
                    self._upkeep.run([claim.delivery_id for claim in self._in_flight.values()])
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
        claims = turned.claims()
        with self._changed:
            del self._finished[: len(sends)]
            for send in sends:
                del self._in_flight[_key(send.claim)]
            self._in_flight |= {_key(claim): claim for claim in claims}
        self._troubled = turned.troubled
        for verdict in turned.verdicts:
            self._report(verdict, is_written=verdict.claim.delivery_id in turned.written)
        for claim in sorted(claims, key=lambda each: each.priority_rank):
            self.workers.give(claim, good_until)
        for claim in claims:
            self._served.pop(claim.target_id, None)
            self._served[claim.target_id] = None
        if any({Event.HELD, Event.OPENED} & {*verdict.events} for verdict in turned.verdicts):
            self._upkeep.show_held()
        return turned.wait_seconds

    def _turn(self, turn: Turn, sends: Sequence[Send]) -> _Turned:
        """Must change nothing but by the turn: it may be called again."""
        verdicts = self._judge(turn, sends) if sends else []
        unsent = [_unsent(send.claim) for send in sends if send.outcome is None]
        marks = [*unsent, *(verdict.mark for verdict in verdicts)]
        marked = turn.mark(marks, self._parts.owner)
        if reopened := [each for verdict in verdicts for each in verdict.reopened]:
            marked()
            turn.reopen(reopened)
        self._fall_back(turn, verdicts)
        took = {each.claim.target_id: each.outcome.status is Status.SENT for each in verdicts}
        troubled = self._troubled - took.keys() | {
            each for each, is_sent in took.items() if not is_sent
        }
        done = {_key(send.claim) for send in sends}
        in_hand = [claim for key, claim in self._in_flight.items() if key not in done]
        if self._is_stopping or len(in_hand) >= self._parts.workers:
            written = marked()
        else:
            due, in_force = turn.due_targets(), turn.claims_in_force()
            written = marked()
            self._claim(turn, due(), in_force(), in_hand, troubled)
        return _Turned(verdicts, written, turn.claims(), troubled, turn.now_us, turn.next_due_us())

    def _fall_back(self, turn: Turn, verdicts: Sequence[Verdict]) -> None:
        """Let what died go to the fallbacks of its target too."""
        for verdict in verdicts:
            if verdict.mark.state is DeliveryState.DEAD:
                why = "did not take it" if verdict.mark.reason in _UNTAKEN else "refused it"
                fallback = self._parts.targets.fallback(
                    verdict.claim.target_id, f"{why}: {verdict.mark.reason}"
                )
                if fallback is not None:
                    turn.fall_back([verdict.claim.delivery_id], fallback)

    def _judge(self, turn: Turn, sends: Sequence[Send]) -> list[Verdict]:
        states = turn.targets({send.claim.target_id for send in sends})
        # Only for a target that opens: one that is held, or was held by a failure of this turn.
        may_open = any(state.held_since_us for state in states.values()) or any(
            send.outcome is not None and send.outcome.status is not Status.SENT for send in sends
        )
        newest_id = turn.newest_delivery() if may_open else 0
        policy, verdicts = self._parts.policy, list[Verdict]()
        for send in sends:
            claim, outcome = send.claim, send.outcome
            if outcome is None:
                continue
            state = states.setdefault(claim.target_id, TargetState(claim.target_id, claim.channel))
            key = send.knows_key
            verdict = judge(
                claim, state, outcome, policy, turn.now_us, knows_key=key, newest_id=newest_id
            )
            if verdict.begins_hold or Event.OPENED in verdict.events:
                turn.reset_failures(claim.target_id)
            if Event.OPENED in verdict.events:
                # Those that were judged just now are not marked yet.
                for each in verdicts:
                    if each.target is state:
                        each.wait_no_longer()
            verdicts.append(verdict)
        turn.write_targets(states.values())
        return verdicts

    def _claim(
        self,
        turn: Turn,
        due: Iterable[TargetState],
        in_force: Mapping[str, int],
        in_hand: Collection[Claim],
        troubled: frozenset[str],
    ) -> None:
        """Claim for all free workers: those targets first that were served longest ago.

        Targets in trouble get at most half of the workers, so that those that hang block nobody.
        """
        workers = self._parts.workers
        all_room = _Room(workers - len(in_hand))
        in_trouble = sum(claim.target_id in troubled for claim in in_hand)
        troubled_room = _Room(max(1, workers // 2) - in_trouble)
        served = {target_id: place for place, target_id in enumerate(self._served)}
        for state in sorted(due, key=lambda each: served.get(each.target_id, -1)):
            if not self._parts.targets.can_send(state.target_id):
                continue
            is_held = state.held_since_us > 0
            is_troubled = is_held or state.target_id in troubled
            rooms = (all_room, troubled_room) if is_troubled else (all_room,)
            room = (1 if is_held else state.concurrency) - in_force.get(state.target_id, 0)
            if self._parts.targets.terms(state.target_id).interval_seconds:
                room = min(room, 1)
            for each in rooms:
                room = each.of(room)
            if room > 0:
                claimed = self._claim_of(turn, state, room)
                for each in rooms:
                    each.take(room, claimed)

    def _claim_of(self, turn: Turn, state: TargetState, room: int) -> Answer[list[int]]:
        # In an outage no more deliveries are tried than show it.
        only_failed = state.failing > state.concurrency
        if state.held_since_us:
            # Until it is judged; a change meanwhile sets it to 0 again.
            seconds = self._parts.policy.probe_seconds_after(state.probes)
            state.probe_at_us = turn.now_us + round(seconds * US_IN_A_SECOND)
        elif only_failed and not turn.has_failed(state.target_id):
            state.failing, only_failed = 0, False
            turn.write_targets([state])
        terms = self._parts.targets.terms(state.target_id)
        if terms.interval_seconds:
            # All replicas obey it, and probes and retries count.
            next_us = turn.now_us + round(terms.interval_seconds * US_IN_A_SECOND)
            state.not_before_us = max(state.not_before_us, next_us)
            turn.write_targets([state])
        owner, claim_seconds = self._parts.owner, self._parts.claim_seconds
        joining = _joining(terms)
        return turn.claim(
            state, room, owner, claim_seconds, only_failed=only_failed, joining=joining
        )

    def _report(self, verdict: Verdict, *, is_written: bool) -> None:
        """Count and log; a mark that was not written is another replica's to count."""
        claim, mark, metrics = verdict.claim, verdict.mark, self._parts.metrics
        if is_written and mark.state is not DeliveryState.WAITING:
            self._parts.kill_point("mark")
            if mark.state is DeliveryState.SENT:
                metrics.messages.labels(claim.channel, claim.kind).inc()
                for alert in claim.alerts:
                    metrics.notifications_sent.labels(claim.channel, alert.rule_id).inc()
            else:
                dead = metrics.notifications_dead.labels(claim.channel, mark.reason)
                dead.inc(len(claim.alerts))
        if verdict.is_retry:
            metrics.notification_retries.labels(claim.channel).inc()
        if verdict.is_failure:
            metrics.notifications_failed.labels(claim.channel, verdict.outcome.reason).inc()
        if verdict.begins_hold:
            metrics.channel_holds.labels(claim.channel).inc()
        for event in verdict.events:
            if is_written or event not in (Event.DEAD, Event.FAILED):
                _log(event, verdict)


def _key(claim: Claim) -> tuple[int, int]:
    return claim.delivery_id, claim.claim_no


def _joining(terms: Terms) -> Joining | None:
    """Which deliveries join those that are claimed; None where each goes alone."""
    is_grouped, above = terms.grouping is not None, terms.digest_above
    if not is_grouped and not above:
        return None
    return Joining(is_grouped, min(above, 1) if terms.interval_seconds else above)


def _unsent(claim: Claim) -> Mark:
    """The delivery waits as before."""
    tries, failures, failed_us = claim.tries, claim.failures, claim.failed_us
    return Mark(
        claim, DeliveryState.WAITING, tries, failures, failed_us, 0, claim.reason, claim.detail
    )


def _log(event: Event, verdict: Verdict) -> None:
    claim, mark, outcome = verdict.claim, verdict.mark, verdict.outcome
    is_about_target = event not in (Event.DEAD, Event.FAILED)
    facts: dict[str, object] = {
        "channel": claim.channel,
        "target_id": claim.target_id,
        "alert_id": claim.alert.alert_id,
        "rule_id": claim.alert.rule_id,
        "reason": str(outcome.reason) if is_about_target else mark.reason,
        "detail": outcome.detail if is_about_target else mark.detail,
    }
    if claim.members:
        facts["alerts"] = len(claim.alerts)
    if event is Event.FAILED:
        facts["attempt"] = mark.failures
    elif event is Event.PAUSED:
        facts["seconds"] = round(outcome.retry_after_seconds or 0.0, 1)
    if mark.reason == Reason.UNCONFIRMED:
        facts["note"] = "it may have arrived"
    log.log(_LEVELS.get(event, logging.WARNING), event, **facts)
