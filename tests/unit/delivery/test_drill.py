"""A drill is an alert like others, complete by the site's schema, and marked in what is sent."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from channels.alert import Alert, Outcome, Reason, Status
from channels.render import SMS_LENGTH, Style, render, segments_of
from channels.targets.webhook import payload
from engine.delivery.drill import make_drill, run_drill
from engine.schema import EventSchema
from tests.support.avro import plate_schema, record_schema
from tests.unit.delivery.manual_clock import ManualClock
from tests.unit.delivery.scripted_target import ScriptedTarget

NOW = datetime(2025, 12, 25, 16, 0, 2, tzinfo=UTC)
CHANNEL = "night-guards.of_the-north"


@pytest.mark.parametrize("style", Style)
def test_every_kind_of_message_is_marked(style: Style) -> None:
    message = render(make_drill(CHANNEL, plate_schema(), NOW), style, NOW)
    assert "[TEST] Drill" in (message.title or message.body)
    assert f"[TEST] Drill of the channel {CHANNEL}: no car was seen" in message.body
    assert "Late" not in message.body


def test_its_text_message_is_one_segment() -> None:
    body = render(make_drill(CHANNEL, plate_schema(), NOW), Style.SMS, NOW).body
    assert (segments_of(body).count, len(body) < SMS_LENGTH) == (1, True)
    assert body.endswith("nothing is to be done.")


def test_its_event_is_complete_by_the_schema_of_the_site() -> None:
    event = make_drill("hook", plate_schema(), NOW).event
    assert plate_schema().complete(event) == event
    assert (event["captured_at"], event["camera_id"]) == ("2025-12-25T16:00:02Z", "TEST0000")
    text = {"type": "string"}
    plate = {"type": "record", "name": "P", "fields": [{"name": "normalized_text", "type": text}]}
    site = EventSchema.parse(
        record_schema(
            {"name": "captured_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "camera_id", "type": "string"},
            {"name": "plate", "type": plate},
            {"name": "lane", "type": {"type": "enum", "name": "Lane", "symbols": ["LEFT"]}},
            {"name": "raw", "type": "bytes"},
        )
    )
    received = orjson.loads(payload(make_drill("hook", site, NOW)))
    assert received["event"]["plate"] == {"normalized_text": "TEST0000"}
    assert received["event"].keys() == {"captured_at", "camera_id", "plate", "lane", "raw"}
    assert received["alert"]["is_test"] is True


def test_a_defect_of_a_target_is_an_outcome_and_the_target_is_closed() -> None:
    clock = ManualClock()

    def fail(alert_id: str) -> Outcome:
        clock.move_to(1.5)
        raise ZeroDivisionError("by zero, at TEST0000")

    target = ScriptedTarget("hook:1", fail)
    drill: Alert = make_drill("hook", plate_schema(), NOW)
    result = run_drill(target, drill, "key", clock.monotonic)
    assert (result.outcome.status, result.outcome.reason) == (Status.UNAVAILABLE, Reason.UNKNOWN)
    assert result.outcome.detail == "ZeroDivisionError: by zero, at [plate]"
    assert result.seconds == pytest.approx(1.5)
    assert target.closed == 1
