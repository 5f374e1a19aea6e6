"""What the outcome of a send makes of a delivery and of its target: a function of both.

Times are microseconds since the epoch, by the store's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from tenacity import RetryCallState, Retrying, stop_after_attempt, wait_exponential, wait_random

from channels.alert import CERTAIN, Outcome, Reason, Status
from engine.store import Claim, DeliveryState, Mark, TargetState

#: The longest `Retry-After` that is obeyed; a target that asks for longer is held.
LONGEST_WAIT_SECONDS: Final = 300.0
#: For so long a hold has the shortest interval between its probes.
STEADY_SECONDS: Final = 900.0
#: So many different messages that are refused in a row hold their target.
REFUSALS: Final = 3
#: A target that took a message so shortly before its refusals is asked at once about so many more:
#: those that a firewall dislikes may come one behind the other.
WELL_SECONDS: Final = 60.0
MORE_OPINIONS: Final = 6
US_IN_A_SECOND: Final = 1_000_000


class Event(StrEnum):
    """What is logged of a verdict, by the names of the log."""

    FAILED = "delivery.failed"
    DEAD = "delivery.dead"
    PAUSED = "target.paused"
    HELD = "target.held"
    STILL_HELD = "target.still_held"
    OPENED = "target.opened"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try again; all durations in seconds.

    After the first try come `max_retries` more, after `base_seconds` and then twice as long each
    time. Jitter adds up to `jitter` of the base, so that no wait is shorter than stated. A held
    target is probed every `probe_seconds` for `STEADY_SECONDS`, then at intervals that double, up
    to `longest_probe_seconds`. What may have arrived is sent a second time after the longest of the
    waits, and after `unconfirmed_seconds` at least.
    """

    max_retries: int = 3
    base_seconds: float = 5.0
    jitter: float = 0.1
    probe_seconds: float = 30.0
    longest_probe_seconds: float = 120.0
    unconfirmed_seconds: float = 20.0

    def is_used_up(self, failures: int) -> bool:
        """Whether no try is left after so many that failed."""
        return bool(stop_after_attempt(self.max_retries + 1)(_after(failures)))

    def wait_seconds(self, failures: int) -> float:
        """How long to wait for the next try after so many that failed."""
        jitter = wait_random(0, self.base_seconds * self.jitter)
        return float((wait_exponential(self.base_seconds) + jitter)(_after(failures)))

    def probe_seconds_after(self, probes: int) -> float:
        """How long to wait for the next probe after so many that failed."""
        steady = int(STEADY_SECONDS / self.probe_seconds)
        wait = wait_exponential(self.probe_seconds, self.longest_probe_seconds)
        return float(wait(_after(max(1, probes + 2 - steady))))


@dataclass(slots=True)
class Verdict:
    """What becomes of one delivery, and of its target, which it changes.

    `mark` is what the delivery is from now on, `events` are for the log. `begins_hold` says that
    the target is held from now on; the dead deliveries of `reopened` wait again.
    """

    claim: Claim
    target: TargetState
    outcome: Outcome
    policy: RetryPolicy
    now_us: int
    knows_key: bool
    newest_id: int
    mark: Mark = field(init=False)
    events: list[Event] = field(default_factory=list)
    begins_hold: bool = False
    reopened: tuple[int, ...] = ()

    @property
    def is_retry(self) -> bool:
        """Whether it was tried before; neither a probe nor a pause is a try."""
        return self.claim.failures > 0 and not self.claim.is_probe and not self.outcome.is_unsent

    @property
    def is_failure(self) -> bool:
        """Whether a try has failed; a probe has only where it ends its delivery."""
        if self.outcome.status is Status.SENT or self.outcome.is_unsent:
            return False
        return not self.claim.is_probe or self.mark.state is DeliveryState.DEAD

    def wait_no_longer(self) -> None:
        """The target has opened since: what waits for it is due, but what may have arrived."""
        if self.mark.state is DeliveryState.WAITING and self.mark.reason != Reason.UNCONFIRMED:
            self.mark = replace(self.mark, failures=0, next_try_us=0)

    def _decide(self) -> Mark:
        target, status, is_unsent = self.target, self.outcome.status, self.outcome.is_unsent
        if status is Status.SENT:
            return self._take()
        asked = self.outcome.retry_after_seconds or 0.0
        target.paused_us = target.paused_us + _us(asked) if is_unsent else 0
        if asked > 0 and (is_unsent or not self._is_suspect):
            until_us = self.now_us + _us(min(asked, LONGEST_WAIT_SECONDS))
            target.not_before_us = max(target.not_before_us, until_us)
        if target.held_since_us:
            return self._judge_held()
        if is_unsent:
            return self._pause()
        if status is Status.REFUSED:
            return self._refuse()
        return self._judge_fault() if status is Status.MISCONFIGURED else self._retry()

    @property
    def _is_suspect(self) -> bool:
        """Whether the target took others since this one failed: the fault is the message's."""
        return 0 < self.claim.failed_us < self.target.taken_us

    @property
    def _is_refusal(self) -> bool:
        """Whether this may be said of one message, or of all: the next one decides."""
        status, reason = self.outcome.status, self.outcome.reason
        is_fault = status is Status.MISCONFIGURED and reason not in CERTAIN
        return status is Status.REFUSED or is_fault

    @property
    def _was_well(self) -> bool:
        """Whether the target took a message a moment ago."""
        return self.now_us - self.target.taken_us < _us(WELL_SECONDS)

    @property
    def _is_unconfirmed(self) -> bool:
        """Whether this try may have arrived, and another one would be a second message."""
        return self.outcome.reason is Reason.UNCONFIRMED and not self.knows_key

    @property
    def _was_unconfirmed(self) -> bool:
        return self.claim.reason == Reason.UNCONFIRMED and not self.knows_key

    @property
    def _is_last(self) -> bool:
        """Whether there is no further try, lest the recipient has it a third time."""
        return self._is_unconfirmed and (self._was_unconfirmed or self.policy.max_retries == 0)

    def _take(self) -> Mark:
        target = self.target
        # Later than any failure before it, even at the same instant.
        target.taken_us = max(self.now_us, target.taken_us) + 1
        target.failing, target.refused, target.paused_us = 0, (), 0
        if target.held_since_us:
            self._open()
        return Mark(self.claim, DeliveryState.SENT, self.claim.tries + 1)

    def _open(self) -> None:
        target = self.target
        target.held_since_us, target.reason, target.detail = 0, "", ""
        target.probes, target.probe_at_us, target.is_changed = 0, 0, False
        target.probe_rank, target.probe_id, target.failing = -1, 0, 0
        target.backlog_id = self.newest_id
        self.events.append(Event.OPENED)

    def _pause(self) -> Mark:
        if self.target.paused_us > _us(LONGEST_WAIT_SECONDS):
            return self._hold()
        self.events.append(Event.PAUSED)
        return self._wait(self.claim.failures)

    def _refuse(self) -> Mark:
        if not self._is_suspect and self._join_refused() == REFUSALS:
            return self._hold()
        return self._die(self.outcome.reason)

    def _judge_fault(self) -> Mark:
        """The target answers so to every message, or, where that is not certain, to this one."""
        target = self.target
        if not self._is_refusal:
            return self._hold()
        if self._is_suspect:
            return self._die(self.outcome.reason)
        is_first = target.taken_us > 0 and not target.refused and not target.failing
        self._join_refused()
        if not is_first:
            return self._hold()
        self.events.append(Event.FAILED)
        return self._wait(self.claim.failures + 1, self.policy.wait_seconds(1))

    def _join_refused(self) -> int:
        """The target has refused this one too; returns how many since it last took one."""
        target, own = self.target, self.claim.delivery_id
        others = tuple(each for each in target.refused if each != own)[: REFUSALS - 1]
        target.refused = (*others, own)
        if len(target.refused) == REFUSALS:
            self.reopened = others
        return len(target.refused)

    def _retry(self) -> Mark:
        target, failures = self.target, self.claim.failures + 1
        asked = self.outcome.retry_after_seconds or 0.0
        if not self._is_suspect:
            target.failing += self.claim.failures == 0
            if asked > LONGEST_WAIT_SECONDS:
                return self._hold()
        if self._is_last or self.policy.is_used_up(failures):
            is_message = self._is_suspect and target.failing == 0
            return self._give_up() if is_message else self._hold()
        self.events.append(Event.FAILED)
        seconds = max(self.policy.wait_seconds(failures), min(asked, LONGEST_WAIT_SECONDS))
        if self._is_unconfirmed:
            last = self.policy.wait_seconds(self.policy.max_retries)
            seconds = max(seconds, last, self.policy.unconfirmed_seconds)
        return self._wait(failures, seconds)

    def _hold(self) -> Mark:
        """Hold the target; the next probe is the delivery behind this one."""
        target, claim = self.target, self.claim
        target.held_since_us = self.now_us
        target.reason, target.detail = str(self.outcome.reason), self.outcome.detail
        target.probes, target.is_changed, target.paused_us = 0, False, 0
        target.probe_rank, target.probe_id = claim.priority_rank, claim.delivery_id
        target.failing = max(1, target.failing + self._is_suspect)
        target.refused = target.refused if self._is_refusal else ()
        self.begins_hold = True
        self.events.append(Event.HELD)
        is_open = len(target.refused) < REFUSALS or self._was_well
        return self._await_probe(has_opinion=self._is_refusal and is_open)

    def _judge_held(self) -> Mark:
        """The target is held: this was its probe, or was sent before the hold."""
        target, outcome = self.target, self.outcome
        if outcome.status is Status.REFUSED and not target.refused:
            # It answers again, and of this message alone.
            self._open()
            self._join_refused()
            return self._die(outcome.reason)
        if not self.claim.is_probe or target.probe_at_us == 0:
            # Something changed while it was sent: the next probe is due at once.
            return self._give_up() if self._is_last else self._wait()
        known = len(target.refused)
        if self._is_refusal:
            self._join_refused()
        else:
            target.refused = ()
        target.failing += self.claim.failed_us == 0
        target.probes += 1
        if target.is_changed or target.reason != outcome.reason:
            self.events.append(Event.STILL_HELD)
        target.is_changed = False
        target.reason, target.detail = str(outcome.reason), outcome.detail
        has_opinion = known < len(target.refused) < REFUSALS
        has_more = self._is_refusal and self._was_well and target.probes < MORE_OPINIONS
        return self._await_probe(has_opinion=has_opinion or has_more)

    def _await_probe(self, *, has_opinion: bool) -> Mark:
        """Probe as often as is due, but at once with another message where that decides.

        It does after a refusal, and where only one message has failed, perhaps by its own fault.
        """
        target, outcome = self.target, self.outcome
        may_be_message = outcome.status is Status.UNAVAILABLE and not outcome.retry_after_seconds
        is_at_once = has_opinion or (may_be_message and target.failing == 1)
        seconds = self.policy.probe_seconds_after(target.probes)
        target.probe_at_us = self.now_us + (0 if is_at_once else _us(seconds))
        if self._is_last:
            return self._give_up()
        return self._wait(seconds=seconds if is_at_once else 0.0)

    def _give_up(self) -> Mark:
        is_unconfirmed = self._is_unconfirmed or self._was_unconfirmed
        return self._die(Reason.UNCONFIRMED if is_unconfirmed else Reason.RETRIES_EXHAUSTED)

    def _die(self, reason: Reason) -> Mark:
        target, claim = self.target, self.claim
        if claim.failures and not self._is_suspect and not target.held_since_us:
            target.failing = max(0, target.failing - 1)
        self.events.insert(0, Event.DEAD)
        return self._mark(DeliveryState.DEAD, claim.tries + 1, reason)

    def _wait(self, failures: int = 0, seconds: float = 0.0) -> Mark:
        """The delivery is tried again after so many seconds; a probe and a pause cost no try."""
        claim = self.claim
        tries = claim.tries + (not claim.is_probe and not self.outcome.is_unsent)
        # That it may have arrived already is what people need to know.
        reason = Reason.UNCONFIRMED if self._was_unconfirmed else self.outcome.reason
        next_try_us = self.now_us + _us(seconds) if seconds else 0
        return self._mark(DeliveryState.WAITING, tries, reason, failures, next_try_us)

    def _mark(
        self, state: DeliveryState, tries: int, reason: Reason, failures: int = 0, next_us: int = 0
    ) -> Mark:
        claim, outcome = self.claim, self.outcome
        latest_us = max(self.now_us, self.target.taken_us)
        failed_us = min(claim.failed_us or latest_us, latest_us)
        if outcome.is_unsent:
            failed_us = claim.failed_us
        detail = outcome.detail
        if reason is not outcome.reason:
            detail = f"{outcome.reason}: {detail}" if detail else str(outcome.reason)
        return Mark(claim, state, tries, failures, failed_us, next_us, str(reason), detail)


def judge(
    claim: Claim,
    target: TargetState,
    outcome: Outcome,
    policy: RetryPolicy,
    now_us: int,
    *,
    knows_key: bool = False,
    newest_id: int = 0,
) -> Verdict:
    """Returns what becomes of the delivery, and changes `target` to what it is from now on.

    `knows_key` says that the target's service recognizes a repeated try. `newest_id` is the id of
    the newest delivery: what waits when a target opens is a backlog.
    """
    verdict = Verdict(claim, target, outcome, policy, now_us, knows_key, newest_id)
    verdict.mark = verdict._decide()
    return verdict


def _us(seconds: float) -> int:
    return round(seconds * US_IN_A_SECOND)


def _after(failures: int) -> RetryCallState:
    """What tenacity's strategies are asked about: so many tries have failed."""
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = failures
    return state
