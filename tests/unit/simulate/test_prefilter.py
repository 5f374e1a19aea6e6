"""Events on which no rule holds or fails are taken out of a replay, which finds the same."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka import Consumer

from engine.pipeline.active_rules import ActiveRules, prepare
from engine.simulate import prefilter as prefilter_module
from engine.simulate.prefilter import Filtered, Prefilter, Workers, worker_count
from engine.simulate.replay import ALL_EVENTS, Chosen, Replay
from engine.simulate.report import NOTHING_SEEN, Report
from engine.store import Silence
from engine.stream.decoder import Decoder
from engine.stream.record import Record, SchemaName
from engine.stream.registry import WriterSchema
from tests.support.avro import plate_schema
from tests.unit.plate import NOON, SCHEMA_ID, Writers, plate_record, record_of
from tests.unit.rules.rule_text import load

EVENTS: Final = 200
BATCH: Final = 30
PLATES: Final = tuple(f"AB{number}" for number in range(12))
NEVER: Final = "rules: [{id: never, when: plate.confidence > 2.0, notify: []}]"
RULES: Final = """\
time_intervals:
  - {name: late, times: [{start_time: "12:20", end_time: "13:00"}]}
rules:
  - id: seen
    when: plate.normalized_text in ["AB1", "AB5"] && plate.confidence > 0.5
    notify: []
    rate_limit: {cooldown_seconds: COOLDOWN, dedup_key: plate.normalized_text}
    message_template: "{plate.normalized_text} at {camera_id}, {suppressed_count} before"
  - {id: broken, when: 1 / latency_ms > 5, notify: [], rate_limit: {enabled: false}}
  - id: colour
    when: vehicle.color.startsWith("w") && plate.normalized_text == "AB7"
    notify: []
    rate_limit: {cooldown_seconds: 60, dedup_key: camera_id}
    active_time_intervals: [late]
  - {id: never, when: plate.confidence > 2.0, notify: []}
"""


def rules(folder: Path, text: str = RULES, cooldown: int = 300) -> ActiveRules:
    path = folder / f"{cooldown}-{len(text)}"
    path.mkdir()
    return prepare(load(path, text.replace("COOLDOWN", str(cooldown))))


def reading(chance: random.Random, second: int) -> Record:
    """A reading, whose vehicle, latency and times may be odd."""
    colour = chance.choice(["white", "red", "white", None])
    record = plate_record(
        second,
        event_id=f"e-{second}",
        camera_id=f"cam-{chance.randrange(3)}",
        latency_ms=0 if chance.random() < 0.05 else 40,
        plate={
            "normalized_text": chance.choice(PLATES),
            "confidence": round(chance.uniform(0.2, 1.4), 2),
        },
        vehicle={"color": colour},
        **({"captured_at": "yesterday"} if chance.random() < 0.03 else {}),
    )
    odd = chance.random()
    if odd < 0.05:
        return replace(record, timestamp_ms=0)
    if odd < 0.1:
        return replace(record, timestamp_ms=record.timestamp_ms // 1_000)
    if odd < 0.12:
        return replace(record, timestamp_ms=record.timestamp_ms - 9 * 86_400_000)
    return record


def records(chance: random.Random) -> list[Record]:
    """Readings, with some that come twice, tombstones, garbage and an unknown schema among them."""
    found: list[Record] = []
    for second in range(EVENTS):
        kind = chance.random()
        if kind < 0.02:
            found.append(record_of(None, second))
        elif kind < 0.04:
            found.append(record_of(chance.choice([b"", b"garbage", b"\0\0\0\0\7", b"{}"]), second))
        elif kind < 0.05:
            found.append(record_of(b"\0\0\0\0\x63" + b"x" * 40, second))
        elif kind < 0.07 and found:
            found.append(chance.choice(found))
        else:
            found.append(reading(chance, second * 5))
    return found


def everything(replay: Replay) -> Mapping[str, Any]:
    """All that a replay has found."""
    return {
        "reports": [
            _report(each) for each in (replay.report, replay.against_report) if each is not None
        ],
        "faults": replay.faults,
        "differences": replay.comparison.rules,
    }


def _report(report: Report) -> Any:
    rules = {
        rule_id: (replace(each, times=None), each.times._counts)  # type: ignore[arg-type]
        for rule_id, each in report.rules.items()
    }
    return report.events, report.first_us, report.last_us, rules, report.alerts


def batches(given: Sequence[Record]) -> Iterator[list[Record]]:
    return (list(given[start : start + BATCH]) for start in range(0, len(given), BATCH))


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 12))]
)
@pytest.mark.parametrize(
    ("chosen", "has_against"),
    [
        (ALL_EVENTS, False),
        (ALL_EVENTS, True),
        (Chosen(NOON + timedelta(minutes=3), NOON + timedelta(minutes=25)), False),
        (Chosen(until=NOON + timedelta(minutes=20), plate="ab-5"), True),
    ],
)
def test_what_is_left_gives_what_all_gives(
    tmp_path: Path, seed: int, chosen: Chosen, has_against: bool
) -> None:
    ours = rules(tmp_path)
    theirs = rules(tmp_path, RULES.replace('"AB1", "AB5"', '"AB3", "AB5"'), cooldown=60)
    silence = Silence(plate="AB1", starts_us=0, ends_us=round(NOON.timestamp() * 1e6) + 400_000_000)
    more: dict[str, Any] = {
        "against": theirs if has_against else None,
        "chosen": chosen,
        "keeps_alerts": True,
        "silences": [silence],
        "decodes_again": True,
    }
    given = records(random.Random(seed))
    schema = plate_schema()
    with Replay(ours, Decoder(schema, Writers(), UTC), **more) as whole:
        for batch in batches(given):
            whole.process(batch)
    decoder = Decoder(schema, Writers(), UTC)
    prefilter = Prefilter(schema, UTC, [ours, theirs][: 1 + has_against], chosen)
    count_left = 0
    with Replay(ours, decoder, **more) as filtered:
        for batch in batches(given):
            prefilter.learn(decoder.writers)
            left, passed = prefilter.filter(batch)
            count_left += len(left)
            filtered.process([batch[position] for position in left], passed)
    assert everything(filtered) == everything(whole)
    assert whole.report.alerts or chosen.plate
    assert EVENTS / 10 < count_left < EVENTS * 0.7


def test_without_their_writer_schema_all_records_are_left(tmp_path: Path) -> None:
    prefilter = Prefilter(plate_schema(), UTC, [rules(tmp_path, NEVER)], ALL_EVENTS)
    given = [plate_record(0), plate_record(1)]
    assert prefilter.filter(given) == ([0, 1], NOTHING_SEEN)
    prefilter.learn({SCHEMA_ID: WriterSchema(plate_schema().text)})
    left, passed = prefilter.filter(given)
    assert (left, passed.events) == ([], 2)
    assert (passed.first, passed.last) == (NOON, NOON + timedelta(seconds=1))


def test_a_schema_that_was_replaced_is_used_no_more(tmp_path: Path) -> None:
    prefilter = Prefilter(plate_schema(), UTC, [rules(tmp_path, NEVER)], ALL_EVENTS)
    given = [plate_record(0)]
    prefilter.learn({SCHEMA_ID: WriterSchema(plate_schema().text)})
    assert prefilter.filter(given)[0] == []
    prefilter.learn({SCHEMA_ID: WriterSchema('"string"')})
    assert prefilter.filter(given)[0] == [0]


class Broken:
    """Rules whose evaluation fails in a way that nobody knows."""

    def match(self, event: object) -> Any:
        raise RuntimeError


def test_a_record_that_our_own_processing_fails_on_is_left(tmp_path: Path) -> None:
    active = replace(rules(tmp_path, NEVER), matcher=Broken())  # type: ignore[arg-type]
    prefilter = Prefilter(plate_schema(), UTC, [active], ALL_EVENTS)
    prefilter.learn({SCHEMA_ID: WriterSchema(plate_schema().text)})
    assert prefilter.filter([plate_record(0)]) == ([0], NOTHING_SEEN)


class Source:
    """Batches that are at hand."""

    def __init__(self, given: Sequence[Record]) -> None:
        self.decoder = Decoder(plate_schema(), Writers(), UTC)
        self._given = given

    @property
    def writers(self) -> Mapping[SchemaName, WriterSchema]:
        return self.decoder.writers

    def batches(self, size: int = BATCH) -> Iterator[list[Record]]:
        return batches(self._given)


def test_without_processes_batches_stay_as_they_are(tmp_path: Path) -> None:
    given = [plate_record(number) for number in range(2 * BATCH)]
    prefilter = Prefilter(plate_schema(), UTC, [rules(tmp_path, NEVER)], ALL_EVENTS)
    with Workers(0, prefilter) as workers:
        found = list(workers.filtered(Source(given)))  # type: ignore[arg-type]
    assert found == [
        Filtered(given[:BATCH], NOTHING_SEEN),
        Filtered(given[BATCH:], NOTHING_SEEN),
    ]


@pytest.mark.parametrize(
    ("limit", "cores", "expected"),
    [
        ("max 100000", 8, 4),
        ("max 100000", 3, 3),
        ("max 100000", 1, 0),
        ("200000 100000", 8, 2),
        ("150000 100000", 8, 0),
        (None, 2, 2),
        ("nonsense", 2, 2),
    ],
)
def test_there_are_no_more_processes_than_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str | None, cores: int, expected: int
) -> None:
    if limit is not None:
        (tmp_path / "cpu.max").write_text(limit + "\n")
    threads = tmp_path / "threads"
    for number, name in (("1", "python"), ("2", "python")):
        (threads / number).mkdir(parents=True)
        (threads / number / "comm").write_text(name)
    monkeypatch.setattr(prefilter_module, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(prefilter_module, "_THREADS", threads)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    monkeypatch.setattr("sys._current_frames", lambda: {1: None})
    assert worker_count() == expected
    # A copy of a process has one of its threads only, and the locks of all.
    (threads / "2" / "comm").write_text("rdk:main")
    assert worker_count() == 0
    (threads / "2" / "comm").write_text("python")
    monkeypatch.setattr("sys._current_frames", lambda: {1: None, 2: None})
    assert worker_count() == 0
    monkeypatch.setattr("sys._current_frames", lambda: {1: None})
    (threads / "2" / "comm").unlink()
    assert worker_count() == 0


def test_a_process_with_a_kafka_client_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1}, raising=False)
    monkeypatch.setattr("sys._current_frames", lambda: {1: None})
    consumer = Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "none", "log_level": 0})
    try:
        assert worker_count() == 0
    finally:
        consumer.close()
