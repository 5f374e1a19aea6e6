from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from channels.alert import Alert, Priority
from engine.errors import EvaluationError
from engine.pipeline.event_log import MAX_CAMERAS, RULE_ERROR_SECONDS, EventLog
from engine.schema import BrokenPromise
from engine.schema.event import make_event
from engine.store import NewAlert
from tests.unit.manual_time import ManualTime
from tests.unit.plate import NOON, plate_event

ALERT = Alert("a-1", "r", "R", Priority.HIGH, "m", "then", "then", event=plate_event())


@pytest.mark.parametrize(("log_plates", "shown"), [(False, "AB***"), (True, "ABC123")])
def test_an_alert_is_logged_with_its_plate_as_the_operator_asked(
    log_plates: bool, shown: str
) -> None:
    with structlog.testing.capture_logs() as logs:
        EventLog(ManualTime(), log_plates=log_plates).alert(
            NewAlert(ALERT, b"d" * 16, None, 0, (("ops", "ops:a"),))
        )
    assert logs == [
        {
            "event": "alert.stored",
            "log_level": "info",
            "alert_id": "a-1",
            "rule_id": "r",
            "priority": "high",
            "camera_id": "cam-1",
            "plate": shown,
            "targets": 1,
            "is_expired": False,
        }
    ]


def test_a_rules_errors_are_logged_once_a_minute() -> None:
    time = ManualTime()
    event_log = EventLog(time, log_plates=False)
    error = EvaluationError("overflow", "too large")
    event = make_event(plate_event(), zone=UTC)
    with structlog.testing.capture_logs() as logs:
        for seconds in (0.0, 1.0, RULE_ERROR_SECONDS - 1, RULE_ERROR_SECONDS):
            time.seconds = seconds
            event_log.rule_error("a", error, event)
        event_log.rule_error("b", error, event)
    assert [line["rule_id"] for line in logs] == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("log_plates", "logged"),
    [(False, "'AB***' and 'ab***' are no int"), (True, "'ABC-123' and 'abc123' are no int")],
)
def test_a_rules_error_quotes_plates_only_as_the_operator_asked(
    log_plates: bool, logged: str
) -> None:
    error = EvaluationError("bad_conversion", "'ABC-123' and 'abc123' are no int")
    event = make_event(plate_event(), zone=UTC)
    with structlog.testing.capture_logs() as logs:
        EventLog(ManualTime(), log_plates=log_plates).rule_error("a", error, event)
    assert logs[0]["error"] == logged


def test_replaced_times_are_logged_once_a_camera_of_a_bounded_number() -> None:
    event_log = EventLog(ManualTime(), log_plates=False)
    with structlog.testing.capture_logs() as logs:
        for number in [*range(MAX_CAMERAS + 5), 0]:
            event = make_event(plate_event(camera_id=f"cam-{number}"), zone=UTC)
            event_log.time_replaced(dataclasses.replace(event, time_replaced="future"))
    assert len(logs) == MAX_CAMERAS


@pytest.mark.parametrize(
    ("captured_at", "word"),
    [
        ("2026-03-01T17:00:40", "set EVENT_TIMEZONE"),
        ("2026-03-01T17:31:00", "set the camera's clock"),
        ("2026-03-01T17:00:40Z", "set the camera's clock"),
        ("yesterday", "send captured_at as ISO 8601"),
    ],
)
def test_the_remedy_of_a_replaced_time_is_the_one_that_helps(captured_at: str, word: str) -> None:
    event = make_event(
        plate_event(captured_at=captured_at), zone=UTC, timestamp_ms=int(NOON.timestamp() * 1000)
    )
    assert event.time_replaced
    with structlog.testing.capture_logs() as logs:
        EventLog(ManualTime(), log_plates=False).time_replaced(event)
    assert logs[0]["remedy"].startswith(word)


@pytest.mark.parametrize("plate", [None, {}, {"normalized_text": None}])
def test_an_alert_without_plate_and_camera_is_logged_all_the_same(
    plate: dict[str, object] | None,
) -> None:
    alert = dataclasses.replace(ALERT, event={"plate": plate})
    with structlog.testing.capture_logs() as logs:
        EventLog(ManualTime(), log_plates=False).alert(NewAlert(alert, b"d" * 16, None, 0))
    assert (logs[0]["plate"], logs[0]["camera_id"]) == ("", None)


@pytest.mark.parametrize("plate", [None, {"normalized_text": None}, {"text": "ABC-123"}])
def test_a_rules_error_is_logged_whatever_the_event_has_of_a_plate(
    plate: dict[str, object] | None,
) -> None:
    event = make_event({"plate": plate}, zone=UTC)
    with structlog.testing.capture_logs() as logs:
        EventLog(ManualTime(), log_plates=False).rule_error(
            "a", EvaluationError("bad_conversion", "'x' is no int"), event
        )
    assert logs[0]["error"] == "'x' is no int"


@pytest.mark.parametrize(
    ("captured_at", "shown", "word"),
    [
        (datetime(2026, 3, 1, 17, tzinfo=UTC), "2026-03-01T17:00:00Z", "set the camera's clock"),
        (None, "2026-03-01T12:00:00Z", "send captured_at as ISO 8601"),
    ],
)
def test_a_replaced_timestamp_is_logged_with_its_remedy(
    captured_at: datetime | None, shown: str, word: str
) -> None:
    event = make_event(
        {"captured_at": captured_at}, zone=UTC, timestamp_ms=int(NOON.timestamp() * 1000)
    )
    assert event.time_replaced
    with structlog.testing.capture_logs() as logs:
        EventLog(ManualTime(), log_plates=False).time_replaced(event)
    assert (logs[0]["captured_at"], logs[0]["camera_id"]) == (shown, None)
    assert logs[0]["remedy"].startswith(word)


def test_a_value_out_of_range_is_logged_once_a_camera_and_field() -> None:
    event_log = EventLog(ManualTime(), log_plates=False)
    confidence = BrokenPromise("plate.confidence", 12.3, "0 to 1")
    text = BrokenPromise("plate.normalized_text", "kfa-8725", "characters A-Z0-9")
    one, other = (make_event(plate_event(camera_id=name), zone=UTC) for name in ("cam-1", "cam-2"))
    with structlog.testing.capture_logs() as logs:
        for event, broken in [
            *((one, confidence), (one, confidence), (one, text), (one, confidence)),
            *((other, confidence), (other, text), (other, text)),
        ]:
            event_log.value_out_of_range(event, broken)
    logged = [(line["camera_id"], line["field"], line["value"]) for line in logs]
    assert logged == [
        ("cam-1", "plate.confidence", 12.3),
        ("cam-1", "plate.normalized_text", "kf***"),
        ("cam-2", "plate.confidence", 12.3),
        ("cam-2", "plate.normalized_text", "kf***"),
    ]
    assert {line["event"] for line in logs} == {"event.value_out_of_range"}
    assert logs[0]["promised"] == "0 to 1"


def test_values_of_too_many_cameras_are_not_logged() -> None:
    event_log = EventLog(ManualTime(), log_plates=True)
    broken = BrokenPromise("plate.normalized_text", "kfa-8725", "characters A-Z0-9")
    with structlog.testing.capture_logs() as logs:
        for number in range(MAX_CAMERAS + 5):
            event = make_event(plate_event(camera_id=f"c-{number}"), zone=UTC)
            event_log.value_out_of_range(event, broken)
    assert len(logs) == MAX_CAMERAS
    assert logs[0]["value"] == "kfa-8725"


def test_a_time_that_our_clock_confirms_is_the_producers_fault() -> None:
    camera = (NOON + timedelta(seconds=30)).isoformat()
    hours_ago = NOON - timedelta(hours=5)
    event = make_event(
        plate_event(captured_at=camera), zone=UTC, timestamp_ms=int(hours_ago.timestamp() * 1000)
    )
    assert event.time_replaced == "future"
    with structlog.testing.capture_logs() as logs:
        EventLog(ManualTime(), log_plates=False).time_replaced(event)
    assert logs[0]["remedy"].startswith("set the clock of the producer")
