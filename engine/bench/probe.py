"""Runs a measurement in a process of its own, so that its memory can be read and is freed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from zoneinfo import ZoneInfo

from engine.bench.rule_sets import MeasuredSet, SetKind
from engine.errors import BenchError


class MeasuringStage(StrEnum):
    """The stages of a measurement, in words for people."""

    COMPILE = "compiling"
    MATCH = "matching"


@dataclass(frozen=True, slots=True)
class Job:
    """What to measure: rule files, event schema, zone of naive times, and for how many seconds."""

    kind: SetKind
    paths: tuple[str, ...]
    schema: str
    zone: str
    seconds: float

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
) -> Result:
    """Compile the set and match events for about `seconds`, in a fresh process.

    `report` is called at the begin of each stage. Raises BenchError when there is no result. The
    process has ended when this returns or raises.
    """
    paths = tuple(str(path) for path in measured.paths)
    job = Job(measured.kind, paths, str(schema_path), zone.key, seconds)
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
