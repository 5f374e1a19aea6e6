"""The JSON schema of rule files is up to date, accepts what loads, and refuses slips of keys."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from engine.editor.schema import FILE_NAME, MODELINE, definition_name, rules_schema, schema_text
from engine.rules.keys import (
    CONDITION,
    FILE,
    INTERVAL,
    NOTIFICATIONS,
    PATTERN,
    RATE_LIMIT,
    RULE,
    TEST,
    TIME_RANGE,
    WATCHLIST,
)
from tests.support.avro import plate_schema
from tests.support.handbook import ROOT, SNIPPETS
from tests.support.json_schema import complaints

SCHEMA = rules_schema(plate_schema())
SAMPLES = sorted((ROOT / "rules").glob("*.yaml"))
GOOD = [*SAMPLES, *sorted((ROOT / "tests" / "data" / "good_rules").glob("*.yaml"))]
RULE_TEXT = "rules:\n  - {id: gate, when: 'true', notify: []}\n"


def test_the_shipped_schema_is_that_of_the_readers() -> None:
    written = (ROOT / "schemas" / FILE_NAME).read_text(encoding="utf-8")
    assert written == schema_text(plate_schema()), "make schema"


def test_it_is_a_json_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


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
        RULE_TEXT.replace("notify: []", "active_time_interval: [night]"),
        "time_intervals: [{name: night, times: [{start: '22:00'}]}]",
        "channels: {guards: {urll: 'https://example.com'}}",
        "notifications: {mail: {}}",
        "notifications: {email: {host: a}}",
        "watchlists: {stolen: {path: a.csv}}",
    ],
)
def test_it_refuses_what_no_file_may_hold(text: str) -> None:
    assert complaints(text, SCHEMA)


def test_every_key_has_a_meaning_and_a_value_as_an_example() -> None:
    groups = (FILE, RULE, CONDITION, TEST, RATE_LIMIT, WATCHLIST, NOTIFICATIONS)
    for group in (*groups, INTERVAL, PATTERN, TIME_RANGE):
        for key in group.keys:
            assert key.meaning.endswith("."), key.name
            assert key.example is not None or key.group is not None, key.name
            if key.example is not None:
                about = (
                    SCHEMA["properties"] if group is FILE else _properties(definition_name(group))
                )
                shown = {**about[key.name], "definitions": SCHEMA["definitions"]}
                assert jsonschema.Draft7Validator(shown).is_valid(key.example), key.name


def _properties(name: str) -> dict[str, dict[str, object]]:
    found = SCHEMA["definitions"][name]
    properties = found.get("properties") or found["anyOf"][0]["properties"]
    assert isinstance(properties, dict)
    return properties
