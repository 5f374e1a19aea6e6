"""Stored alerts as tables for a terminal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.table import Table
from rich.text import Text

from engine.store import DeliveryState, StoredAlert
from engine.terminal import printable

STATE_STYLES: Final = {
    DeliveryState.WAITING: "yellow",
    DeliveryState.SENT: "green",
    DeliveryState.DEAD: "red",
}


def alert_table(alerts: Sequence[StoredAlert]) -> Table:
    """One line an alert."""
    headings = ("alert", "created", "rule", "priority", "deliveries", "message")
    table = Table(*headings, box=None, pad_edge=False)
    for column in table.columns:
        column.no_wrap = True
        column.overflow = "ellipsis"
    for stored in alerts:
        alert = stored.alert
        table.add_row(
            alert.alert_id[:8],
            alert.created_at[:19],
            alert.rule_id,
            str(alert.priority),
            _states(stored),
            Text(printable(" ".join(alert.message.split()))),
        )
    return table


def _states(stored: StoredAlert) -> Text:
    if stored.is_expired:
        return Text("expired", style="dim")
    counts = Counter(delivery.state for delivery in stored.deliveries)
    parts = [Text(f"{counts[state]} {state}", STATE_STYLES[state]) for state in sorted(counts)]
    return Text(", ").join(parts) if parts else Text("no channel", style="dim")


def fact_table(stored: StoredAlert) -> Table:
    """One alert and its event, whole."""
    alert = stored.alert
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in (
        ("alert", alert.alert_id),
        ("rule", f"{alert.rule_id} ({alert.rule_name})"),
        ("priority", str(alert.priority)),
        ("captured", alert.captured_at),
        ("created", alert.created_at),
        ("record", f"{stored.topic}[{stored.partition}]@{stored.offset}"),
        ("suppressed", str(alert.suppressed_count)),
        ("message", alert.message.strip()),
        ("event", json.dumps(dict(alert.event), ensure_ascii=False)),
    ):
        table.add_row(Text(name, style="bold"), Text(printable(value)))
    return table


def delivery_table(stored: StoredAlert) -> Table:
    """One line a delivery of the alert."""
    headings = ("delivery", "state", "tries", "reason", "changed", "detail")
    table = Table(*headings, box=None, pad_edge=False)
    for delivery in stored.deliveries:
        changed = datetime.fromtimestamp(delivery.changed_us / 1e6, UTC)
        table.add_row(
            Text(delivery.target_id),
            Text(str(delivery.state), style=STATE_STYLES[delivery.state]),
            str(delivery.tries),
            delivery.reason,
            changed.isoformat(timespec="seconds"),
            Text(printable(delivery.detail)),
        )
    return table
