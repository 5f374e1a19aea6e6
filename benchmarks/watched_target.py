"""A target whose sends somebody hears of."""

from __future__ import annotations

from collections.abc import Callable

from channels.alert import Alert, Bundle, Outcome, Target


class WatchedTarget:
    """Sends through `target`; `before` and `after` hear of each send, in its thread."""

    def __init__(
        self,
        target: Target,
        before: Callable[[Alert], None] = lambda alert: None,
        after: Callable[[Alert, Outcome], None] = lambda alert, outcome: None,
    ) -> None:
        self._target = target
        self._before = before
        self._after = after
        self.channel = target.channel
        self.label = target.label
        self.is_address = target.is_address
        self.audience = target.audience
        self.concurrency = target.concurrency
        self.knows_idempotency_key = target.knows_idempotency_key
        self.terms = target.terms

    def send(self, alert: Alert, idempotency_key: str) -> Outcome:
        """As the target."""
        self._before(alert)
        outcome = self._target.send(alert, idempotency_key)
        self._after(alert, outcome)
        return outcome

    def send_several(self, bundle: Bundle, idempotency_key: str) -> Outcome:
        """As the target."""
        for alert in bundle.alerts:
            self._before(alert)
        outcome = self._target.send_several(bundle, idempotency_key)
        for alert in bundle.alerts:
            self._after(alert, outcome)
        return outcome

    def close(self) -> None:
        """As the target."""
        self._target.close()
