"""Readings as they should not be, on a real stream: unread plates, and values out of range."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.gate import open_gate
from tests.support.kafka import Broker
from tests.support.sightings import sighting

RULES = """
channels: {hook: "${HOOK_URL}"}
rules:
  - id: every
    name: Every
    when: "true"
    notify: [hook]
    rate_limit: {cooldown_seconds: 300}
    message_template: "{camera_id}/{track_id}"
  - id: failing
    name: Its key fails on an unread plate
    when: "true"
    notify: [hook]
    rate_limit: {cooldown_seconds: 300, dedup_key: int(plate.text)}
    message_template: "failing {camera_id}/{track_id}"
"""
SURE = """
channels: {hook: "${HOOK_URL}"}
rules:
  - id: sure
    name: Sure
    when: plate.confidence > 0.8
    notify: [hook]
    message_template: "{plate.normalized_text} {plate.confidence:.0%}"
"""


def unread(at: datetime, camera: str, track: str, text: str = "") -> dict[str, Any]:
    """A reading of a car whose plate could not be read."""
    event = sighting("", at, camera=camera, track_id=track)
    event["plate"].update(text=text, normalized_text=text, confidence=0.0)
    return event


@pytest.mark.slow
def test_cars_with_unread_plates_do_not_hold_each_others_alerts_back(
    broker: Broker, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    cars = [("cam-1", "1"), ("cam-2", "1"), ("cam-3", "1"), ("cam-1", "2")]
    expected = [f"{rule}{camera}/{track}" for rule in ("", "failing ") for camera, track in cars]
    with open_gate(broker, tmp_path, RULES) as gate, gate.site.start() as engine:
        gate.site.publish(
            [
                unread(now + timedelta(milliseconds=number), *car, text=text)
                for number, text in enumerate(("", "  ", ""))
                for car in cars
            ]
        )
        gate.await_plates(expected)
        gate.site.await_consumed()
        assert gate.counts() == dict.fromkeys(expected, 1)
        absent, errors = (f"alert_engine_dedup_key_{each}_total" for each in ("absent", "errors"))
        assert engine.metric(absent, rule_id="every") == 12
        assert engine.metric(errors, rule_id="every") == 0
        assert engine.metric(errors, rule_id="failing") == 12
        assert engine.metric("alert_engine_alerts_rate_limited_total", rule_id="every") == 8
        assert engine.stop() == 0


@pytest.mark.slow
def test_values_that_the_schema_rules_out_are_counted_by_field_and_matched(
    broker: Broker, tmp_path: Path
) -> None:
    out_of_range = "alert_engine_event_values_out_of_range_total"
    with open_gate(broker, tmp_path, SURE) as gate, gate.site.start() as engine:
        engine.wait_ready()
        for field in ("plate.normalized_text", "plate.confidence", "latency_ms"):
            assert engine.metric(out_of_range, field=field) == 0
        events = [sighting(plate, datetime.now(UTC)) for plate in ("AB1", "kfa-8725", "AB3")]
        for event in events[:2]:
            event["plate"]["confidence"] = 12.3
        gate.site.publish(events)
        gate.await_plates(["AB1 1230%", "kfa-8725 1230%", "AB3 95%"])
        assert engine.metric(out_of_range, field="plate.confidence") == 2
        assert engine.metric(out_of_range, field="plate.normalized_text") == 1
        assert engine.metric(out_of_range, field="latency_ms") == 0
        assert engine.stop() == 0
    assert engine.output.count("event.value_out_of_range") == 2
    assert "kfa-8725" not in engine.output
