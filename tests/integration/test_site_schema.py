"""Rules on a schema of a site's own, whose times are Avro timestamps."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.demo.cameras import Cameras, as_written
from engine.errors import RulesError
from engine.pipeline.active_rules import render
from engine.rules import RuleSet, examples_of, load_rules
from engine.schema import EventSchema, load_event_schema
from engine.schema.event import make_event
from engine.simulate.rule_tests import run_tests
from tests.support.avro import body
from tests.unit.demo.test_cameras import NOON

FOLDER = Path(__file__).parents[1] / "data" / "site_schema"
FOUR = datetime(2025, 12, 25, 16, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
VARIABLES = {"HOOK_URL": "https://hooks.example/alerts"}


@pytest.fixture(scope="module")
def schema() -> EventSchema:
    """The site's schema."""
    return load_event_schema(FOLDER / "plate_event.avsc")


@pytest.fixture(scope="module")
def rules(schema: EventSchema) -> RuleSet:
    """The site's rules."""
    return load_rules([FOLDER / "rules.yaml"], schema, VARIABLES)


def test_they_load_without_a_warning_and_pass_their_own_tests(
    schema: EventSchema, rules: RuleSet
) -> None:
    assert [str(warning) for warning in rules.warnings] == []
    results = run_tests(rules.rules, schema, BERLIN)
    assert [(each.rule_id, each.problem) for each in results if not each.is_passed] == []


def test_a_time_reads_as_iso_8601_in_messages_and_alerts(
    schema: EventSchema, rules: RuleSet
) -> None:
    given = {
        "captured_at": FOUR + timedelta(milliseconds=250),
        "permit_until": FOUR,
        "opened_at": "2025-12-25T17:00:00",
        "plate": {"normalized_text": "ABC123"},
    }
    event = make_event(schema.complete(given), zone=BERLIN)
    seen, by_default = (
        render(rule, event, 0, FOUR)[0]
        for rule in rules.rules
        if rule.rule_id in ("seen", "by-default")
    )
    assert seen.message == (
        "ABC123 2025-12-25T16:00:00.25Z 16:00 2025-12-25T16:00:00Z 2025-12-25T17:00:00"
    )
    assert seen.captured_at == "2025-12-25T16:00:00.25Z"
    assert "2025-12-25T16:00:00.25Z" in by_default.message


@pytest.mark.parametrize(
    ("event", "what"),
    [
        ("{captured_at: '2025-12-25T16:00:00'}", "the text `2025-12-25T16:00:00`"),
        ("{captured_at: noon}", "`noon`"),
        ("{captured_at: 1766678400000}", "`1766678400000`"),
        ("{permit_until: ''}", "the text ``"),
    ],
)
def test_a_test_gives_a_time_as_iso_8601_with_its_zone(
    schema: EventSchema, tmp_path: Path, event: str, what: str
) -> None:
    file = tmp_path / "rules.yaml"
    test = f"{{event: {event}, expect: match}}"
    file.write_text(f"rules: [{{id: a, when: 'true', notify: [], tests: [{test}]}}]")
    with pytest.raises(RulesError) as caught:
        load_rules([file], schema, {})
    (fault,) = caught.value.faults
    assert f"is {what}, but the event has a time with a zone there" in fault.what
    assert "write it in ISO 8601 with its zone, like '2025-12-25T16:00:00Z'" in fault.remedy


def test_the_demos_cameras_speak_the_sites_schema(schema: EventSchema, rules: RuleSet) -> None:
    cameras = Cameras(examples_of(rules.rules), random.Random(1))
    for event in cameras.events(iter([NOON] * 60)):
        written = as_written(event, schema, BERLIN)
        read = schema.reader(schema.text)(body(written, schema.text))
        made = make_event(read, zone=BERLIN)
        assert NOON - timedelta(days=1) < made.time <= NOON
        assert made.values["camera_id"]
        assert json.dumps(written, default=str)


def test_rules_that_take_an_instant_for_a_text_are_refused(
    schema: EventSchema, tmp_path: Path
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("rules: [{id: a, when: captured_at.startsWith('2025'), notify: []}]")
    with pytest.raises(RulesError, match="startsWith"):
        load_rules([file], schema, {})
