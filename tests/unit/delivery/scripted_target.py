"""A target inside the process that answers as its test says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from channels.alert import SENT, Alert, Audience, Outcome, Reason, Status
from tests.support.patience import PATIENCE_SECONDS

REFUSED = Outcome(Status.REFUSED, Reason.BAD_REQUEST, "400")
DOWN = Outcome(Status.UNAVAILABLE, Reason.SERVER_ERROR, "500")
LOCKED_OUT = Outcome(Status.MISCONFIGURED, Reason.UNAUTHORIZED, "401")

Script = Callable[[str], Outcome]
"""From an alert's id to the outcome of the next try to send it."""


@dataclass(frozen=True)
class Call:
    """One try: when (monotonic), which alert, under which idempotency key."""

    at: float
    alert_id: str
    key: str


class ScriptedTarget:
    """Implements `channels.alert.Target`; its script may be replaced at any time."""

    def __init__(
        self,
        name: str = "mail/ann",
        script: Script = lambda alert_id: SENT,
        *,
        concurrency: int = 1,
        monotonic: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.label = name
        self.is_address = True
        self.channel = name.partition("/")[0]
        self.audience = Audience(frozenset({("scripted", name)}))
        self.concurrency = concurrency
        self.script = script
        self.calls: list[Call] = []
        self.most_at_once = 0
        self.closed = 0
        self._monotonic = monotonic
        self._at_once = 0
        self._changed = threading.Condition()

    def send(self, alert: Alert, idempotency_key: str) -> Outcome:
        with self._changed:
            self.calls.append(Call(self._monotonic(), alert.alert_id, idempotency_key))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self._changed.notify_all()
        try:
            return self.script(alert.alert_id)
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

    def __init__(self, outcome: Outcome = SENT) -> None:
        self._outcome = outcome
        self._is_open = threading.Event()

    def __call__(self, alert_id: str) -> Outcome:
        self._is_open.wait(PATIENCE_SECONDS)
        return self._outcome

    def open(self) -> None:
        self._is_open.set()
