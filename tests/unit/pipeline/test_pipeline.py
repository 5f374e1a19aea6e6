from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from engine.errors import RegistryUnavailableError, StoreUnavailableError
from engine.match import Matcher, MatchResult
from engine.metrics import Metrics
from engine.pipeline.active_rules import prepare
from engine.pipeline.cooldown import Cooldown
from engine.pipeline.event_log import EventLog
from engine.pipeline.pipeline import Pipeline
from engine.rules import Rule
from engine.schema.event import CurrentInstants, Event
from engine.store import Store, Stream, open_store
from engine.stream.decoder import Decoder
from engine.stream.record import DeadLetterType
from tests.support.avro import plate_schema
from tests.support.rule_files import load_text
from tests.unit.manual_time import ManualTime
from tests.unit.plate import NOON, Writers, plate_record, record_of

RULES = """
channels: {ops: 'json://localhost'}
rules:
  - id: watch
    name: Watch
    priority: high
    conditions: [{field: plate.normalized_text, operator: in_list, value: [ABC123]}]
    notify: [ops]
  - {id: make, name: Make, when: 'vehicle.make.startsWith("T")', notify: []}
"""


class Bench:
    """A pipeline on real parts but for the registry and the clock; on a store of its own or not.

    `stream` takes the place of the store's.
    """

    def __init__(
        self,
        folder: Path,
        rules: str = RULES,
        store: Store | None = None,
        stream: Callable[[Stream], Any] = lambda stream: stream,
    ) -> None:
        self.writers = Writers()
        self.time = ManualTime()
        self.metrics = Metrics()
        self.steps: list[str] = []
        self.cooldown = Cooldown(timer=self.time.monotonic)
        self.store = store or open_store(f"sqlite:///{folder}/alerts.db")
        zone = NOON.tzinfo
        assert zone is not None
        self.pipeline = Pipeline(
            Decoder(plate_schema(), self.writers, zone, CurrentInstants(self.time.now, 3600)),
            self.cooldown,
            stream(self.store.stream),
            self.metrics,
            self.time,
            max_alert_age_seconds=3600,
            write_log=EventLog(self.time, log_plates=False).write,
            kill_point=self.steps.append,
        )
        self.pipeline.use(prepare(load_text(rules, folder)))


class DefectiveMatcher:
    """Fails, by a defect of ours, on the event of one offset."""

    def __init__(self, matcher: Matcher, offset: int) -> None:
        self._matcher = matcher
        self._offset = offset

    def match(self, event: Event) -> MatchResult:
        if event.offset == self._offset:
            raise ZeroDivisionError("a defect of ours")
        return self._matcher.match(event)

    def all_rules(self) -> tuple[Rule, ...]:
        return self._matcher.all_rules()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    with bench.store:
        yield bench


def test_a_match_is_stored_with_a_delivery_for_each_target(bench: Bench) -> None:
    record = plate_record()
    batch = bench.pipeline.process([record])
    assert len(batch.processed) == 1
    (fresh,) = batch.fresh
    assert fresh.targets == (("ops", "ops:mailbox"),)
    assert fresh.read_at == record.read_at
    (stored,) = bench.store.archive.alerts(10)
    assert stored.alert.alert_id == fresh.alert_id
    assert (stored.topic, stored.partition, stored.offset) == ("plates", 0, record.offset)
    assert [delivery.target_id for delivery in stored.deliveries] == ["ops:mailbox"]
    assert bench.metrics.total("alerts_triggered_total") == 1
    assert bench.metrics.total("rules_matched_total") == 1


def test_a_second_sighting_is_suppressed_and_told_by_the_next_alert(bench: Bench) -> None:
    bench.pipeline.process([plate_record(0)])
    batch = bench.pipeline.process([plate_record(10), plate_record(299)])
    assert (len(batch.processed), batch.fresh) == (2, [])
    assert bench.metrics.total("alerts_rate_limited_total") == 2
    bench.pipeline.process([plate_record(300)])
    assert bench.store.archive.alerts(1)[0].alert.suppressed_count == 2


def test_a_record_read_twice_counts_as_nothing(bench: Bench) -> None:
    record = plate_record()
    bench.pipeline.process([record])
    batch = bench.pipeline.process([record])
    assert batch.fresh == []
    assert bench.metrics.total("alerts_rate_limited_total") == 0
    assert bench.metrics.total("rules_matched_total") == 1
    assert bench.metrics.total("events_duplicate_total") == 1


def test_a_record_that_is_stored_for_one_rule_may_alert_for_another(
    bench: Bench, tmp_path: Path
) -> None:
    record = plate_record()
    bench.pipeline.process([record])
    bench.pipeline.use(prepare(load_text(RULES.replace("id: watch", "id: other"), tmp_path)))
    assert len(bench.pipeline.process([record]).fresh) == 1


def test_an_undecodable_record_is_a_dead_letter_and_the_next_one_is_processed(bench: Bench) -> None:
    poison = record_of(b"\x01garbage")
    batch = bench.pipeline.process([poison, plate_record()])
    assert len(batch.processed) == 2
    (letter,) = batch.dead_letters
    assert (letter.record, letter.error_type) == (poison, DeadLetterType.SCHEMA_VALIDATION)
    assert len(batch.fresh) == 1


def test_a_tombstone_is_counted_and_no_dead_letter(bench: Bench) -> None:
    batch = bench.pipeline.process([record_of(None)])
    assert (len(batch.processed), batch.dead_letters) == (1, [])
    assert bench.metrics.total("tombstones_total") == 1
    assert bench.metrics.total("events_consumed_total") == 0


def test_a_registry_that_is_away_settles_what_came_before(bench: Bench) -> None:
    known = plate_record(0)
    bench.pipeline.process([known])
    bench.writers.is_away = True
    value = plate_record(1000).value
    assert value is not None
    unknown = record_of(b"\0\0\0\0\x63" + value[5:])
    batch = bench.pipeline.process([plate_record(900), unknown, plate_record(2000)])
    assert len(batch.processed) == 1
    assert batch.interruption is not None
    assert len(batch.fresh) == 1


def test_a_schema_that_is_awaited_holds_up_its_own_partition_only(bench: Bench) -> None:
    value = plate_record(1000).value
    assert value is not None
    bench.writers.awaited = {0x63}
    unknown = record_of(b"\0\0\0\0\x63" + value[5:])
    behind, other = plate_record(900), dataclasses.replace(plate_record(2000), partition=1)
    batch = bench.pipeline.process([unknown, behind, other])
    assert batch.processed == [other]
    assert isinstance(batch.interruption, RegistryUnavailableError)
    assert len(batch.fresh) == 1


def test_an_error_of_one_rule_is_counted_and_logged_once_a_minute(bench: Bench) -> None:
    with structlog.testing.capture_logs() as logs:
        bench.pipeline.process([plate_record(0), plate_record(1)])
        bench.time.seconds = 60
        bench.pipeline.process([plate_record(2)])
    assert bench.metrics.total("rule_errors_total") == 3
    lines = [line for line in logs if line["event"] == "rule.error"]
    assert [(line["rule_id"], line["error_type"]) for line in lines] == [
        ("make", "null_operand")
    ] * 2


def test_an_alert_that_is_too_old_is_stored_and_not_sent(bench: Bench) -> None:
    bench.time.seconds = 3601
    batch = bench.pipeline.process([plate_record(0)])
    assert batch.fresh[0].targets == ()
    (stored,) = bench.store.archive.alerts(1)
    assert stored.is_expired
    assert stored.deliveries == ()
    assert bench.metrics.total("alerts_expired_total") == 1


def test_a_rule_without_a_channel_fires_is_stored_and_counted(bench: Bench) -> None:
    bench.pipeline.process([plate_record(plate={"normalized_text": "X"}, vehicle={"make": "Tata"})])
    assert bench.store.archive.alerts(1)[0].alert.rule_id == "make"
    assert bench.metrics.total("alerts_unrouted_total") == 1


def test_a_store_that_refuses_leaves_nothing_and_the_batch_can_be_tried_again(
    bench: Bench, tmp_path: Path
) -> None:
    bench.store.close()
    records = [plate_record(0)]
    with pytest.raises(StoreUnavailableError):
        bench.pipeline.process(records)
    assert bench.metrics.total("events_consumed_total") == 0
    again = Bench(tmp_path)
    with again.store:
        assert len(again.pipeline.process(records).fresh) == 1


def test_the_steps_are_reached_in_order(bench: Bench) -> None:
    bench.pipeline.process([plate_record()])
    assert bench.steps == ["match", "store"]


def test_an_implausible_time_is_replaced_counted_and_logged_once_a_camera(bench: Bench) -> None:
    late = plate_record(0, captured_at="2026-03-01T18:00:00")
    with structlog.testing.capture_logs() as logs:
        bench.pipeline.process([late, plate_record(1, captured_at="2026-03-01T19:00:00")])
    assert bench.metrics.total("event_time_replaced_total") == 2
    (line,) = [line for line in logs if line["event"] == "event.time_replaced"]
    assert (line["camera_id"], line["reason"]) == ("cam-1", "future")


def test_a_processing_failure_is_that_events_dead_letter_and_the_stream_goes_on(
    bench: Bench,
) -> None:
    good, bad = plate_record(0), plate_record(400)
    rules = bench.pipeline.in_force
    defective = DefectiveMatcher(rules.matcher, bad.offset)
    bench.pipeline.use(dataclasses.replace(rules, matcher=defective))
    batch = bench.pipeline.process([bad, good])
    assert len(batch.processed) == 2
    (letter,) = batch.dead_letters
    assert letter.error_type is DeadLetterType.PROCESSING_FAILURE
    assert letter.message == "ZeroDivisionError: a defect of ours"
    assert letter.stack_trace is not None
    assert "match" in letter.stack_trace
    assert len(batch.fresh) == 1


def test_a_failure_while_decoding_is_a_dead_letter_too(bench: Bench) -> None:
    class Defective(dict[int, str]):
        def __contains__(self, key: object) -> bool:
            raise RecursionError("a defect of ours")

    bench.writers.schemas = Defective()
    bad = plate_record(0)
    batch = bench.pipeline.process([bad])
    (letter,) = batch.dead_letters
    assert (len(batch.processed), letter.record) == (1, bad)
    assert letter.error_type is DeadLetterType.PROCESSING_FAILURE
    assert bench.metrics.total("events_consumed_total") == 0


def test_values_that_the_schema_rules_out_are_counted_and_the_event_is_matched(
    bench: Bench,
) -> None:
    high = {"confidence": 12.3}
    with structlog.testing.capture_logs() as logs:
        batch = bench.pipeline.process(
            [
                plate_record(0, plate=high, latency_ms=-1),
                plate_record(400, plate=high),
                plate_record(800),
            ]
        )
    assert len(batch.fresh) == 3
    counts = {
        name: bench.metrics.event_values_out_of_range.labels(name)._value.get()
        for name in plate_schema().promises.fields
    }
    assert counts == {
        "plate.normalized_text": 0,
        "plate.confidence": 2,
        "latency_ms": 1,
        "extras.quality_score": 0,
    }
    lines = [line for line in logs if line["event"] == "event.value_out_of_range"]
    assert [line["field"] for line in lines] == ["plate.confidence", "latency_ms"]


UNREAD = """
rules:
  - {id: any, name: Any, when: 'true', notify: []}
"""


def test_unread_plates_have_a_cooldown_for_each_camera_and_track(tmp_path: Path) -> None:
    bench = Bench(tmp_path, UNREAD)
    sightings = [("c-1", "1"), ("c-2", "1"), ("c-3", "9"), ("c-1", "2"), ("c-1", "1"), ("c-3", "9")]
    with bench.store:
        records = [
            plate_record(
                number,
                camera_id=camera,
                track_id=track,
                plate={"normalized_text": " " * (number % 2)},
            )
            for number, (camera, track) in enumerate(sightings)
        ]
        batch = bench.pipeline.process(records)
        assert len(batch.fresh) == 4
        assert bench.metrics.total("alerts_rate_limited_total") == 2
        assert bench.metrics.total("dedup_key_absent_total") == 6
        assert bench.metrics.total("dedup_key_errors_total") == 0
        # A plate that is read goes on having its own.
        assert len(bench.pipeline.process([plate_record(7), plate_record(8)]).fresh) == 1


def test_without_plate_camera_and_track_nothing_is_held_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, UNREAD)
    with bench.store:
        empty = {"camera_id": "", "track_id": "", "plate": {"normalized_text": ""}}
        batch = bench.pipeline.process([plate_record(0, **empty), plate_record(1, **empty)])
        assert len(batch.fresh) == 2
        assert bench.metrics.total("dedup_key_absent_total") == 2


@pytest.mark.parametrize("key", ["dyn(type(plate.text))", "1 / int(extras.roi)"])
def test_a_key_that_fails_falls_back_to_camera_and_track(tmp_path: Path, key: str) -> None:
    keyed = RULES.replace("notify: []", f"notify: [], rate_limit: {{dedup_key: {key}}}")
    bench = Bench(tmp_path, keyed)
    with bench.store:
        records = [
            plate_record(number, vehicle={"make": "Tata"}, extras={"roi": "a"}, track_id=track)
            for number, track in enumerate(("1", "2", "1"))
        ]
        batch = bench.pipeline.process(records)
        assert batch.dead_letters == []
        assert [a.alert.rule_id for a in bench.store.archive.alerts(9)].count("make") == 2
        assert bench.metrics.total("dedup_key_errors_total") == 3
        assert bench.metrics.total("dedup_key_absent_total") == 0
        assert bench.metrics.total("rule_errors_total") == 3


def test_a_rules_error_is_logged_without_the_plate(tmp_path: Path) -> None:
    bench = Bench(tmp_path, RULES.replace('vehicle.make.startsWith("T")', "int(plate.text) > 3"))
    with bench.store, structlog.testing.capture_logs() as logs:
        bench.pipeline.process([plate_record()])
    (line,) = [line for line in logs if line["event"] == "rule.error"]
    assert "AB***" in line["error"]
    assert "ABC-123" not in line["error"]


@pytest.mark.parametrize(
    ("milliseconds", "reason", "remedy"),
    [
        (lambda ms: ms - 3 * 86_400_000, "past", "set the clock of the producer"),
        (lambda ms: ms + 8 * 86_400_000, "future", "set the clock of the producer"),
        (lambda ms: ms // 1_000, "unit", "let the producer"),
        (lambda ms: ms * 1_000, "unit", "let the producer"),
        (lambda ms: 300_000, "past", "set the clock of the producer"),
    ],
    ids=["days behind", "days ahead", "seconds", "microseconds", "since the start of the machine"],
)
def test_a_producer_with_wrong_timestamps_expires_no_right_alert(
    bench: Bench, milliseconds: Callable[[int], int], reason: str, remedy: str
) -> None:
    right = [plate_record(0), plate_record(400)]
    wrong = [
        dataclasses.replace(each, timestamp_ms=milliseconds(each.timestamp_ms)) for each in right
    ]
    bench.time.seconds = 600.0
    with structlog.testing.capture_logs() as logs:
        batch = bench.pipeline.process(wrong)
    assert len(batch.fresh) == 2, "neither expired nor suppressed by a time that stands still"
    assert not any(stored.is_expired for stored in bench.store.archive.alerts(10))
    assert bench.metrics.total("record_time_replaced_total") == 2
    assert bench.metrics.total("event_time_replaced_total") == 0
    (line,) = [each for each in logs if each["event"] == "record.time_replaced"]
    assert (line["topic"], line["reason"]) == ("plates", reason)
    assert line["remedy"].startswith(remedy)
