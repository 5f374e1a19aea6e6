from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path

from channels.alert import Priority
from engine.pipeline.active_rules import alert_id, render
from engine.schema.event import make_event
from tests.support.rule_files import load_text
from tests.unit.plate import NOON, plate_event

RULES = """
rules:
  - id: watch
    name: Watchlist
    priority: high
    when: true
    notify: []
    message_template: >-
      {rule.name}/{rule.id}/{rule.priority} {plate.normalized_text} {plate.confidence:.2%}
      region={plate.region} after {suppressed_count}
  - {id: bad, name: Bad, when: true, notify: [], message_template: '{1 / latency_ms}'}
  - {id: near, name: Near, when: 'similar(plate.normalized_text, "ABC123")', notify: []}
"""


def test_the_message_is_rendered_whole(tmp_path: Path) -> None:
    rule = load_text(RULES, tmp_path).rules[0]
    event = make_event(plate_event(), zone=UTC)
    alert, failed = render(rule, event, 3, NOON + timedelta(seconds=90))
    assert alert.message == "Watchlist/watch/high ABC123 95.00% region= after 3"
    assert failed == 0
    assert (alert.rule_id, alert.rule_name, alert.priority) == ("watch", "Watchlist", Priority.HIGH)
    assert alert.captured_at == "2026-03-01T12:00:00Z"
    assert alert.created_at == "2026-03-01T12:01:30.000Z"
    assert (alert.suppressed_count, alert.late_seconds) == (3, 90.0)
    assert alert.event == event.values


def test_a_placeholder_that_fails_is_a_question_mark_and_counted(tmp_path: Path) -> None:
    rule = load_text(RULES, tmp_path).rules[1]
    alert, failed = render(rule, make_event(plate_event(), zone=UTC), 0, NOON)
    assert (alert.message, failed) == ("?", 1)


def test_a_near_match_has_the_plate_that_was_meant_and_how_near(tmp_path: Path) -> None:
    rule = load_text(RULES, tmp_path).rules[2]
    read = plate_event(plate={"normalized_text": "A8C123"})
    alert, failed = render(rule, make_event(read, zone=UTC), 0, NOON)
    assert (alert.matched_plate, alert.likeness) == ("ABC123", 1 - 20 / 600)
    text = "Near: read A8C123, listed ABC123 (97 %) at cam-1, 2026-03-01T12:00:00Z"
    assert (alert.message, failed) == (text, 0)
    exact = render(rule, make_event(plate_event(), zone=UTC), 0, NOON)[0]
    assert (exact.matched_plate, exact.likeness) == ("", 1.0)
    assert exact.message == "Near: ABC123 at cam-1, 2026-03-01T12:00:00Z"


def test_an_event_of_the_future_is_not_late(tmp_path: Path) -> None:
    rule = load_text(RULES, tmp_path).rules[0]
    event = make_event(plate_event(seconds=60), zone=UTC)
    assert render(rule, event, 0, NOON)[0].late_seconds == 0.0


def test_an_alerts_id_is_that_of_its_record_and_rule() -> None:
    ids = {alert_id(b"d1", "a"), alert_id(b"d1", "b"), alert_id(b"d2", "a")}
    assert len(ids) == 3
    assert alert_id(b"d1", "a") in ids
