"""`replay` of a topic's past and of a file, beside what poll and Avro decode alone reach.

A round reads 40,000 records: of the topic, or as JSON lines or an Avro object container of a file;
it decodes them, runs them through 1,000 mixed rules and a watchlist that matches one of a thousand,
and counts. Of the topic in one process, and in one that reads and others beside it: their processor
time says what they would take on processors of their own. The memory is what all processes grow by
from the first 10^5 events to the 10^6th.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Final

import pytest
from fastavro import parse_schema, writer

from benchmarks.bare_reader import BareReader
from benchmarks.brokers import EVENTS, BrokerKind, Filled, Topics
from benchmarks.measure import Measurement
from benchmarks.mixed_rules import load
from benchmarks.plant import settings_of
from benchmarks.readings import Writers, readings
from benchmarks.replay_run import RULES, SHARE, Run, run
from benchmarks.traffic import WATCHED, rules_with_watchlist
from engine.pipeline.active_rules import ActiveRules, prepare
from engine.rules.load import collect_and_freeze
from engine.settings import Settings
from engine.simulate.replay import Replay
from engine.simulate.sources import EventSource, KafkaSource, open_file
from engine.stream.history import History
from tests.support.avro import PLATE_EVENT, plate_schema

ROUNDS: Final = 3
#: How many processes there are beside the one that reads.
WORKERS: Final = (0, 2)
FLAT_FROM: Final = 100_000
FLAT_TO: Final = 1_000_000
MB: Final = 1 << 20


@pytest.fixture
def settings(topics: Topics, filled: Filled) -> Settings:
    """Those of the filled topic, in a new group."""
    return settings_of(topics.bootstrap_servers, filled(SHARE), "sqlite:///none.db")


@pytest.fixture
def rules(tmp_path: Path) -> ActiveRules:
    """The mixed rules and the watchlist."""
    return prepare(load(rules_with_watchlist(RULES), tmp_path))


def replay(rules: ActiveRules, source: EventSource) -> None:
    """All of the source, as the command does."""
    collect_and_freeze()
    with Replay(rules, source.decoder, decodes_again=source.decodes_again) as running:
        for batch in source.batches():
            running.process(batch)
        assert running.report.events == EVENTS
        assert running.faults.count == source.faults.count == 0
        assert running.report.rules["watchlist"].matches == EVENTS * SHARE


def group(kind: BrokerKind) -> str:
    return f"replay, {kind}, {EVENTS:,} events"


def test_poll_and_decode_alone(measure: Measurement, kind: BrokerKind, settings: Settings) -> None:
    seconds = measure.rounds(
        group(kind), BareReader.read, ROUNDS, lambda: (BareReader(settings),), BareReader.close
    )
    measure.tell(f"9 replay, {kind}", "poll + decode alone", EVENTS / seconds, "events/s")


def test_a_topics_past_alone(measure: Measurement, kind: BrokerKind, settings: Settings) -> None:
    def read(history: History) -> None:
        assert sum(map(len, history.stretch().batches())) == EVENTS

    seconds = measure.rounds(group(kind), read, ROUNDS, lambda: (History(settings),), History.close)
    measure.tell(f"9 replay, {kind}", "past alone, no decode", EVENTS / seconds, "events/s")


def test_a_topics_past(
    measure: Measurement, kind: BrokerKind, settings: Settings, rules: ActiveRules
) -> None:
    def of_history(history: History) -> None:
        source = KafkaSource(history.stretch(), plate_schema(), Writers(), UTC)
        replay(rules, source)

    seconds = measure.rounds(
        group(kind), of_history, ROUNDS, lambda: (History(settings),), History.close
    )
    what = f"a topic's past, {RULES:,} rules"
    measure.tell(f"9 replay, {kind}", what, EVENTS / seconds, "events/s")


@pytest.mark.parametrize("workers", WORKERS)
def test_a_topics_past_in_processes(
    measure: Measurement, kind: BrokerKind, topics: Topics, settings: Settings, workers: int
) -> None:
    runs: list[Run] = []

    def of_topic() -> None:
        done = run(workers, "kafka", topics.bootstrap_servers, *settings.kafka_topics)
        assert (done.events, done.watched) == (EVENTS, EVENTS * SHARE)
        runs.append(done)

    # A round has the start of Python in it, so what the processes have measured counts.
    measure.rounds(f"{group(kind)}, whole processes", of_topic, ROUNDS)
    section, what = f"9 replay, {kind}", f"{workers} workers"
    best = min(each.seconds for each in runs)
    measure.tell(section, f"{what}: a topic's past", EVENTS / best, "events/s")
    for whose, seconds in (
        ("the reader's", min(each.reader_seconds for each in runs)),
        ("the workers'", min(each.worker_seconds for each in runs)),
    ):
        measure.tell(section, f"{what}: {whose} processor time", seconds / EVENTS * 1e6, "µs")


@pytest.mark.parametrize("write", ["JSON lines", "Avro container"])
def test_a_file(measure: Measurement, rules: ActiveRules, tmp_path: Path, write: str) -> None:
    path = tmp_path / "events"
    _FILES[write](path)

    def of_file() -> None:
        with open_file(path, plate_schema(), UTC) as source:
            replay(rules, source)

    seconds = measure.rounds(f"replay, file, {EVENTS:,} events", of_file, ROUNDS)
    measure.tell("9 replay, file", f"{write}, {RULES:,} rules", EVENTS / seconds, "events/s")


@pytest.mark.parametrize("workers", WORKERS)
def test_memory_is_flat(measure: Measurement, workers: int) -> None:
    runs: list[Run] = []

    def of_memory() -> None:
        runs.append(run(workers, "memory", str(FLAT_TO), str(FLAT_FROM)))

    measure.rounds(f"replay, memory, {FLAT_TO:,} events", of_memory, 1)
    assert runs[0].watched == FLAT_TO * SHARE
    what = f"{workers} workers: grown from {FLAT_FROM:,} to {FLAT_TO:,} events"
    measure.tell("9 replay, memory", what, runs[0].grown_bytes / MB, "MB")


def _write_lines(path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(each) + "\n" for each in readings(EVENTS, WATCHED, SHARE))


def _write_container(path: Path) -> None:
    schema = parse_schema(json.loads(PLATE_EVENT.read_text(encoding="utf-8")))
    with path.open("wb") as file:
        writer(file, schema, readings(EVENTS, WATCHED, SHARE), codec="deflate")


_FILES: Final[dict[str, Callable[[Path], None]]] = {
    "JSON lines": _write_lines,
    "Avro container": _write_container,
}
