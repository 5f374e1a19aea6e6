"""Measures a set of rules in a process of its own, which ends with it."""

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
    """What the process is about; the words are for people."""

    COMPILE = "compiling"
    MATCH = "matching"


@dataclass(frozen=True, slots=True)
class Job:
    """What to measure: rule files, the event schema's file, the zone of naive times, how long."""

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
        """The job of `to_json`'s text."""
        given = json.loads(text)
        kind, paths = SetKind(given.pop("kind")), tuple(given.pop("paths"))
        return cls(kind=kind, paths=paths, **given)


@dataclass(frozen=True, slots=True)
class Result:
    """One set's figures.

    `us_per_event` are the microseconds in which one event is matched against all rules, the median
    of `repetitions`; matches and errors an event are averages over `events` different ones.
    `compile_seconds` go from the rule files to a matcher that is ready, `compile_cpu_seconds` is
    the processor's share of them. `rss_mb` is how much the process's resident memory grew by that,
    `peak_rss_mb` the most that the whole process had; None where the system doesn't tell.
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
        """How many events one core matches in a second, if it does nothing else."""
        return 1e6 / self.us_per_event


def measure_set(
    measured: MeasuredSet,
    schema_path: Path,
    zone: ZoneInfo,
    seconds: float,
    tell: Callable[[MeasuringStage], None] = lambda stage: None,
) -> Result:
    """Compile the set and match events for about `seconds`, in a fresh process.

    `tell` hears of each stage as it begins. Raises BenchError when it comes to no result. Whatever
    is raised here, the process is gone afterwards.
    """
    paths = tuple(str(path) for path in measured.paths)
    job = Job(measured.kind, paths, str(schema_path), zone.key, seconds)
    # -P: a folder `engine` where the command is run must not be taken for the package.
    command = [sys.executable, "-P", "-m", "engine.bench.measurement", job.to_json()]
    # A session of its own: Ctrl-C is the caller's to answer.
    with subprocess.Popen(  # noqa: S603 - our own module, without a shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            result = _result(process, tell)
        finally:
            process.kill()
    if result is None:
        raise BenchError(_why(process.returncode, measured))
    return result


def _result(
    process: subprocess.Popen[str], tell: Callable[[MeasuringStage], None]
) -> Result | None:
    """What the process says at last; None when it ends without."""
    assert process.stdout is not None
    result = None
    for line in process.stdout:
        said = json.loads(line)
        if "error" in said:
            raise BenchError(said["error"])
        if "stage" in said:
            tell(MeasuringStage(said["stage"]))
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
