"""The JSON that a webhook receives, and its signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from channels.alert import Alert
from engine.schema import instant_text


def payload(alert: Alert) -> bytes:
    """The alert and its whole event as JSON in UTF-8, byte for byte the same at every try.

    `{"alert": {"id", "rule_id", "rule_name", "priority", "message", "timestamp", "created_at",
    "suppressed_count", "late_seconds"}, "event": {…}}`. `timestamp` is the text that the event has
    for it. All other instants are ISO 8601 in UTC with a `Z`; bytes become Base64.
    """
    document = {
        "alert": {
            "id": alert.alert_id,
            "rule_id": alert.rule_id,
            "rule_name": alert.rule_name,
            "priority": alert.priority.value,
            "message": alert.message,
            "timestamp": alert.captured_at,
            "created_at": alert.created_at,
            "suppressed_count": alert.suppressed_count,
            "late_seconds": alert.late_seconds,
        },
        "event": alert.event,
    }
    # Of itself, orjson writes +00:00.
    return orjson.dumps(document, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)


def signature(body: bytes, secret: str) -> str:
    """`sha256=` and the hexadecimal HMAC-SHA256 of the body, as `X-Hub-Signature-256` has it."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (frozenset, set)):
        return sorted(value, key=str)
    if isinstance(value, datetime):
        return instant_text(value)
    raise TypeError(type(value).__name__)
