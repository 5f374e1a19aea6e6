"""Completion offers what may stand at the cursor, also in a file that is not yet valid YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol.types import CompletionItem, TextEdit

from channels.definitions.keys import CHANNEL
from engine.editor.completion import complete
from engine.editor.cursor import cursor_at
from engine.editor.hover import explain
from engine.editor.lenses import test_places as find_tests
from engine.editor.names import defined_names
from engine.editor.text import Text
from engine.rules import Expect
from engine.rules.keys import (
    ALERT,
    CAMERA,
    CAMERA_SILENT,
    CONDITION,
    FILE,
    INTERVAL,
    RATE_LIMIT,
    RULE,
    SET_TEST,
    SILENCE,
    TEST,
    TIME_RANGE,
    WATCHLIST,
)
from tests.support.avro import plate_schema
from tests.support.handbook import ROOT

SCHEMA = plate_schema()
NAMES = {"channels": ("guards", "police"), "watchlists": ("stolen",), "time_intervals": ("night",)}
NAMES["rules"] = ("door", "gate")
EXPECTATIONS = {str(each) for each in Expect}
RULE_TEXT = "rules:\n  - id: gate\n    "


def items(text: str, file: str = "r.yaml") -> list[CompletionItem]:
    """What is offered at the `|` of a text."""
    offset = text.index("|")
    return complete(Text(file, text.replace("|", "")), offset, SCHEMA, NAMES)


def offered(text: str, file: str = "r.yaml") -> set[str]:
    return {item.label for item in items(text, file)}


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("|", FILE.names),
        ("ru|", FILE.names),
        ("rules:\n  - |", RULE.names),
        ("rules:\n- |", RULE.names),
        ("rules:\n  - wh|: true", RULE.names),
        ("rules:\n  - {wh|", RULE.names),
        ("rules:\n  - id: a\n    rate_limit:\n      |", RATE_LIMIT.names),
        ("rules:\n  - id: a\n    rate_limit: {|}", RATE_LIMIT.names),
        ("rules:\n  - id: a\n    conditions:\n      - |", CONDITION.names),
        ("rules:\n  - id: a\n    conditions: [{|", CONDITION.names),
        ("rules:\n  - id: a\n    tests:\n    - |", TEST.names),
        ("channels:\n  guards:\n    |", CHANNEL.names),
        ("channels:\n  guards: {|", CHANNEL.names),
        ("watchlists: {stolen: {|", WATCHLIST.names),
        ("rate_limit:\n  |", RATE_LIMIT.names),
        ("cameras: {gate-a: {|", CAMERA.names),
        ("camera_silent:\n  |", CAMERA_SILENT.names),
    ],
)
def test_the_keys_of_a_mapping_are_offered(text: str, keys: tuple[str, ...]) -> None:
    assert offered(text) == {*keys}


def test_the_messages_of_silent_cameras_have_variables_of_their_own() -> None:
    found = offered('camera_silent: {message_template: "nothing from {|')
    assert {"camera_id", "silent_for", "since"} <= found
    assert "plate" not in found
    assert offered("cameras: {gate-a: {active_time_intervals: [|") == {"night"}


def test_keys_that_are_there_are_not_offered_again() -> None:
    text = "rules:\n  - id: a\n    when: |-\n      id: name\n    name: b\n    |"
    left = offered(text.replace("|-", ">-"))
    assert {*RULE.names} - left == {"id", "when", "name"}
    inside = offered("rules:\n  - {id: a, when: 'x == {\"notify\": 1}', no|")
    assert {*RULE.names} - inside == {"id", "when"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("enabled: |", {"true", "false"}),
        ("priority: hi|", {"high", "medium", "low"}),
        ("notify: [|", {"guards", "police"}),
        ("notify: [guards, p|", {"guards", "police"}),
        ("notify:\n      - |", {"guards", "police"}),
        ("notify:\n    - guards\n    - p|", {"guards", "police"}),
        ("tests: [{expect: |", EXPECTATIONS),
        ("tests: [{events: [{}, {}], expect: [match, |", EXPECTATIONS),
        ("tests:\n      - expect:\n          - |", EXPECTATIONS | {"alert"}),
        ("tests: [{expect: {|", EXPECTATIONS),
        ("tests: [{expect: {alert: {|", {*ALERT.names}),
        ("tests:\n      - silences: [{|", {*SILENCE.names}),
        ("active_time_intervals: [|", {"night"}),
        ("tests:\n      - event: {plate: {|", {*SCHEMA.variables["plate"].fields}),
        ("tests:\n      - event:\n          plate:\n            te|", None),
    ],
)
def test_the_values_of_a_key_are_offered(text: str, expected: set[str] | None) -> None:
    found = offered(RULE_TEXT + text)
    assert found == (expected or {*SCHEMA.variables["plate"].fields})


def test_a_tests_event_has_the_fields_of_events() -> None:
    found = offered(RULE_TEXT + "tests:\n      - event:\n          camera_id: a\n          |")
    assert found == {*SCHEMA.variables, "at", "received_at"} - {"time", "camera_id"}
    later = offered(RULE_TEXT + "tests: [{events: [{at: +2m}, {plate: {|")
    assert later == {*SCHEMA.variables["plate"].fields}
    assert {"at", "plate"} <= offered(RULE_TEXT + "tests: [{events: [{}, {|")


def test_a_file_of_tests_has_keys_and_rules_of_its_own() -> None:
    file = "gate.test.yaml"
    assert offered("|", file) == {"tests"}
    assert offered("tests:\n  - |", file) == {*SET_TEST.names}
    assert offered("tests: [{expect: [|", file) == {"door", "gate"}
    assert offered("tests: [{expect: {gate: |", file) == EXPECTATIONS
    assert offered("tests: [{expect: {gate: {alert: {|", file) == {*ALERT.names}


def test_the_keys_of_time_intervals_are_offered() -> None:
    assert offered("time_intervals:\n  - |") == {*INTERVAL.names}
    assert offered("time_intervals: [{name: a, times: [{|") == {*TIME_RANGE.names}
    assert offered("time_intervals: [{name: a, except: [|") == {"night"}


def test_the_fields_of_conditions_are_paths() -> None:
    found = offered(RULE_TEXT + "conditions: [{field: plate.|")
    assert {"plate.normalized_text", "camera_id", "extras.direction"} <= found
    assert "plate" not in found


@pytest.mark.parametrize(
    "text",
    [
        "when: |",
        "when: plate.confidence > 1 && |",
        'when: \'camera_id == "a" || |',
        "when: >-\n      plate.confidence > 1\n      && |\n    notify: []",
        "when:\n      plate.confidence > 1 && |",
        "when: plate.confidence > 1\n      && |",
        "rate_limit: {dedup_key: |",
        "rate_limit: {dedup_key: [camera_id, |",
        "message_template: 'at {|",
        "message_template: >-\n      {{plate}} at {|",
    ],
)
def test_an_expression_has_variables_and_functions(text: str) -> None:
    found = offered(RULE_TEXT + text)
    assert {"plate", "camera_id", "time", "lower", "has", "watchlist"} <= found
    assert "contains" not in found
    assert ("suppressed_count" in found) == ("message" in text)


@pytest.mark.parametrize("text", ["when: plate.|", "when: x && plate.norm|", "when: '!plate.|"])
def test_after_a_records_dot_stand_its_fields(text: str) -> None:
    assert offered(RULE_TEXT + text) == {*SCHEMA.variables["plate"].fields}


def test_after_a_values_dot_stand_the_functions_of_its_type() -> None:
    of_text = offered(RULE_TEXT + "when: plate.text.|")
    assert {"contains", "startsWith", "matches", "lower"} <= of_text
    assert not {"getHours", "all"} & of_text
    of_time = offered(RULE_TEXT + "when: time.get|")
    assert "getHours" in of_time
    assert "contains" not in of_time
    assert {"contains", "getHours"} <= offered(RULE_TEXT + "when: lower(plate.text).|")
    assert {"math.abs", "math.ceil"} <= offered(RULE_TEXT + "when: math.|")


def test_a_watchlists_name_is_offered_in_its_call() -> None:
    text = "when: 'plate.text in watchlist(\"st|"
    assert offered(RULE_TEXT + text) == {"stolen"}
    assert offered(RULE_TEXT + "when: '!during(\"|") == {"night"}
    assert offered(RULE_TEXT + "when: 'similar(plate.text, watchlist(\"|") == {"stolen"}


@pytest.mark.parametrize("operator", ["in_watchlist", "similar_in_watchlist"])
def test_a_watchlists_name_is_offered_as_the_value_of_its_operators(operator: str) -> None:
    text = f"conditions: [{{field: plate.text, operator: {operator}, value: |"
    assert offered(RULE_TEXT + text) == {"stolen"}
    assert offered(RULE_TEXT + text.replace(operator, "similar_to")) == set()


def test_the_row_of_a_near_plate_has_its_fields() -> None:
    closest = 'when: closest(watchlist("stolen"), plate.text)'
    assert offered(RULE_TEXT + f"{closest}.|") == {"plate", "likeness", "is_ambiguous"}
    assert {"closest", "similar", "likeness"} <= offered(RULE_TEXT + f"{closest} != null && |")


def test_outside_of_placeholders_a_template_is_plain_text() -> None:
    assert offered(RULE_TEXT + "message_template: 'at {camera_id}: |") == set()


@pytest.mark.parametrize("text", ["# ru|", "channels:\n  |", "rules:\n  - id: a\n    name: b|"])
def test_where_the_author_is_free_nothing_is_offered(text: str) -> None:
    assert offered(text) == set()


@pytest.mark.parametrize(
    ("text", "label", "typed"),
    [
        ("rules:\n  - pri|", "priority", "pri"),
        (RULE_TEXT + "conditions: [{field: plate.nor|", "plate.normalized_text", "plate.nor"),
        (RULE_TEXT + "when: plate.nor|", "normalized_text", "nor"),
        (RULE_TEXT + "when: 1 < math.a|", "math.abs", "math.a"),
    ],
)
def test_an_item_takes_the_place_of_what_is_typed(text: str, label: str, typed: str) -> None:
    (item,) = [each for each in items(text) if each.label == label]
    assert isinstance(item.text_edit, TextEdit)
    place = item.text_edit.range
    assert place.end.character - place.start.character == len(typed)
    assert item.text_edit.new_text.startswith(label)


def test_functions_and_keys_come_with_their_documentation() -> None:
    for item in items(RULE_TEXT + "when: |"):
        assert item.documentation is not None, item.label
    for item in items("rules:\n  - |"):
        assert item.documentation is not None, item.label


def test_a_long_file_is_read_from_its_last_section_on() -> None:
    rules = "".join(f"  - id: r{number}\n    when: |\n      true\n" for number in range(500))
    text = f"channels: {{a: 'json://x'}}\nrules:\n{rules}  - id: last\n    "
    found = cursor_at(text, len(text))
    assert (found.path, found.is_key) == (("rules", "-"), True)
    assert {*found.siblings} == {"id"}


FILES = [
    *sorted((ROOT / "rules").glob("*.yaml")),
    *sorted((ROOT / "tests" / "data" / "good_rules").glob("*.yaml")),
    *sorted((ROOT / "tests" / "data" / "bad_rules").glob("*.yaml")),
]


def ask_everywhere(path: Path, step: int) -> None:
    """Ask for completions and help all over a file, whole and cut off at the cursor."""
    whole = path.read_bytes().decode("utf-8", "replace")
    text = Text(path.name, whole)
    assert [each for each in find_tests(text) if not each.rule_id] == []
    defined_names(whole)
    for offset in range(0, len(whole) + 1, step):
        complete(Text(path.name, whole[:offset]), offset, SCHEMA, NAMES)
        complete(text, offset, SCHEMA, NAMES)
        explain(text, offset, SCHEMA)


@pytest.mark.parametrize("path", FILES[::40], ids=lambda path: path.name)
def test_no_file_is_too_odd(path: Path) -> None:
    ask_everywhere(path, 101)


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_place_of_any_file_is_too_odd(path: Path) -> None:
    ask_everywhere(path, 11)
