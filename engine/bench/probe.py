"""Measures a set of rules in a process of its own, which ends with it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

from engine.bench.job import Job, Stage
from engine.bench.measured_set import MeasuredSet, SetKind
from engine.bench.result import Result
from engine.errors import BenchError


def measure_set(
    measured: MeasuredSet,
    schema_path: Path,
    zone: ZoneInfo,
    seconds: float,
    tell: Callable[[Stage], None] = lambda stage: None,
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


def _result(process: subprocess.Popen[str], tell: Callable[[Stage], None]) -> Result | None:
    """What the process says at last; None when it ends without."""
    assert process.stdout is not None
    result = None
    for line in process.stdout:
        said = json.loads(line)
        if "error" in said:
            raise BenchError(said["error"])
        if "stage" in said:
            tell(Stage(said["stage"]))
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
