"""What a set of rules costs: measured in this process, warmed up, repeated, the median."""

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

EVENTS: Final = 5_000
FEWEST_EVENTS: Final = 10
# PR_SET_PDEATHSIG and SIGKILL of Linux.
_DIE_WITH_PARENT: Final = 1
_KILL: Final = 9


@dataclass(frozen=True, slots=True)
class Compiled:
    """A set of rules and its matcher, with what making them took; seconds and MB."""

    rule_set: RuleSet
    matcher: IndexedMatcher
    seconds: float
    cpu_seconds: float
    rss_mb: float | None
    peak_rss_mb: float | None


@dataclass(frozen=True, slots=True)
class Survey:
    """How many rules matched and how many evaluations failed on so many events."""

    events: int
    matches: int
    errors: int


def measure(job: Job, tell: Callable[[MeasuringStage], None]) -> Result:
    """Do the job here; `tell` hears of each stage as it begins.

    Raises RulesError, SchemaError and EventError where rules, schema and events don't fit.
    """
    schema = EventSchema.load(Path(job.schema))
    zone = ZoneInfo(job.zone)
    tell(MeasuringStage.COMPILE)
    made = compile_rules([Path(path) for path in job.paths], schema, zone)
    tell(MeasuringStage.MATCH)
    examples = examples_of(made.rule_set.rules) if job.kind is SetKind.OWN else []
    events = traffic(EVENTS, schema, zone, datetime.now(UTC), examples)
    found = survey(made.matcher, events, job.seconds)
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
    """The rules of these files and their matcher, as the service makes them, without channels."""
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


def survey(matcher: IndexedMatcher, events: Sequence[Event], seconds: float) -> Survey:
    """Match each event once, or as many of them as `seconds` allow."""
    until = time.perf_counter() + seconds
    matches = errors = done = 0
    for event in events:
        found = matcher.match(event)
        matches += len(found.matches)
        errors += len(found.errors)
        done += 1
        if done >= FEWEST_EVENTS and time.perf_counter() >= until:
            break
    return Survey(done, matches, errors)


def yield_to_others() -> None:
    """On Linux: end with the process that asked, and first of all where memory runs out."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, _KILL)
        # Not the service beside it.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def main() -> None:
    """Do the job of the command line."""
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


T = TypeVar("T")

REPETITIONS: Final = 25
FEWEST_REPETITIONS: Final = 5


@dataclass(frozen=True, slots=True)
class Timing:
    """The median seconds of a call over so many repetitions, each of many calls."""

    seconds: float
    repetitions: int


def time_calls(
    call: Callable[[T], object],
    inputs: Sequence[T],
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Call with one of `inputs` after the other, over and over, for about `seconds`.

    A first fifth of that is for caches and clock rates to settle, and isn't counted.
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
    """How many calls fill one of the repetitions."""
    started = clock()
    calls = 0
    while (passed := clock() - started) < seconds / 5:
        call(next(turns))
        calls += 1
    return max(1, round(calls * seconds / REPETITIONS / passed))


if __name__ == "__main__":
    main()
