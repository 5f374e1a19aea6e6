"""The example file in the plan's form: as sites have it, and with its blocks enabled."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

from engine.match import LinearMatcher
from engine.pipeline.active_rules import render
from engine.rules import RuleSet, load_rules
from engine.schema.event import make_event
from tests.support.avro import plate_schema
from tests.unit.plate import NOON

SECRETS = {
    "SMTP_PASSWORD": "p@/#%w",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0000/B0000/abcdefghijklmnopqrstuvwx",
    "WEBHOOK_URL": "https://receiver.example/alerts",
    "WEBHOOK_TOKEN": "t@/#%n",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "1" * 32,
}


def load(repository: Path, folder: Path, *, is_enabled: bool) -> RuleSet:
    text = (repository / "tests/data/good_rules/alert_rules_real.yaml").read_text("utf-8")
    if is_enabled:
        # Only the blocks of `notifications:` are indented by four.
        text = text.replace("\n    enabled: false\n", "\n    enabled: true\n", 4)
    path = folder / "alert_rules.yaml"
    path.write_text(text, encoding="utf-8")
    return load_rules([path], plate_schema(), SECRETS if is_enabled else {})


def fired(rule_set: RuleSet, **event: Any) -> list[str]:
    values = plate_schema().complete({"captured_at": "2026-03-01T12:00:00Z", **event})
    matches = LinearMatcher(rule_set.rules).match(make_event(values, zone=UTC)).matches
    return [match.rule_id for match in matches]


def test_as_sites_have_it_it_loads_and_warns_of_each_rule_without_a_channel(
    repository: Path, tmp_path: Path
) -> None:
    rule_set = load(repository, tmp_path, is_enabled=False)
    assert [rule.rule_id for rule in rule_set.rules] == [
        "watchlist_plate",
        "high_confidence_truck",
        "on_by_name",
    ]
    assert rule_set.disabled == ("retired_rule",)
    assert rule_set.channels == {}
    silent = [fault for fault in rule_set.warnings if fault.code == "no-channel"]
    assert len(silent) == 3
    assert all("disabled" in fault.what for fault in silent)


def test_with_its_blocks_enabled_every_channel_has_its_recipients(
    repository: Path, tmp_path: Path
) -> None:
    rule_set = load(repository, tmp_path, is_enabled=True)
    targets = {name: [t.label for t in each] for name, each in rule_set.channels.items()}
    assert targets == {
        "email": ["email:security@example.com", "email:ops@example.com"],
        "slack": ["slack:#alpr-alerts"],
        "webhook": ["webhook:receiver.example"],
        "sms": ["sms:+15559876543"],
    }
    assert [fault.code for fault in rule_set.warnings if fault.code == "no-channel"] == []
    notified = {rule.rule_id: rule.notify for rule in rule_set.rules}
    assert notified == {
        "watchlist_plate": ("email", "slack", "sms"),
        "high_confidence_truck": ("webhook",),
        "on_by_name": ("email",),
    }


def test_values_that_yaml_would_spoil_match_as_they_are_written(
    repository: Path, tmp_path: Path
) -> None:
    rule_set = load(repository, tmp_path, is_enabled=True)
    for text in ("0123", "12_34", "NO", "12:30", "123456", "2025-12-25", "abc123"):
        assert fired(rule_set, plate={"normalized_text": text}) == ["watchlist_plate"], text
    for text in ("83", "1234", "false", "False", "750", "2025-12-26"):
        assert fired(rule_set, plate={"normalized_text": text}) == [], text
    site = {"site": "depot-007", "host": None}
    plate = {"normalized_text": "ABC7"}
    assert fired(rule_set, camera_id="ON", node=site, plate=plate) == ["on_by_name"]
    assert fired(rule_set, camera_id="True", node=site, plate=plate) == []
    assert fired(rule_set, camera_id="on", node={"site": "7"}, plate=plate) == []


def test_the_other_rules_fire_as_they_say_and_messages_are_whole(
    repository: Path, tmp_path: Path
) -> None:
    rule_set = load(repository, tmp_path, is_enabled=True)
    truck: dict[str, Any] = {
        "plate": {"text": "TR-1", "normalized_text": "TR1", "confidence": 0.95},
        "vehicle": {"type": "TRUCK", "color": "red", "make": "Volvo"},
        "camera_id": "cam-1",
    }
    assert fired(rule_set, **truck) == ["high_confidence_truck"]
    assert fired(rule_set, **{**truck, "vehicle": {"type": "car"}}) == []
    assert fired(rule_set, **{**truck, "plate": {"confidence": 0.9}}) == []
    event = make_event(
        plate_schema().complete({**truck, "captured_at": "2026-03-01T12:00:00Z"}), zone=UTC
    )
    watch, high, _ = rule_set.rules
    assert render(high, event, 0, NOON)[0].message == "🚚 red Volvo TR1 @ cam-1"
    assert render(watch, event, 0, NOON)[0].message == (
        "🚨 WATCHLIST PLATE DETECTED 🚨\n\nPlate: TR1\nConfidence: 95.00%\n\n"
        "Camera: cam-1\nTime: 2026-03-01T12:00:00Z\n"
    )
