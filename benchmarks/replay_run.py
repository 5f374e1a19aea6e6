"""A replay in a process of its own, which may start others: what `alert-engine replay` does.

`python -m benchmarks.replay_run WORKERS kafka SERVERS TOPIC` replays the topic's past once,
`… WORKERS memory COUNT FROM` so many events that are made up as they are read. It prints JSON: the
seconds, the processor time of both kinds of processes, and by how many bytes all of them together
have grown since the event FROM.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.mixed_rules import load
from benchmarks.plant import settings_of
from benchmarks.readings import HEADER, Writers, encode, readings
from benchmarks.traffic import WATCHED, rules_with_watchlist
from engine.pipeline.active_rules import prepare
from engine.rules.load import collect_and_freeze
from engine.simulate.prefilter import Prefilter, Workers
from engine.simulate.replay import ALL_EVENTS, Replay
from engine.simulate.sources import EventSource, Faults, KafkaSource
from engine.stream.decoder import Decoder
from engine.stream.history import BATCH_RECORDS, History
from engine.stream.record import Record, SchemaName
from engine.stream.registry import WriterSchema
from tests.support.avro import plate_schema

ROOT: Final = Path(__file__).parents[1]
RULES: Final = 1_000
SHARE: Final = 0.001
ID_LENGTH: Final = 36
PAGE_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True)
class Run:
    """What a replay took: wall time, and processor time of the reading process and the others.

    `events` and `watched` are how many events there were, and matches of the watchlist.
    """

    events: int
    watched: int
    seconds: float
    reader_seconds: float
    worker_seconds: float
    grown_bytes: int


class MadeUp:
    """A source of so many events in memory, none of which comes twice."""

    decodes_again: bool = True
    total: int | None = None

    def __init__(self, count: int) -> None:
        self.decoder = Decoder(plate_schema(), Writers(), UTC)
        self.faults = Faults()
        self.position = 0
        self._count = count
        self._bodies = [encode(each) for each in readings(BATCH_RECORDS, WATCHED, SHARE)]

    @property
    def writers(self) -> Mapping[SchemaName, WriterSchema]:
        """Those of its decoder."""
        return self.decoder.writers

    def batches(self, size: int = BATCH_RECORDS) -> Iterator[list[Record]]:
        """The records, so many at a time."""
        while self.position < self._count:
            start, self.position = self.position, self.position + size
            now_ms = int(datetime.now(UTC).timestamp() * 1_000)
            yield [
                Record("plates", 0, number, now_ms, None, self._body(number))
                for number in range(start, self.position)
            ]

    def _body(self, number: int) -> bytes:
        """An event with a number for its id, which is the first field: its length, its text."""
        body = self._bodies[number % len(self._bodies)]
        first = len(HEADER) + 1
        return body[:first] + b"%036d" % number + body[first + ID_LENGTH :]


def run(worker_count: int, *source: str) -> Run:
    """Replay in a process of its own; `source` is as the module's docstring has it."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.replay_run", str(worker_count), *source],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return Run(**json.loads(done.stdout))


def replay(
    worker_count: int, open_source: Callable[[ExitStack], EventSource], grown_from: int
) -> Run:
    """Replay the source, which is opened once the other processes have been started."""
    with TemporaryDirectory() as folder:
        rules = prepare(load(rules_with_watchlist(RULES), Path(folder)))
    collect_and_freeze()
    prefilter = Prefilter(plate_schema(), UTC, [rules], ALL_EVENTS)
    with ExitStack() as stack:
        workers = stack.enter_context(Workers(worker_count, prefilter))
        source = open_source(stack)
        running = stack.enter_context(Replay(rules, source.decoder, decodes_again=True))
        before_bytes = 0
        started, reader_started = time.perf_counter(), time.process_time()
        for batch in workers.filtered(source):
            running.process(batch.records, batch.passed)
            if running.report.events <= grown_from:
                before_bytes = _resident_bytes()
        seconds = time.perf_counter() - started
        reader_seconds = time.process_time() - reader_started
        grown_bytes = _resident_bytes() - before_bytes
        assert running.faults.count == 0
        report = running.report
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Run(
        report.events,
        report.rules["watchlist"].matches,
        seconds,
        reader_seconds,
        ended.ru_utime + ended.ru_stime,
        grown_bytes,
    )


def _resident_bytes() -> int:
    """The memory of this process and of those that it has started."""
    own = Path("/proc/self")
    children = Path(f"/proc/self/task/{own.resolve().name}/children").read_text().split()
    folders = [own, *(Path("/proc") / each for each in children)]
    return sum(int((each / "statm").read_text().split()[1]) * PAGE_BYTES for each in folders)


def main() -> None:
    """Do what the command line says."""
    worker_count, kind, *given = sys.argv[1:]
    if kind == "memory":
        count, grown_from = map(int, given)
        done = replay(int(worker_count), lambda stack: MadeUp(count), grown_from)
    else:

        def of_topic(stack: ExitStack) -> EventSource:
            servers, topic = given
            settings = settings_of(servers, topic, "sqlite:///none.db")
            history = stack.enter_context(History(settings))
            return KafkaSource(history.stretch(), plate_schema(), Writers(), UTC)

        done = replay(int(worker_count), of_topic, 0)
    sys.stdout.write(json.dumps(asdict(done)))


if __name__ == "__main__":
    main()
