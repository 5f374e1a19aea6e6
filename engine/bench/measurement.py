"""Measures a rule set in this process: compiles it, then matches events and takes the median."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, tzinfo
from itertools import cycle, islice
from pathlib import Path
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from engine.bench.machine import peak_resident_mb, resident_mb
from engine.bench.probe import Job, MeasuringStage, Result
from engine.bench.rule_sets import SetKind
from engine.bench.traffic import traffic
from engine.errors import AlertEngineError
from engine.match import IndexedMatcher
from engine.rules import RuleSet, examples_of, load_rules
from engine.schema import EventSchema
from engine.schema.event import Event

T = TypeVar("T")

EVENTS: Final = 5_000
FEWEST_EVENTS: Final = 10
REPETITIONS: Final = 25
FEWEST_REPETITIONS: Final = 5
# PR_SET_PDEATHSIG and SIGKILL of Linux.
_DIE_WITH_PARENT: Final = 1
_KILL: Final = 9


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule set and its matcher, with the time and memory that compiling took; seconds and MB."""

    rule_set: RuleSet
    matcher: IndexedMatcher
    seconds: float
    cpu_seconds: float
    rss_mb: float | None
    peak_rss_mb: float | None


@dataclass(frozen=True, slots=True)
class MatchCounts:
    """The numbers of matches and failed evaluations on `events` events."""

    events: int
    matches: int
    errors: int


def measure(job: Job, report: Callable[[MeasuringStage], None]) -> Result:
    """Do the job in this process; `report` is called at the begin of each stage.

    Raises RulesError, SchemaError and EventError where rules, schema and events don't fit.
    """
    schema = EventSchema.load(Path(job.schema))
    zone = ZoneInfo(job.zone)
    report(MeasuringStage.COMPILE)
    made = compile_rules([Path(path) for path in job.paths], schema, zone)
    report(MeasuringStage.MATCH)
    examples = examples_of(made.rule_set.rules) if job.kind is SetKind.OWN else []
    events = traffic(EVENTS, schema, zone, datetime.now(UTC), examples)
    found = count_matches(made.matcher, events, job.seconds)
    timing = time_calls(made.matcher.match, events, job.seconds)
    return Result(
        kind=job.kind,
        rules=len(made.rule_set.rules),
        us_per_event=timing.seconds * 1e6,
        matches_per_event=found.matches / found.events,
        errors_per_event=found.errors / found.events,
        compile_seconds=made.seconds,
        compile_cpu_seconds=made.cpu_seconds,
        rss_mb=made.rss_mb,
        peak_rss_mb=made.peak_rss_mb,
        events=found.events,
        repetitions=timing.repetitions,
    )


def compile_rules(paths: Sequence[Path], schema: EventSchema, zone: tzinfo) -> Compiled:
    """Load these rules, without channels, and build their matcher as the service does."""
    gc.collect()
    before = resident_mb()
    started, cpu_started = time.perf_counter(), time.process_time()
    rule_set = load_rules(paths, schema, None, zone=zone)
    matcher = IndexedMatcher(rule_set.rules)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    gc.collect()
    after, peak = resident_mb(), peak_resident_mb()
    growth = None if before is None or after is None else max(0.0, after - before)
    return Compiled(rule_set, matcher, seconds, cpu_seconds, growth, peak)


def count_matches(matcher: IndexedMatcher, events: Sequence[Event], seconds: float) -> MatchCounts:
    """Match each event once, until `seconds` have passed."""
    until = time.perf_counter() + seconds
    matches = errors = done = 0
    for event in events:
        found = matcher.match(event)
        matches += len(found.matches)
        errors += len(found.errors)
        done += 1
        if done >= FEWEST_EVENTS and time.perf_counter() >= until:
            break
    return MatchCounts(done, matches, errors)


@dataclass(frozen=True, slots=True)
class Timing:
    """The median of the seconds that one call takes, over `repetitions` of many calls each."""

    seconds: float
    repetitions: int


def time_calls(
    call: Callable[[T], object],
    inputs: Sequence[T],
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Measure `call` with each of `inputs` in turn, over and over, for about `seconds`.

    A warm-up of a fifth of that comes first and is not measured.
    """
    turns = cycle(inputs)
    batch = _warm_up(call, turns, seconds, clock)
    times: list[float] = []
    until = clock() + seconds
    while len(times) < FEWEST_REPETITIONS or clock() < until:
        now = list(islice(turns, batch))
        started = clock()
        for each in now:
            call(each)
        times.append((clock() - started) / batch)
    return Timing(statistics.median(times), len(times))


def _warm_up(
    call: Callable[[T], object], turns: Iterator[T], seconds: float, clock: Callable[[], float]
) -> int:
    """Call for a fifth of `seconds`; returns the number of calls that make one repetition."""
    started = clock()
    calls = 0
    while (passed := clock() - started) < seconds / 5:
        call(next(turns))
        calls += 1
    return max(1, round(calls * seconds / REPETITIONS / passed))


def yield_to_others() -> None:
    """On Linux: end with the parent process, and be killed first where memory runs out."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, _KILL)
        # A service on the same machine must not be killed first.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def main() -> None:
    """Do the job of the command line; writes the stages, and the result or error, as JSON lines."""
    yield_to_others()

    def write(line: object) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    try:
        result = measure(Job.from_json(sys.argv[1]), lambda stage: write({"stage": stage}))
    except AlertEngineError as error:
        write({"error": str(error)})
    else:
        write({"result": asdict(result)})


if __name__ == "__main__":
    main()
