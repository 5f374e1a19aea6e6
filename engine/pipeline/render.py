"""Makes the `Alert` of a match: renders its message, derives its id from event and rule."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from typing import Any

from channels.alert import Alert
from engine.rules import Rule
from engine.rules.rule import message_bindings
from engine.schema.event import Event


def alert_id(digest: bytes, rule_id: str) -> str:
    """The same for the same record and rule, so that reading a record twice names one alert."""
    source = digest + b"\0" + rule_id.encode()
    return str(uuid.UUID(bytes=hashlib.blake2b(source, digest_size=16).digest(), version=4))


def template_bindings(rule: Rule, event: Event, suppressed_count: int) -> dict[str, Any]:
    """What a message template sees: the event, its rule, and how many matches it stands for."""
    return message_bindings(rule, event.bindings, suppressed_count)


def render(rule: Rule, event: Event, suppressed_count: int, now: datetime) -> tuple[Alert, int]:
    """The alert of `rule` on `event`, made at `now` (aware), and how many placeholders failed."""
    message, failed = rule.template.render(template_bindings(rule, event, suppressed_count))
    alert = Alert(
        alert_id=alert_id(event.digest, rule.rule_id),
        rule_id=rule.rule_id,
        rule_name=rule.name,
        priority=rule.priority,
        message=message,
        captured_at=event.captured_at,
        created_at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        suppressed_count=suppressed_count,
        late_seconds=max(0.0, round((now - event.time).total_seconds(), 3)),
        event=event.values,
    )
    return alert, failed
