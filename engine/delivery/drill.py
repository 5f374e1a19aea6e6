"""A drill: an alert that tries out a target, and that everybody who gets it can tell from others.

It goes through `send_once`, as every alert does. It is not stored, and changes no hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from channels.alert import Alert, Outcome, Priority, Target
from engine.delivery.workers import send_once
from engine.schema import (
    CAMERA_ID,
    CAPTURED_AT,
    EVENT_ID,
    NORMALIZED_PLATE,
    PLATE_TEXT,
    EventSchema,
    instant_text,
)

#: What the alert has as its rule's id.
RULE_ID: Final = "channel_test"
_RULE_NAME: Final = "[TEST] Drill"
_MESSAGE: Final = "[TEST] Drill of the channel {}: no car was seen, nothing is to be done."
#: In the drill's event: no plate and no camera is called so.
_NOTHING: Final = "TEST0000"


@dataclass(frozen=True, slots=True)
class DrillResult:
    """What came of a drill, and how many seconds it took."""

    outcome: Outcome
    seconds: float


def make_drill(channel: str, schema: EventSchema, now: datetime) -> Alert:
    """An alert for the targets of a channel, with an event that is complete by the schema.

    `now` is an aware time.
    """
    alert_id, instant = f"test-{uuid4().hex}", instant_text(now)
    values: dict[str, object] = {}
    for path, value in (
        (EVENT_ID, alert_id),
        (CAPTURED_AT, instant),
        (CAMERA_ID, _NOTHING),
        (PLATE_TEXT, _NOTHING),
        (NORMALIZED_PLATE, _NOTHING),
    ):
        *records, name = path.split(".")
        inside = values
        for record in records:
            found = inside.setdefault(record, {})
            assert isinstance(found, dict)
            inside = found
        inside[name] = value
    return Alert(
        alert_id=alert_id,
        rule_id=RULE_ID,
        rule_name=_RULE_NAME,
        priority=Priority.MEDIUM,
        message=_MESSAGE.format(channel),
        captured_at=instant,
        created_at=instant,
        event=schema.complete(schema.fitting(values)),
        is_test=True,
    )


def run_drill(
    target: Target, alert: Alert, idempotency_key: str, monotonic: Callable[[], float]
) -> DrillResult:
    """Send the drill once, and close the target."""
    started = monotonic()
    try:
        outcome = send_once(target, alert, idempotency_key)
        return DrillResult(outcome, monotonic() - started)
    finally:
        target.close()
