"""Measures a rule set: compiles it, then matches events and takes the median.

`measure_set` does so in a process of its own, so that its memory can be read and is freed; that
process runs `python -m engine.bench.measurement`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from itertools import cycle, islice
from pathlib import Path
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from engine.bench.machine import peak_resident_mb, resident_mb
from engine.bench.rule_sets import MeasuredSet, SetKind, traffic
from engine.errors import AlertEngineError, BenchError
from engine.match import IndexedMatcher
from engine.rules import RuleSet, examples_of, load_rules
from engine.schema import EventSchema
from engine.schema.event import Event
from engine.watchlist import PlateCosts, costs_of

T = TypeVar("T")

EVENTS: Final = 5_000
FEWEST_EVENTS: Final = 10
REPETITIONS: Final = 25
FEWEST_REPETITIONS: Final = 5
# PR_SET_PDEATHSIG and SIGKILL of Linux.
_DIE_WITH_PARENT: Final = 1
_KILL: Final = 9


class MeasuringStage(StrEnum):
    """The stages of a measurement, in words for people."""

    COMPILE = "compiling"
    MATCH = "matching"


@dataclass(frozen=True, slots=True)
class Job:
    """What to measure: rule files, event schema, zone of naive times, and for how many seconds.

    `costs` is the file of the costs of misread plates, None for the package's.
    """

    kind: SetKind
    paths: tuple[str, ...]
    schema: str
    zone: str
    seconds: float
    costs: str | None = None

    def to_json(self) -> str:
        """The job as one argument of a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """The job of a text that `to_json` made."""
        given = json.loads(text)
        kind, paths = SetKind(given.pop("kind")), tuple(given.pop("paths"))
        return cls(kind=kind, paths=paths, **given)


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one rule set.

    `us_per_event` are the microseconds in which one event is matched against all rules, the median
    of `repetitions`; matches and errors an event are averages over `events` different ones.
    `compile_seconds` is the time from the rule files to a matcher that is ready, and
    `compile_cpu_seconds` the processor time of it. `rss_mb` is how much the resident memory of the
    process grew meanwhile, `peak_rss_mb` its largest; None where these can't be read.
    """

    kind: SetKind
    rules: int
    us_per_event: float
    matches_per_event: float
    errors_per_event: float
    compile_seconds: float
    compile_cpu_seconds: float
    rss_mb: float | None
    peak_rss_mb: float | None
    events: int
    repetitions: int

    @property
    def events_per_second(self) -> float:
        """The number of events that one core matches in a second, if it does nothing else."""
        return 1e6 / self.us_per_event


def measure_set(
    measured: MeasuredSet,
    schema_path: Path,
    zone: ZoneInfo,
    seconds: float,
    report: Callable[[MeasuringStage], None] = lambda stage: None,
    costs: Path | None = None,
) -> Result:
    """Compile the set and match events for about `seconds`, in a fresh process.

    `report` is called at the begin of each stage. Raises BenchError when there is no result. The
    process has ended when this returns or raises. `costs` is the file of the costs of misread
    plates, None for the package's.
    """
    paths = tuple(str(path) for path in measured.paths)
    of_costs = str(costs) if costs is not None else None
    job = Job(measured.kind, paths, str(schema_path), zone.key, seconds, of_costs)
    # -P: a folder `engine` in the working directory must not be imported as the package.
    command = [sys.executable, "-P", "-m", "engine.bench.measurement", job.to_json()]
    # A session of its own, so that Ctrl-C ends it only through the caller.
    with subprocess.Popen(  # noqa: S603 - our own module, without a shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            result = _result(process, report)
        finally:
            process.kill()
    if result is None:
        raise BenchError(_why(process.returncode, measured))
    return result


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

    Raises RulesError, SchemaError, CostsError and EventError where rules, schema, costs and events
    don't fit.
    """
    schema = EventSchema.load(Path(job.schema))
    zone = ZoneInfo(job.zone)
    report(MeasuringStage.COMPILE)
    costs = costs_of(Path(job.costs) if job.costs is not None else None)
    made = compile_rules([Path(path) for path in job.paths], schema, zone, costs)
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


def compile_rules(
    paths: Sequence[Path], schema: EventSchema, zone: tzinfo, costs: PlateCosts
) -> Compiled:
    """Load these rules, without channels, and build their matcher as the service does."""
    gc.collect()
    before = resident_mb()
    started, cpu_started = time.perf_counter(), time.process_time()
    rule_set = load_rules(paths, schema, None, zone=zone, costs=costs)
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


def _result(
    process: subprocess.Popen[str], report: Callable[[MeasuringStage], None]
) -> Result | None:
    """The result that the process writes, or None when it ends without one."""
    assert process.stdout is not None
    result = None
    for line in process.stdout:
        said = json.loads(line)
        if "error" in said:
            raise BenchError(said["error"])
        if "stage" in said:
            report(MeasuringStage(said["stage"]))
        else:
            fields = said["result"]
            result = Result(kind=SetKind(fields.pop("kind")), **fields)
    process.wait()
    return result


def _why(status: int, measured: MeasuredSet) -> str:
    noun = "rule" if measured.rules == 1 else "rules"
    process = f"the process that measured {measured.rules:,} {noun}"
    if status < 0:
        return (
            f"{process} was killed (signal {-status}),"
            " which is what happens when memory runs out: give it more, or measure fewer rules"
        )
    return f"{process} failed, see above"


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


if __name__ == "__main__":
    main()
