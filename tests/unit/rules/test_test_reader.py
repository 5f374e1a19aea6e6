"""A rule's tests are read: single events, sequences with times, and what is expected of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.pipeline.outcome import Verdict
from engine.rules import Expect, ExpectedAlert, RuleTest, examples_of, load_rules
from engine.schema import EventSchema
from tests.unit.rules.rule_text import faults, one, rule_faults, schema


def read(folder: Path, test: str) -> RuleTest:
    """The only test of a rule, as it stands in its flow mapping."""
    (found,) = one(folder, f"when: 'true', tests: [{{{test}}}]").tests
    return found


def captured(folder: Path, *events: str) -> list[object]:
    """The `captured_at` of each event of a sequence."""
    expect = ", ".join(["match"] * len(events))
    test = read(folder, f"events: [{', '.join(events)}], expect: [{expect}]")
    return [event.values["captured_at"] for event in test.events]


def test_tests_keep_name_events_and_expectations(tmp_path: Path) -> None:
    rule = one(
        tmp_path,
        "when: true, tests: [{name: one, event: {plate: {text: 0123}}, expect: match},"
        " {event: {}, expect: no_match}]",
    )
    first, second = rule.tests
    assert (first.name, first.expectations) == ("one", (Expect.MATCH,))
    assert [event.values for event in first.events] == [{"plate": {"text": "0123"}}]
    assert (second.name, second.expectations) == ("test 2", (Expect.NO_MATCH,))
    assert [event.values for event in second.events] == [{}]
    assert first.place.line == 2


def test_no_tests_are_no_fault(tmp_path: Path) -> None:
    assert one(tmp_path, "when: true, tests: []").tests == ()
    assert one(tmp_path, "when: true, tests: ~").tests == ()


def test_what_an_event_does_not_give_is_as_in_the_event_before(tmp_path: Path) -> None:
    test = read(
        tmp_path,
        "events: [{plate: {normalized_text: A, confidence: 0.9}, camera_id: x},"
        " {plate: {confidence: 0.5}}, {camera_id: y}], expect: [match, match, match]",
    )
    first, second, third = (dict(event.values) for event in test.events)
    assert second["plate"] == {"normalized_text": "A", "confidence": 0.5}
    assert (first["camera_id"], second["camera_id"], third["camera_id"]) == ("x", "x", "y")
    assert third["plate"] == second["plate"]


def test_the_times_of_a_sequence_follow_each_other(tmp_path: Path) -> None:
    assert captured(
        tmp_path, "{at: '2025-07-01T22:00:00-04:00'}", "{at: +2m}", "{}", "{at: +1d}"
    ) == [
        "2025-07-01T22:00:00-04:00",
        "2025-07-01T22:02:00-04:00",
        "2025-07-01T22:02:00-04:00",
        "2025-07-02T22:02:00-04:00",
    ]


def test_a_sequence_begins_where_its_first_event_was_captured(tmp_path: Path) -> None:
    assert captured(tmp_path, "{captured_at: '2025-03-01T12:00:00Z'}", "{at: +90}") == [
        "2025-03-01T12:00:00Z",
        "2025-03-01T12:01:30Z",
    ]


def test_a_sequence_without_times_begins_with_the_year_2025(tmp_path: Path) -> None:
    assert captured(tmp_path, "{}", "{at: +1s}") == ["2025-01-01T00:00:00Z", "2025-01-01T00:00:01Z"]


def test_a_step_over_the_change_of_clocks_takes_as_long_as_it_says(tmp_path: Path) -> None:
    text = (
        "rules: [{id: a, when: 'true', notify: [], tests: [{events:"
        " [{at: '2025-03-30T01:30:00'}, {at: +1h}], expect: [match, match]}]}]"
    )
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    (rule,) = load_rules([path], schema(), {}, zone=ZoneInfo("Europe/Berlin")).rules
    first, second = rule.tests[0].events
    assert first.values["captured_at"] == "2025-03-30T01:30:00"
    assert second.values["captured_at"] == "2025-03-30T03:30:00+02:00"


def test_a_single_event_may_say_when_it_was_captured_and_received(tmp_path: Path) -> None:
    (event,) = read(
        tmp_path, "event: {at: '2025-03-01T12:00:00Z', received_at: +2d}, expect: expired"
    ).events
    assert event.values == {"captured_at": "2025-03-01T12:00:00Z"}
    assert event.received_at == datetime(2025, 3, 3, 12, tzinfo=UTC)


def test_the_delay_of_an_event_is_its_own(tmp_path: Path) -> None:
    test = read(tmp_path, "events: [{received_at: +1h}, {at: +1s}], expect: [match, match]")
    first, second = test.events
    assert first.received_at == datetime(2025, 1, 1, 1, tzinfo=UTC)
    assert second.received_at is None


def test_fields_of_the_site_named_at_stay_fields(tmp_path: Path) -> None:
    site = EventSchema.parse(
        schema().text.replace('"fields": [', '"fields": [{"name": "at", "type": "string"},', 1)
    )
    path = tmp_path / "rules.yaml"
    path.write_text(
        "rules: [{id: a, when: 'true', notify: [], tests: [{event: {at: door}, expect: match}]}]"
    )
    (rule,) = load_rules([path], site, {}).rules
    assert rule.tests[0].events[0].values == {"at": "door"}


@pytest.mark.parametrize("expect", Expect)
def test_every_verdict_can_be_expected(tmp_path: Path, expect: Expect) -> None:
    assert read(tmp_path, f"event: {{}}, expect: {expect}").expectations == (expect,)


def test_what_can_be_expected_is_what_the_pipeline_says() -> None:
    assert {*Expect} - {Expect.MATCH, Expect.NO_MATCH} == {*map(str, Verdict)}


def test_an_alert_is_expected_with_its_texts(tmp_path: Path) -> None:
    test = read(
        tmp_path,
        "event: {}, expect: {alert: {message: A, subject: B, sms: C, suppressed_count: 0,"
        " matched_plate: D}}",
    )
    assert test.expectations == (ExpectedAlert("A", "B", "C", 0, "D"),)


def test_an_alert_of_the_very_plate_is_expected_by_an_empty_text(tmp_path: Path) -> None:
    test = read(tmp_path, "event: {}, expect: {alert: {matched_plate: ''}}")
    assert test.expectations == (ExpectedAlert(matched_plate=""),)


def test_the_examples_are_the_events_that_have_to_match(tmp_path: Path) -> None:
    rule = one(
        tmp_path,
        "when: 'true', tests: [{events: [{latency_ms: 1}, {latency_ms: 2}, {latency_ms: 3}],"
        " expect: [{alert: {message: A}}, no_match, suppressed]}]",
    )
    assert [event["latency_ms"] for event in examples_of([rule])] == [1, 3]


TIME = "write it like '2025-12-25T16:00:00Z'"


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ("{event: {}}", "the test has no `expect`"),
        ("{expect: match}", "the test has no `event`"),
        ("{event: {}, expect: matches}", "`expect` can't be `matches`, did you mean `match`?"),
        ("{event: {}, expect: fires}", "`expect` can't be `fires`, write match"),
        (
            "{event: {}, expect: odd}",
            "`expect` can't be `odd`, write match, no_match or one of fal",
        ),
        (
            "{event: {}, expect: [match]}",
            "`expect` must be a text, but it is a list, write one exp",
        ),
        ("{event: {}, expect: {}}", "`expect` is empty"),
        ("{event: {}, expect: {alarm: {}}}", "unknown key `alarm` in `expect`, did you mean `aler"),
        ("{event: {}, expect: {alert: {text: a}}}", "unknown key `text` in `alert`"),
        (
            "{event: {}, expect: {alert: {suppressed_count: -1}}}",
            "`suppressed_count` is no whole number",
        ),
        ("{event: {}, events: [{}], expect: match}", "the test has `event` and `events`"),
        ("{events: [], expect: []}", "`events` is empty"),
        ("{events: [{}], expect: match}", "`expect` of several events must be a list, but it is a"),
        ("{events: [{}, {}], expect: [match]}", "`expect` has 1 items, but there are 2 events"),
        ("{event: {}, expect: match, when: x}", "unknown key `when` in a test"),
        ("{event: [], expect: match}", "`event` must be a mapping, but it is a list"),
        ("{event: {camera: a}, expect: match}", "unknown key `camera` in the event"),
        ("{event: {time: a}, expect: match}", "`time` is no field of the event"),
        ("{event: {captured_at: noon}, expect: match}", "`captured_at` is no time: `noon`"),
        ("{event: {at: noon}, expect: match}", f"`at` is no time: `noon`, {TIME}"),
        ("{event: {at: +2m}, expect: match}", "`at` is `+2m`, but there is no time before it"),
        (
            "{events: [{}, {at: +2x}], expect: [match, match]}",
            "`at` is no time: `+2x`, write it like +90s, +2m, +24h or +7d",
        ),
        (
            "{events: [{}, {at: soon}], expect: [match, match]}",
            f"`at` is no time: `soon`, {TIME}, or like +2m: so long after the event before",
        ),
        (
            "{event: {at: '2025-01-01T00:00:00Z', captured_at: '2025-01-01T00:00:00Z'},"
            " expect: match}",
            "the event has `at` and `captured_at`, remove one",
        ),
        ("{event: {received_at: late}, expect: match}", "`received_at` is no time: `late`"),
        ("{event: {camera_id: null}, expect: match}", "`camera_id` is empty"),
        ("text", "a test must be a mapping, but it is a text"),
    ],
)
def test_a_faulty_test_is_an_error(tmp_path: Path, test: str, told: str) -> None:
    (found,) = rule_faults(tmp_path, f"when: true, tests: [{test}]")
    assert found.startswith(told)


def test_a_fault_of_a_sequence_has_its_place(tmp_path: Path) -> None:
    text = (
        "rules:\n  - id: a\n    when: true\n    notify: []\n    tests:\n"
        "      - events:\n          - {}\n          - {at: +5m, plte: {}}\n"
        "        expect: [match, match]\n"
    )
    assert faults(tmp_path, text) == [
        "8:23: unknown key `plte` in the event, did you mean `plate`?"
    ]


def test_the_longest_step_is_no_defect(tmp_path: Path) -> None:
    days = timedelta.max.days
    (found,) = rule_faults(
        tmp_path,
        f"when: true, tests: [{{events: [{{}}, {{at: +{days}d}}], expect: [match, match]}}]",
    )
    assert found.startswith("`at` is no time: ")


@pytest.mark.parametrize(
    ("silence", "told"),
    [
        ("until: +1h", "the silence would silence everything, give it a `rule`, a `plate`"),
        ("plate: '--'", "the plate `--` holds no letter A to Z and no digit"),
        ("when: plate.normalised_text == 'A'", "'plate' has no field 'normalised_text'"),
        ("when: latency_ms", "`when` must be true or false, but this is an int"),
        ("when: [a]", "`when` must be a text, but it is a list"),
        ("plate: A, until: soon", "`until` is no time: `soon`"),
        ("plate: A, from: +2x", "`from` is no time: `+2x`"),
        ("plate: A, from: +2h, until: +1h", "the silence ends before it begins"),
        ("plates: A", "unknown key `plates` in a silence, did you mean `plate`?"),
    ],
)
def test_a_faulty_silence_is_an_error(tmp_path: Path, silence: str, told: str) -> None:
    test = f"{{events: [{{}}], expect: [match], silences: [{{{silence}}}]}}"
    found = rule_faults(tmp_path, f"when: true, tests: [{test}]")
    assert any(each.startswith(told) for each in found), found


def test_silences_have_matchers_and_times(tmp_path: Path) -> None:
    (silence,) = read(
        tmp_path,
        "event: {at: '2025-03-01T12:00:00Z'}, expect: match, silences:"
        " [{camera: gate, until: +1h}]",
    ).silences
    assert silence.camera_id == "gate"
    assert (silence.starts, silence.ends) == (None, datetime(2025, 3, 1, 13, tzinfo=UTC))
