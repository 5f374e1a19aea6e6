"""What the outcome of a send makes of a delivery and of its target: a function of both.

Times are microseconds since the epoch, by the store's clock. Within one target, `failed_us` and
`taken_us` never coincide in a way that hides which of two came first: they only grow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tenacity import RetryCallState, Retrying, stop_after_attempt, wait_exponential, wait_random

from channels.alert import CERTAIN, Outcome, Reason, Status
from engine.store import Claim, DeliveryState, Mark, TargetState

#: The longest `Retry-After` that is obeyed; a target that asks for longer is held.
LONGEST_WAIT_SECONDS: Final = 300.0
#: For so long a hold has the shortest interval between its probes.
STEADY_SECONDS: Final = 900.0
#: The shortest wait before what may have arrived is sent a second time.
UNCONFIRMED_WAIT_SECONDS: Final = 20.0
#: So many different messages that are refused in a row hold their target.
REFUSALS: Final = 3
_US_IN_A_SECOND: Final = 1_000_000


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
    to `longest_probe_seconds`.
    """

    max_retries: int = 3
    base_seconds: float = 5.0
    jitter: float = 0.1
    probe_seconds: float = 30.0
    longest_probe_seconds: float = 120.0

    def is_used_up(self, failures: int) -> bool:
        """Whether no try is left after so many that failed."""
        return bool(stop_after_attempt(self.max_retries + 1)(_after(failures)))

    def wait_seconds(self, failures: int) -> float:
        """How long to wait for the next try after so many that failed."""
        wait = wait_exponential(multiplier=self.base_seconds, exp_base=2)
        jitter = wait_random(0, self.base_seconds * self.jitter)
        return float((wait + jitter)(_after(failures)))

    def probe_seconds_after(self, probes: int) -> float:
        """How long to wait for the next probe after so many that failed."""
        wait = wait_exponential(multiplier=self.probe_seconds, max=self.longest_probe_seconds)
        steady = int(STEADY_SECONDS / self.probe_seconds)
        return float(wait(_after(max(1, probes + 2 - steady))))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The mark of a delivery, and what else there is to write, to log and to count.

    `begins_hold` says that the target is held from now on; the dead deliveries of `reopened` wait
    again. `is_retry` says that it was tried before, `is_failure` that this try counts as a failed
    one, which a probe does not.
    """

    mark: Mark
    outcome: Outcome
    events: tuple[Event, ...] = ()
    begins_hold: bool = False
    reopened: tuple[int, ...] = ()
    is_retry: bool = False
    is_failure: bool = False


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
    case = _Case(claim, target, outcome, policy, now_us, knows_key, newest_id)
    mark = case.decide()
    is_sent = outcome.status is Status.SENT
    is_dead = mark.state is DeliveryState.DEAD
    is_quiet = outcome.is_unsent or (claim.is_probe and not is_dead)
    return Verdict(
        mark,
        outcome,
        tuple(case.events),
        begins_hold=case.begins_hold,
        reopened=case.reopened,
        is_retry=claim.failures > 0 and not claim.is_probe and not outcome.is_unsent,
        is_failure=not is_sent and not is_quiet,
    )


@dataclass(slots=True)
class _Case:
    """One outcome that is judged."""

    claim: Claim
    target: TargetState
    outcome: Outcome
    policy: RetryPolicy
    now_us: int
    knows_key: bool
    newest_id: int
    events: list[Event] = field(default_factory=list)
    begins_hold: bool = False
    reopened: tuple[int, ...] = ()

    def decide(self) -> Mark:
        target, outcome = self.target, self.outcome
        if outcome.status is Status.SENT:
            return self._take()
        if outcome.is_unsent:
            target.paused_us += self._us(outcome.retry_after_seconds or 0.0)
        else:
            target.paused_us = 0
        if not self.is_suspect or outcome.is_unsent:
            target.not_before_us = max(target.not_before_us, self._asked_until_us)
        if target.held_since_us:
            return self._judge_held()
        if outcome.is_unsent:
            return self._pause()
        if outcome.status is Status.REFUSED:
            return self._refuse()
        if outcome.status is Status.MISCONFIGURED:
            return self._hold_for_fault()
        return self._retry()

    @property
    def is_suspect(self) -> bool:
        """Whether the target took others since this one failed: the fault is the message's."""
        return 0 < self.claim.failed_us < self.target.taken_us

    @property
    def is_refusal(self) -> bool:
        """Whether this may be said of one message, or of all: the next one decides."""
        status, reason = self.outcome.status, self.outcome.reason
        is_fault = status is Status.MISCONFIGURED and reason not in CERTAIN
        return status is Status.REFUSED or is_fault

    @property
    def may_be_message(self) -> bool:
        """Whether the target may be well, and take another message."""
        is_unavailable = self.outcome.status is Status.UNAVAILABLE
        return is_unavailable and not self.outcome.retry_after_seconds

    @property
    def is_unconfirmed(self) -> bool:
        """Whether this try may have arrived, and another one would be a second message."""
        return self.outcome.reason is Reason.UNCONFIRMED and not self.knows_key

    @property
    def was_unconfirmed(self) -> bool:
        return self.claim.reason == Reason.UNCONFIRMED and not self.knows_key

    @property
    def is_last(self) -> bool:
        """Whether there is no further try, lest the recipient has it a third time."""
        return self.is_unconfirmed and (self.was_unconfirmed or self.policy.max_retries == 0)

    @property
    def failed_us(self) -> int:
        """When the delivery failed first; not before what its target took last."""
        latest_us = max(self.now_us, self.target.taken_us)
        return min(self.claim.failed_us or latest_us, latest_us)

    @property
    def _asked_until_us(self) -> int:
        asked = self.outcome.retry_after_seconds or 0.0
        return self.now_us + self._us(min(asked, LONGEST_WAIT_SECONDS)) if asked > 0 else 0

    def _take(self) -> Mark:
        target = self.target
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
        if self.target.paused_us > self._us(LONGEST_WAIT_SECONDS):
            return self._hold()
        self.events.append(Event.PAUSED)
        claim = self.claim
        return self._wait(claim.failures, 0)

    def _refuse(self) -> Mark:
        if not self.is_suspect and self._join_refused() == REFUSALS:
            return self._hold()
        return self._die(self.outcome.reason, self.outcome.detail)

    def _hold_for_fault(self) -> Mark:
        target = self.target
        if not self.is_refusal:
            return self._hold()
        if self.is_suspect:
            return self._die(self.outcome.reason, self.outcome.detail)
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
        if not self.is_suspect:
            target.failing += self.claim.failures == 0
            if (self.outcome.retry_after_seconds or 0.0) > LONGEST_WAIT_SECONDS:
                return self._hold()
        is_used_up = self.is_last or self.policy.is_used_up(failures)
        if is_used_up:
            is_message = self.is_suspect and target.failing == 0
            return self._give_up() if is_message else self._hold()
        self.events.append(Event.FAILED)
        seconds = self.policy.wait_seconds(failures)
        if self.is_unconfirmed:
            last = self.policy.wait_seconds(self.policy.max_retries)
            seconds = max(seconds, last, UNCONFIRMED_WAIT_SECONDS)
        asked = min(self.outcome.retry_after_seconds or 0.0, LONGEST_WAIT_SECONDS)
        return self._wait(failures, max(seconds, asked))

    def _hold(self) -> Mark:
        """Hold the target; the next probe is the delivery behind this one."""
        target, claim = self.target, self.claim
        target.held_since_us = self.now_us
        target.reason, target.detail = str(self.outcome.reason), self.outcome.detail
        target.probes, target.is_changed, target.paused_us = 0, False, 0
        target.probe_rank, target.probe_id = claim.priority_rank, claim.delivery_id
        target.failing = max(1, target.failing + self.is_suspect)
        if not self.is_refusal:
            target.refused = ()
        self.begins_hold = True
        self.events.append(Event.HELD)
        return self._await_probe(has_opinion=self.is_refusal and len(target.refused) < REFUSALS)

    def _judge_held(self) -> Mark:
        """The target is held: this was its probe, or was sent before the hold."""
        target, outcome = self.target, self.outcome
        if outcome.status is Status.REFUSED and not target.refused:
            # It answers again, and of this message alone.
            self._open()
            self._join_refused()
            return self._die(outcome.reason, outcome.detail)
        is_woken = target.probe_at_us == 0
        if not self.claim.is_probe or is_woken:
            # Something changed while it was sent: the next probe is due at once.
            return self._give_up() if self.is_last else self._wait(0, 0)
        known = len(target.refused)
        if self.is_refusal:
            self._join_refused()
        else:
            target.refused = ()
        target.failing += self.claim.failed_us == 0
        target.probes += 1
        if target.is_changed or target.reason != outcome.reason:
            self.events.append(Event.STILL_HELD)
        target.is_changed = False
        target.reason, target.detail = str(outcome.reason), outcome.detail
        return self._await_probe(has_opinion=known < len(target.refused) < REFUSALS)

    def _await_probe(self, *, has_opinion: bool) -> Mark:
        """Probe as often as is due, but at once with another message where that decides.

        This is so after a refusal, and where only one message has failed, perhaps by its own fault.
        """
        seconds = self.policy.probe_seconds_after(self.target.probes)
        is_alone = self.may_be_message and self.target.failing == 1
        is_at_once = has_opinion or is_alone
        self.target.probe_at_us = self.now_us + (0 if is_at_once else self._us(seconds))
        if self.is_last:
            return self._give_up()
        return self._wait(0, seconds if is_at_once else 0)

    def _give_up(self) -> Mark:
        outcome = self.outcome
        if self.is_unconfirmed:
            return self._die(Reason.UNCONFIRMED, outcome.detail)
        reason = Reason.UNCONFIRMED if self.was_unconfirmed else Reason.RETRIES_EXHAUSTED
        return self._die(reason, _both(outcome))

    def _die(self, reason: Reason, detail: str) -> Mark:
        target, claim = self.target, self.claim
        if claim.failures and not self.is_suspect and not target.held_since_us:
            target.failing = max(0, target.failing - 1)
        self.events.insert(0, Event.DEAD)
        return Mark(
            claim,
            DeliveryState.DEAD,
            claim.tries + 1,
            failed_us=self.failed_us,
            reason=str(reason),
            detail=detail,
        )

    def _wait(self, failures: int, seconds: float) -> Mark:
        """The delivery is tried again after so many seconds; a probe and a pause cost no try."""
        claim, outcome = self.claim, self.outcome
        reason, detail = str(outcome.reason), outcome.detail
        if self.was_unconfirmed and not self.is_unconfirmed:
            # That it may have arrived already is what people need to know.
            reason, detail = claim.reason, _both(outcome)
        return Mark(
            claim,
            DeliveryState.WAITING,
            claim.tries if claim.is_probe or outcome.is_unsent else claim.tries + 1,
            failures=failures,
            failed_us=claim.failed_us if outcome.is_unsent else self.failed_us,
            next_try_us=self.now_us + self._us(seconds) if seconds else 0,
            reason=reason,
            detail=detail,
        )

    @staticmethod
    def _us(seconds: float) -> int:
        return round(seconds * _US_IN_A_SECOND)


def _after(failures: int) -> RetryCallState:
    """What tenacity's strategies are asked about: so many tries have failed."""
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = failures
    return state


def _both(outcome: Outcome) -> str:
    return f"{outcome.reason}: {outcome.detail}" if outcome.detail else str(outcome.reason)
