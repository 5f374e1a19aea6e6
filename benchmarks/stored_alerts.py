"""Alerts as the pipeline makes them, ready for the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks.readings import readings
from channels.alert import Alert, Priority
from engine.pipeline.active_rules import alert_id
from engine.schema.event import make_event
from engine.store import NewAlert


def new_alerts(count: int, targets: Sequence[tuple[str, str]]) -> list[NewAlert]:
    """So many alerts, each of another event, with a delivery for each (channel, target id)."""
    found = []
    for number, values in enumerate(readings(count)):
        event = make_event(values, zone=UTC)
        text = values["plate"]["normalized_text"]
        alert = Alert(
            alert_id=alert_id(event.digest, "watchlist"),
            rule_id="watchlist",
            rule_name="Watchlist plate",
            priority=Priority.HIGH,
            message=f"WATCHLIST PLATE {text} (95.00%) at {values['camera_id']}",
            captured_at=values["captured_at"],
            created_at=datetime.now(UTC).isoformat(),
            event=values,
        )
        key = f'["watchlist",["plate.normalized_text"],["{text}"]]'
        found.append(
            NewAlert(
                alert,
                event.digest,
                key,
                event.time_us,
                tuple(targets),
                topic="plates",
                partition=0,
                offset=number,
            )
        )
    return found
