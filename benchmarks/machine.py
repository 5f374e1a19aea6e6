"""What a run was made on: figures of different machines or versions are not to be compared."""

from __future__ import annotations

import math
import os
from importlib.metadata import version
from pathlib import Path

from engine.bench.machine import read_machine, resident_mb

LIBRARIES = (
    "confluent-kafka",
    "fastavro",
    "cel-python",
    "google-re2",
    "apprise",
    "prometheus-client",
    "orjson",
)


def describe() -> list[str]:
    """The machine, what runs on it, and the libraries, a line each."""
    machine = read_machine()
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return [", ".join(machine.hardware()), ", ".join(machine.software()), libraries]


def resident_megabytes(pid: int | None = None) -> float:
    """What a process has in RAM, by default this one, in MB; not a number where it isn't told."""
    found = resident_mb(pid)
    return math.nan if found is None else found


def processor_seconds(pid: int) -> float:
    """What a process has had of the processor, user and system, in all its threads. Linux only."""
    # What follows the name begins with the third field; the times are the 14th and the 15th.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def thread_count(pid: int) -> int:
    """How many threads a process has. Linux only."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def open_file_count(pid: int) -> int:
    """How many files, sockets and pipes a process has open. Linux only."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
