"""A replay counts what rules do on recorded events, and compares two sets of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RegistryUnavailableError
from engine.pipeline.active_rules import ActiveRules, prepare
from engine.simulate.replay import Chosen, Replay
from engine.simulate.report import MOST_EXAMPLES, Report, RuleReport, Timeline
from engine.store import Silence
from engine.stream.decoder import Decoder
from engine.stream.record import Record
from tests.support.avro import plate_schema
from tests.unit.plate import NOON, Writers, plate_record, record_of
from tests.unit.rules.rule_text import load

RULES = """\
rules:
  - id: seen
    when: plate.confidence > 0.9
    notify: []
    rate_limit: {cooldown_seconds: COOLDOWN, dedup_key: plate.normalized_text}
    message_template: "{plate.normalized_text}, {suppressed_count} before"
  - {id: broken, when: 1 / latency_ms > 5, notify: [], rate_limit: {enabled: false}}
  - {id: never, when: plate.confidence > 2.0, notify: []}
"""


def rules(folder: Path, cooldown: int = 300, name: str = "a") -> ActiveRules:
    (folder / name).mkdir()
    return prepare(load(folder / name, RULES.replace("COOLDOWN", str(cooldown))))


def decoder() -> Decoder:
    return Decoder(plate_schema(), Writers(), UTC)


def seen(*seconds: float, **fields: Any) -> list[Record]:
    return [plate_record(each, **fields) for each in seconds]


def replayed(active: ActiveRules, records: Sequence[Record], **more: Any) -> Report:
    with Replay(active, decoder(), **more) as replay:
        for each in records:
            replay.process([each])
        return replay.report


def counts(rule: RuleReport) -> tuple[int, int, int, int]:
    return rule.matches, rule.alerts, rule.suppressed, rule.errors


def test_every_rule_has_its_counts(tmp_path: Path) -> None:
    report = replayed(rules(tmp_path), seen(0, 120, 360))
    assert report.events == 3
    assert {name: counts(each) for name, each in report.rules.items()} == {
        "seen": (3, 2, 1, 0),
        "broken": (0, 0, 0, 3),
        "never": (0, 0, 0, 0),
    }


def test_alerts_are_listed_as_they_would_have_been_sent(tmp_path: Path) -> None:
    report = replayed(rules(tmp_path), seen(0, 120, 360), keeps_alerts=True)
    found = [(each.rule_id, each.plate, each.message) for each in report.alerts]
    assert found == [("seen", "ABC123", "ABC123, 0 before"), ("seen", "ABC123", "ABC123, 1 before")]
    assert report.alerts[1].suppressed_count == 1
    assert report.alerts[1].event_id == "e-1"
    assert report.alerts[1].captured_at == "2026-03-01T12:06:00Z"


def test_an_alert_of_a_near_match_has_the_plate_that_was_meant(tmp_path: Path) -> None:
    when = 'similar(plate.normalized_text, "ABC123")'
    near = prepare(load(tmp_path, f"rules:\n  - {{id: near, notify: [], when: '{when}'}}\n"))
    records = [*seen(0, plate={"normalized_text": "A8C123"}), *seen(1)]
    report = replayed(near, records, keeps_alerts=True)
    assert [(each.plate, each.matched_plate, each.likeness) for each in report.alerts] == [
        ("A8C123", "ABC123", 1 - 20 / 600),
        ("ABC123", "", 1.0),
    ]


@pytest.mark.parametrize(
    ("key", "read"),
    [
        ("plate.normalized_text", ["A8C123", "ABC123", "ABCI23"]),
        ('closest(watchlist("stolen"), plate.normalized_text).plate', ["A8C123"]),
    ],
)
def test_misreadings_of_one_car_share_a_cooldown_where_the_key_is_the_listed_plate(
    tmp_path: Path, key: str, read: list[str]
) -> None:
    (tmp_path / "stolen.csv").write_text("plate\nABC-123\nXYZ789\n")
    text = (
        "watchlists: {stolen: {file: stolen.csv}}\nrules:\n  - id: near\n    notify: []\n"
        "    conditions:\n      - {field: plate.normalized_text, operator: similar_in_watchlist,"
        f" value: stolen}}\n    rate_limit: {{dedup_key: '{key}'}}\n"
    )
    near = load(tmp_path, text)
    assert near.warnings == ()
    records = [
        plate_record(second, plate={"normalized_text": plate})
        for second, plate in enumerate(("A8C123", "ABC123", "ABCI23", "XY2789"))
    ]
    report = replayed(prepare(near), records, keeps_alerts=True)
    assert [each.plate for each in report.alerts] == [*read, "XY2789"]
    assert [each.matched_plate for each in report.alerts if each.plate != "ABC123"] == [
        *["ABC123"] * (len(report.alerts) - 1 - (len(read) > 1)),
        "XYZ789",
    ]


def test_alerts_are_not_kept_unless_asked_for(tmp_path: Path) -> None:
    assert replayed(rules(tmp_path), seen(0)).alerts == []


def test_a_record_that_comes_twice_counts_once_as_a_match(tmp_path: Path) -> None:
    (record,) = seen(0)
    report = replayed(rules(tmp_path), [record, record])
    assert counts(report.rules["seen"]) == (1, 1, 0, 0)


def test_an_alert_that_is_too_old_to_be_sent_is_counted_as_such(tmp_path: Path) -> None:
    late = record_of(plate_record(0).value, 172_800)
    (found,) = [replayed(rules(tmp_path), [late]).rules["seen"]]
    assert (found.alerts, found.expired) == (1, 1)


def test_only_events_of_the_time_count_but_those_before_suppress(tmp_path: Path) -> None:
    chosen = Chosen(NOON + timedelta(seconds=60), NOON + timedelta(seconds=400))
    report = replayed(rules(tmp_path), seen(0, 120, 360, 400, 800), chosen=chosen)
    assert report.events == 2
    assert counts(report.rules["seen"]) == (2, 1, 1, 2 * 0)


def test_only_events_of_the_plate_count_however_it_is_written(tmp_path: Path) -> None:
    other = {"text": "XYZ-789", "normalized_text": "XYZ789"}
    records = [*seen(0), *seen(1, 2, plate=other)]
    report = replayed(rules(tmp_path), records, chosen=Chosen(plate="xyz-789"))
    assert report.events == 2
    assert counts(report.rules["seen"]) == (2, 1, 1, 0)


def test_what_is_no_event_is_named_and_skipped(tmp_path: Path) -> None:
    broken, tombstone = record_of(b"garbage"), record_of(None)
    with Replay(rules(tmp_path), decoder()) as replay:
        replay.process([*seen(0), broken, tombstone])
        assert replay.report.events == 1
        assert replay.faults.count == 1
        assert replay.faults.first[0].startswith(f"plates:0:{broken.offset}: ")


def test_a_registry_that_is_away_is_waited_for(tmp_path: Path) -> None:
    writers = Writers()
    writers.is_away = True
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        writers.is_away = len(waited) < 3

    source = Decoder(plate_schema(), writers, UTC)
    with Replay(rules(tmp_path), source, wait=wait) as replay:
        replay.process(seen(0, 1))
        assert replay.report.events == 2
    assert len(waited) == 3


def test_a_registry_that_stays_away_is_an_error(tmp_path: Path) -> None:
    writers = Writers()
    writers.is_away = True
    now = [0.0]

    def wait(seconds: float) -> None:
        now[0] += seconds

    source = Decoder(plate_schema(), writers, UTC)
    with (
        Replay(rules(tmp_path), source, wait=wait, timer=lambda: now[0]) as replay,
        pytest.raises(RegistryUnavailableError),
    ):
        replay.process(seen(0))


def test_two_rule_sets_are_compared_by_the_events_on_which_one_alerts(tmp_path: Path) -> None:
    ours, theirs = rules(tmp_path), rules(tmp_path, 100, "b")
    with Replay(ours, decoder(), against=theirs) as replay:
        replay.process(seen(*range(0, 1_500, 120)))
        assert replay.against_report is not None
        assert replay.report.rules["seen"].alerts == 5
        assert replay.against_report.rules["seen"].alerts == 13
        (difference,) = replay.comparison.rules.values()
    assert (difference.only_here, difference.only_against) == (0, 8)
    assert [each.captured_at[11:19] for each in difference.against] == [
        *("12:02:00", "12:04:00", "12:08:00", "12:10:00", "12:14:00")
    ]
    assert len(difference.against) == MOST_EXAMPLES


def test_the_same_rules_do_not_differ(tmp_path: Path) -> None:
    ours, theirs = rules(tmp_path), rules(tmp_path, name="b")
    with Replay(ours, decoder(), against=theirs) as replay:
        replay.process(seen(*range(0, 1_500, 120)))
        assert replay.comparison.rules == {}


def test_a_timeline_keeps_its_size_and_loses_no_count() -> None:
    timeline = Timeline()
    for hour in range(10_000):
        timeline.add(hour * 3_600_000_000)
    assert len(timeline._counts) <= 256
    counted = timeline.counts(0, 10_000 * 3_600_000_000, 10)
    assert sum(counted) == 10_000
    assert min(counted) > 900


def test_a_timeline_of_one_instant_is_one_column() -> None:
    timeline = Timeline()
    timeline.add(5_000_000)
    assert sum(timeline.counts(5_000_000, 5_000_000, 4)) == 1


def test_silenced_matches_and_those_out_of_time_are_counted_apart(tmp_path: Path) -> None:
    interval = '{name: late, times: [{start_time: "12:30", end_time: "13:00"}]}'
    when = "when: plate.confidence > 0.9"
    text = RULES.replace("COOLDOWN", "300").replace(
        when, f"{when}\n    mute_time_intervals: [late]"
    )
    first_us = round(NOON.timestamp() * 1e6)
    silence = Silence(rule_id="seen", starts_us=first_us, ends_us=first_us + 60_000_000)
    report = replayed(
        prepare(load(tmp_path, f"time_intervals: [{interval}]\n{text}")),
        seen(0, 30, 90, 1_860),
        silences=[silence],
    )
    found = report.rules["seen"]
    assert counts(found) == (4, 1, 0, 0)
    assert (found.silenced, found.out_of_time) == (2, 1)
