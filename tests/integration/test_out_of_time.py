"""A real engine leaves out matches at times at which their rules don't count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support.gate import open_gate
from tests.support.kafka import Broker
from tests.support.sightings import sighting

#: So many cars on either side of the moment from which on the interval holds.
CARS = 20
TOKYO = ZoneInfo("Asia/Tokyo")
RULES = """
channels: {{hook: "${{HOOK_URL}}"}}
time_intervals:
  - name: shift
    times: [{{start_time: "{start:%H:%M}", end_time: "{end:%H:%M}"}}]
    dates: [{start:%Y-%m-%d}]
    location: Asia/Tokyo
rules:
  - id: active
    when: "true"
    active_time_intervals: [shift]
    notify: [hook]
    message_template: "active {{plate.normalized_text}}"
  - id: muted
    when: "true"
    mute_time_intervals: [shift]
    notify: [hook]
    message_template: "muted {{plate.normalized_text}}"
  - id: asking
    when: '!during("shift")'
    notify: [hook]
    message_template: '{{during("shift") ? "?" : "asking"}} {{plate.normalized_text}}'
"""


@pytest.mark.slow
def test_matches_count_by_the_clock_of_the_place_to_the_second(
    broker: Broker, tmp_path: Path
) -> None:
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10)
    rules = RULES.format(
        start=start.astimezone(TOKYO), end=(start + timedelta(hours=6)).astimezone(TOKYO)
    )
    before = {f"AB{number}": start - timedelta(seconds=1) for number in range(CARS)}
    inside = {f"CD{number}": start for number in range(CARS)}
    expected = [f"active {plate}" for plate in inside]
    expected += [f"{rule} {plate}" for plate in before for rule in ("muted", "asking")]
    with open_gate(broker, tmp_path, rules) as gate, gate.site.start() as engine:
        gate.site.publish([sighting(plate, at) for plate, at in (before | inside).items()])
        gate.await_plates(expected)
        gate.site.await_consumed()
        assert gate.counts() == dict.fromkeys(expected, 1)
        name = "alert_engine_matches_out_of_time_total"
        assert engine.metric(name, rule_id="active", verdict="inactive") == CARS
        assert engine.metric(name, rule_id="active", verdict="muted") == 0
        assert engine.metric(name, rule_id="muted", verdict="muted") == CARS
        assert engine.stop() == 0
