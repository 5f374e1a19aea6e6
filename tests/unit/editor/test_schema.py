"""The JSON schema of rule files is up to date, accepts what loads, and refuses slips of keys."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from channels.definitions.keys import KeyGroup
from engine.editor.schema import (
    MODELINE,
    definition_name,
    rules_schema,
    schema_texts,
)
from engine.editor.schema import (
    tests_schema as make_tests_schema,
)
from engine.rules.keys import (
    ALERT,
    CAMERA,
    CAMERA_SILENT,
    CONDITION,
    EXPECTED,
    FILE,
    INTERVAL,
    NOTIFICATIONS,
    PATTERN,
    RATE_LIMIT,
    RULE,
    SILENCE,
    TEST,
    TIME_RANGE,
    WATCHLIST,
)
from tests.support.avro import plate_schema
from tests.support.handbook import ROOT, SNIPPETS
from tests.support.json_schema import complaints

SCHEMA = rules_schema(plate_schema())
OF_TESTS = make_tests_schema(plate_schema())
SAMPLES = sorted((ROOT / "rules").glob("*.yaml"))
GOOD = [*SAMPLES, *sorted((ROOT / "tests" / "data" / "good_rules").glob("*.yaml"))]
RULE_TEXT = "rules:\n  - {id: gate, when: 'true', notify: []}\n"


def test_the_shipped_schemas_are_those_of_the_readers() -> None:
    for name, text in schema_texts(plate_schema()).items():
        assert (ROOT / "schemas" / name).read_text(encoding="utf-8") == text, "make schema"


def test_it_is_a_json_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.Draft7Validator.check_schema(OF_TESTS)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_names_the_schema_in_its_first_line(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith(f"# {MODELINE}")
    named = path.parent / first.removeprefix(f"# {MODELINE}")
    assert json.loads(named.read_text(encoding="utf-8")) == SCHEMA


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_it_accepts_what_loads(path: Path) -> None:
    assert complaints(path.read_text(encoding="utf-8"), SCHEMA) == []


def test_it_accepts_what_the_pages_show() -> None:
    for snippet in SNIPPETS:
        if snippet.language == "yaml" and "file" not in snippet.attributes:
            assert complaints(snippet.text, SCHEMA) == [], snippet.place


@pytest.mark.parametrize(
    "text",
    [
        "rule: []",
        RULE_TEXT.replace("when", "whne"),
        RULE_TEXT.replace("id: gate, ", ""),
        RULE_TEXT.replace("notify: []", "notify: email"),
        RULE_TEXT.replace("notify: []", "priority: urgent"),
        RULE_TEXT.replace("notify: []", "enabled: maybe"),
        RULE_TEXT.replace("notify: []", "rate_limit: {cooldown: 5}"),
        RULE_TEXT.replace("notify: []", "rate_limit: {cooldown_seconds: 5m}"),
        RULE_TEXT.replace("notify: []", "conditions: [{field: a, operator: equals}]"),
        RULE_TEXT.replace("notify: []", "conditions: [{field: a, operator: is, value: b}]"),
        RULE_TEXT.replace("notify: []", "tests: [{event: {}, expect: yes}]"),
        RULE_TEXT.replace("notify: []", "tests: [{event: {}, expect: {alrt: {}}}]"),
        RULE_TEXT.replace("notify: []", "active_time_interval: [night]"),
        "time_intervals: [{name: night, times: [{start: '22:00'}]}]",
        "channels: {guards: {urll: 'https://example.com'}}",
        "notifications: {mail: {}}",
        "notifications: {email: {host: a}}",
        "watchlists: {stolen: {path: a.csv}}",
        "cameras: {gate-a: {silent_for: 5m}}",
        "cameras: {gate-a: {}}",
        "camera_silent: {template: a}",
    ],
)
def test_it_refuses_what_no_file_may_hold(text: str) -> None:
    assert complaints(text, SCHEMA)


GROUPS = (
    *(FILE, RULE, CONDITION, TEST, RATE_LIMIT, WATCHLIST, NOTIFICATIONS, INTERVAL, PATTERN),
    *(TIME_RANGE, SILENCE, EXPECTED, ALERT, CAMERA, CAMERA_SILENT),
)


@pytest.mark.parametrize("group", GROUPS, ids=definition_name)
def test_every_key_has_a_meaning_and_a_value_as_an_example(group: KeyGroup) -> None:
    about = SCHEMA["properties"] if group is FILE else _properties(group)
    for key in group.keys:
        assert key.meaning.endswith("."), key.name
        assert key.example is not None or key.group is not None, key.name
        if key.example is not None:
            shown = {**about[key.name], "definitions": SCHEMA["definitions"]}
            assert jsonschema.Draft7Validator(shown).is_valid(key.example), key.name


def _properties(group: KeyGroup) -> dict[str, dict[str, object]]:
    found = SCHEMA["definitions"][definition_name(group)]
    properties = found.get("properties") or found["anyOf"][0]["properties"]
    assert isinstance(properties, dict)
    return properties


def test_a_file_of_tests_has_a_schema_of_its_own() -> None:
    text = """\
tests:
  - name: only one
    event: {camera_id: gate}
    expect: [gate]
  - events: [{at: "2025-07-01T22:00:00Z"}, {at: +2m, received_at: +3m}]
    silences: [{rule: gate, until: +1h}]
    expect:
      - {gate: suppressed, door: {alert: {message: x, suppressed_count: 1}}}
      - []
"""
    assert complaints(text, OF_TESTS) == []
    for wrong in (
        text.replace("tests:", "rules:"),
        text.replace("suppressed,", "held,"),
        text.replace("message", "text"),
        text.replace("until", "till"),
        text.replace("[gate]", "gate"),
    ):
        assert complaints(wrong, OF_TESTS), wrong
