"""The webhook's JSON."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from types import MappingProxyType

import pytest

from channels.payload import payload, signature
from tests.unit.channels.samples import EVENT, TEXT, alert


def test_payload_is_alert_and_whole_event_in_this_order() -> None:
    body = payload(alert(suppressed_count=2))
    document = json.loads(body)
    assert document == {
        "alert": {
            "id": "a1",
            "rule_id": "watchlist",
            "rule_name": "Watchlist Plate",
            "priority": "high",
            "message": TEXT,
            "timestamp": "2025-12-25T16:00:00Z",
            "created_at": "2025-12-25T16:00:01+00:00",
            "suppressed_count": 2,
            "late_seconds": 1.0,
        },
        "event": EVENT,
    }
    assert list(document) == ["alert", "event"]
    assert payload(alert(suppressed_count=2)) == body


def test_whatever_an_event_may_hold_becomes_json() -> None:
    event = MappingProxyType(
        {
            "bytes": b"\x00\xff",
            "nested": MappingProxyType({"nan": float("nan"), "text": 'ü"\n\u2028<'}),
            "list": [1, None, True, 2**40],
            "when": datetime(2025, 1, 2, tzinfo=UTC),
        }
    )
    document = json.loads(payload(alert(event=event)))
    assert document["event"] == {
        "bytes": base64.b64encode(b"\x00\xff").decode(),
        "nested": {"nan": None, "text": 'ü"\n\u2028<'},
        "list": [1, None, True, 2**40],
        "when": "2025-01-02T00:00:00+00:00",
    }


def test_what_is_no_json_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        payload(alert(event={"odd": object()}))


def test_signature_is_hmac_sha256_of_the_body() -> None:
    expected = hmac.new("schlüssel".encode(), b"body", hashlib.sha256).hexdigest()
    assert signature(b"body", "schlüssel") == f"sha256={expected}"
