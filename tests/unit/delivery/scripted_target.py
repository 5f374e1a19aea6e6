"""A target inside the process that answers as its test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from channels.alert import SENT, SINGLY, Alert, Audience, Bundle, Outcome, Reason, Status, Terms
from tests.support.patience import PATIENCE_SECONDS

REFUSED = Outcome(Status.REFUSED, Reason.BAD_REQUEST, "400")
DOWN = Outcome(Status.UNAVAILABLE, Reason.SERVER_ERROR, "500")
UNCONFIRMED = Outcome(Status.UNAVAILABLE, Reason.UNCONFIRMED, "no answer")
FORBIDDEN = Outcome(Status.MISCONFIGURED, Reason.FORBIDDEN, "403")
BAD_TLS = Outcome(Status.MISCONFIGURED, Reason.TLS, "expired")
LOCKED_OUT = Outcome(Status.MISCONFIGURED, Reason.UNAUTHORIZED, "401")


def asking(seconds: float) -> Outcome:
    """The target asks to wait so long before the next try."""
    return Outcome(Status.UNAVAILABLE, Reason.RATE_LIMITED, "429", seconds)


def pausing(seconds: float) -> Outcome:
    """Nothing was sent: the target asked before to wait so long."""
    return Outcome(Status.UNAVAILABLE, Reason.RATE_LIMITED, "a pause", seconds, is_unsent=True)


Script = Callable[[str], Outcome]
"""From an alert's id to the outcome of the next try to send it."""


@dataclass(frozen=True)
class Call:
    """One try: when (monotonic), which alert, under which idempotency key.

    `bundle` has all alerts of a message of several, of which `alert_id` is the first.
    """

    at: float
    alert_id: str
    key: str
    bundle: Bundle | None = None

    @property
    def alert_ids(self) -> tuple[str, ...]:
        """All alerts of the message."""
        return (
            tuple(each.alert_id for each in self.bundle.alerts) if self.bundle else (self.alert_id,)
        )


class ScriptedTarget:
    """Implements `channels.alert.Target`; its script may be replaced at any time."""

    def __init__(
        self,
        name: str = "mail:ann",
        script: Script = lambda alert_id: SENT,
        *,
        concurrency: int = 1,
        knows_idempotency_key: bool = False,
        monotonic: Callable[[], float] = lambda: 0.0,
        terms: Terms = SINGLY,
    ) -> None:
        self.terms = terms
        self.label = name
        self.channel = name.partition(":")[0]
        self.is_address = True
        self.audience = Audience(frozenset({("test", name.partition(":")[2])}))
        self.concurrency = concurrency
        self.knows_idempotency_key = knows_idempotency_key
        self.script = script
        #: Answers messages of several alerts, by their ids; else the script does, by the first.
        self.script_of_several: Callable[[Sequence[str]], Outcome] | None = None
        self.calls: list[Call] = []
        self.most_at_once = 0
        self.closed = 0
        self._monotonic = monotonic
        self._at_once = 0
        self._changed = threading.Condition()

    def send(self, alert: Alert, idempotency_key: str) -> Outcome:
        return self._take(Call(self._monotonic(), alert.alert_id, idempotency_key))

    def send_several(self, bundle: Bundle, idempotency_key: str) -> Outcome:
        first = bundle.alerts[0].alert_id
        return self._take(Call(self._monotonic(), first, idempotency_key, bundle))

    def _take(self, call: Call) -> Outcome:
        with self._changed:
            self.calls.append(call)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self._changed.notify_all()
        try:
            if call.bundle is not None and self.script_of_several is not None:
                return self.script_of_several(call.alert_ids)
            return self.script(call.alert_id)
        finally:
            with self._changed:
                self._at_once -= 1

    def close(self) -> None:
        with self._changed:
            self.closed += 1
            self._changed.notify_all()

    @property
    def alert_ids(self) -> list[str]:
        """The alerts in the order of their tries."""
        return [call.alert_id for call in self.calls]

    @property
    def times(self) -> list[float]:
        """When the tries were."""
        return [call.at for call in self.calls]

    def await_calls(self, count: int) -> None:
        """Wait until there were so many tries."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.calls) >= count, PATIENCE_SECONDS), (
                f"{len(self.calls)} of {count} tries: {self.alert_ids}"
            )

    def await_closed(self) -> None:
        """Wait until it was closed."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.closed > 0, PATIENCE_SECONDS)


class Gate:
    """A script that answers only after `open()`: a send that hangs."""

    #: Those at which something hangs now, one for each send.
    hanging: ClassVar[list[Gate]] = []

    def __init__(self, outcome: Outcome = SENT) -> None:
        self._outcome = outcome
        self._is_open = threading.Event()

    def __call__(self, alert_id: str) -> Outcome:
        self.hanging.append(self)
        try:
            self._is_open.wait(PATIENCE_SECONDS)
        finally:
            self.hanging.remove(self)
        return self._outcome

    def open(self) -> None:
        self._is_open.set()

    @classmethod
    def count(cls) -> int:
        """How many sends hang."""
        return sum(not gate._is_open.is_set() for gate in tuple(cls.hanging))

    @classmethod
    def open_all(cls) -> None:
        """Let every send that hangs go on."""
        for gate in tuple(cls.hanging):
            gate.open()
