"""Rule sets for tests, loaded by the real loader from text."""

from __future__ import annotations

import threading
from pathlib import Path

from channels.alert import SENT, SINGLY, Alert, Audience, Bundle, Outcome, Target
from engine.rules import RuleSet, load_rules
from tests.support.avro import plate_schema


class Mailbox:
    """A target that takes everything and keeps it."""

    concurrency = 1
    is_address = True
    knows_idempotency_key = False
    terms = SINGLY

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.label = f"{channel}:mailbox"
        self.audience = Audience(frozenset({("mailbox", channel)}))
        self.alerts: list[Alert] = []
        self.arrived = threading.Event()

    def send(self, alert: Alert, idempotency_key: str) -> Outcome:
        """Keep it."""
        self.alerts.append(alert)
        self.arrived.set()
        return SENT

    def send_several(self, bundle: Bundle, idempotency_key: str) -> Outcome:
        """Keep them."""
        self.alerts += bundle.alerts
        self.arrived.set()
        return SENT

    def close(self) -> None:
        """There is nothing to close."""


def load_text(text: str, folder: Path) -> RuleSet:
    """The rules of `text`; each channel that they name is a `Mailbox`."""
    path = folder / "rules.yaml"
    path.write_text(text, encoding="utf-8")

    def mailbox(channel: str) -> tuple[Target, ...]:
        return (Mailbox(channel),)

    return load_rules([path], plate_schema(), {}, targets_by_name=mailbox)
