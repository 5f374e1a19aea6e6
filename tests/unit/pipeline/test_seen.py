from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.pipeline.active_rules import prepare
from engine.schema import EventSchema
from engine.simulate.given_events import GivenEvents
from engine.simulate.simulation import Simulation
from tests.support.avro import record_schema
from tests.support.rule_files import load_text

RULES = 'rules: [{id: seen, name: Seen, when: "true", notify: []}]'
SITE = {"type": "record", "name": "Site", "fields": [{"name": "name", "type": "string"}]}


@pytest.mark.parametrize(
    ("kind", "camera_id"),
    [
        (SITE, {"name": "north"}),
        ({"type": "array", "items": "string"}, ["north"]),
        ("int", 7),
        (["null", "string"], None),
    ],
)
def test_a_camera_id_of_any_type_loses_no_event(
    kind: object, camera_id: object, tmp_path: Path
) -> None:
    captured_at: Mapping[str, Any] = {"name": "captured_at", "type": "string"}
    schema = EventSchema.parse(record_schema({"name": "camera_id", "type": kind}, captured_at))
    given = GivenEvents(schema)
    record = given.record({"camera_id": camera_id, "captured_at": "2025-07-01T22:00:00Z"})
    with Simulation(prepare(load_text(RULES, tmp_path)), given) as simulation:
        result = simulation.process([record])
    assert result.dead_letters == []
    assert [each.rule.rule_id for each in result.outcomes] == ["seen"]
