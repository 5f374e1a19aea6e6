"""An alert to send, and what the tests' servers need in the environment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from channels.alert import Alert, Priority

NOW = datetime(2025, 12, 25, 16, 0, 2, tzinfo=UTC)
EVENT: Mapping[str, Any] = {
    "event_id": "e1",
    "captured_at": "2025-12-25T16:00:00Z",
    "plate": {"text": "ABC-123", "normalized_text": "ABC123", "confidence": 0.95, "region": None},
    "images": {"plate_url": "https://img.example.org/p.jpg?a=1&b=2"},
}
TEXT = "WATCHLIST PLATE ABC123 (95.00%)"


def alert(**changes: Any) -> Alert:
    """An alert of high priority, made a second after its event, with some fields changed."""
    fields: dict[str, Any] = {
        "alert_id": "a1",
        "rule_id": "watchlist",
        "rule_name": "Watchlist Plate",
        "priority": Priority.HIGH,
        "message": TEXT,
        "captured_at": "2025-12-25T16:00:00Z",
        "created_at": "2025-12-25T16:00:01Z",
        "late_seconds": 1.0,
        "event": EVENT,
    }
    return Alert(**{**fields, **changes})


def set_environment(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    """Set the variables for one test."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
