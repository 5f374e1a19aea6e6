"""`replay` of a topic's past and of a file, beside what poll and Avro decode alone reach.

A round reads 40,000 records: of the topic, or as JSON lines or an Avro object container of a file;
it decodes them, runs them through 1,000 mixed rules and a watchlist that matches one of a thousand,
and counts. The memory is what the process grows by from the first 10^5 events to the 10^6th.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from fastavro import parse_schema, writer

from benchmarks.bare_reader import BareReader
from benchmarks.brokers import EVENTS, BrokerKind, Filled, Topics
from benchmarks.measure import Measurement
from benchmarks.mixed_rules import load
from benchmarks.plant import settings_of
from benchmarks.readings import HEADER, Writers, encode, readings
from benchmarks.traffic import WATCHED, rules_with_watchlist
from engine.pipeline.active_rules import ActiveRules, prepare
from engine.rules.load import collect_and_freeze
from engine.settings import Settings
from engine.simulate.replay import Replay
from engine.simulate.sources import EventSource, KafkaSource, open_file
from engine.stream.decoder import Decoder
from engine.stream.history import BATCH_RECORDS, History
from engine.stream.record import Record
from tests.support.avro import PLATE_EVENT, plate_schema

ROUNDS: Final = 3
RULES: Final = 1_000
SHARE: Final = 0.001
FLAT_FROM: Final = 100_000
FLAT_TO: Final = 1_000_000
MB: Final = 1 << 20
PAGE_BYTES: Final = 4_096
ID_LENGTH: Final = 36


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


@pytest.mark.parametrize("write", ["JSON lines", "Avro container"])
def test_a_file(measure: Measurement, rules: ActiveRules, tmp_path: Path, write: str) -> None:
    path = tmp_path / "events"
    _FILES[write](path)

    def of_file() -> None:
        with open_file(path, plate_schema(), UTC) as source:
            replay(rules, source)

    seconds = measure.rounds(f"replay, file, {EVENTS:,} events", of_file, ROUNDS)
    measure.tell("9 replay, file", f"{write}, {RULES:,} rules", EVENTS / seconds, "events/s")


def test_memory_is_flat(measure: Measurement, rules: ActiveRules) -> None:
    bodies = [encode(each) for each in readings(BATCH_RECORDS, WATCHED, SHARE)]
    sizes: list[int] = []

    def run() -> None:
        decoder = Decoder(plate_schema(), Writers(), UTC)
        with Replay(rules, decoder, decodes_again=True) as running:
            for start in range(0, FLAT_TO, BATCH_RECORDS):
                running.process(_renamed(bodies, start))
                if running.report.events in (FLAT_FROM, FLAT_TO):
                    gc.collect()
                    sizes.append(_resident_bytes())
            assert running.report.rules["watchlist"].matches == FLAT_TO * SHARE

    measure.rounds(f"replay, memory, {FLAT_TO:,} events", run, 1)
    grown_mb = (sizes[1] - sizes[0]) / MB
    what = f"grown from {FLAT_FROM:,} to {FLAT_TO:,} events"
    measure.tell("9 replay, memory", what, grown_mb, "MB")


def _renamed(bodies: list[bytes], start: int) -> list[Record]:
    """Records of these events with other ids, so that none is one that was there before."""
    now_ms = int(datetime.now(UTC).timestamp() * 1_000)
    return [
        Record("plates", 0, start + number, now_ms, None, _with_id(body, start + number))
        for number, body in enumerate(bodies)
    ]


def _with_id(body: bytes, number: int) -> bytes:
    """The event with a number for its id, which is the first field: its length, then its text."""
    first = len(HEADER) + 1
    return body[:first] + b"%036d" % number + body[first + ID_LENGTH :]


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


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
