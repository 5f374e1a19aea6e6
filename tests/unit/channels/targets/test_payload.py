"""The webhook's JSON."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta, timezone
from types import MappingProxyType

import pytest

from channels.targets.webhook import payload, signature
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
            "created_at": "2025-12-25T16:00:01Z",
            "suppressed_count": 2,
            "late_seconds": 1.0,
            "matched_plate": None,
            "likeness": 1.0,
        },
        "event": EVENT,
    }
    assert list(document) == ["alert", "event"]
    assert payload(alert(suppressed_count=2)) == body


def test_a_near_match_has_the_plate_and_the_likeness_beside_what_was_there() -> None:
    exact = json.loads(payload(alert()))["alert"]
    near = json.loads(payload(alert(matched_plate="AB?123", likeness=0.925)))["alert"]
    assert near == {**exact, "matched_plate": "AB?123", "likeness": 0.925}
    assert (exact["matched_plate"], exact["likeness"]) == (None, 1.0)


def test_whatever_an_event_may_hold_becomes_json() -> None:
    event = MappingProxyType(
        {
            "bytes": b"\x00\xff",
            "nested": MappingProxyType({"nan": float("nan"), "text": 'ü"\n\u2028<'}),
            "list": [1, None, True, 2**40],
        }
    )
    document = json.loads(payload(alert(event=event)))
    assert document["event"] == {
        "bytes": base64.b64encode(b"\x00\xff").decode(),
        "nested": {"nan": None, "text": 'ü"\n\u2028<'},
        "list": [1, None, True, 2**40],
    }


def test_every_instant_is_in_utc_with_a_z_and_the_cameras_text_stays() -> None:
    moment = datetime(2025, 1, 2, 3, 4, 5, 250_000, tzinfo=timezone(timedelta(hours=2)))
    event = {
        "captured_at": "2025-01-02T03:04:05+02:00",
        "seen": moment,
        "node": {"times": [moment.replace(microsecond=0)]},
    }
    given = alert(event=event, captured_at=event["captured_at"])
    document = json.loads(payload(given))
    assert document["alert"]["timestamp"] == "2025-01-02T03:04:05+02:00"
    assert document["alert"]["created_at"] == "2025-12-25T16:00:01Z"
    assert document["event"] == {
        "captured_at": "2025-01-02T03:04:05+02:00",
        "seen": "2025-01-02T01:04:05.25Z",
        "node": {"times": ["2025-01-02T01:04:05Z"]},
    }


def test_what_is_no_json_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        payload(alert(event={"odd": object()}))


def test_signature_is_hmac_sha256_of_the_body() -> None:
    expected = hmac.new("schlüssel".encode(), b"body", hashlib.sha256).hexdigest()
    assert signature(b"body", "schlüssel") == f"sha256={expected}"
