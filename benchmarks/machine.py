"""What a run was made on: figures of different machines or versions are not to be compared."""

from __future__ import annotations

import math
from importlib.metadata import version

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
