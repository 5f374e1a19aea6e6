"""What a run was made on: figures of different machines or versions are not to be compared."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

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
    """Processor, Python and libraries, a line each."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return [
        f"{os.cpu_count()} × {_processor()}, {platform.system()} {platform.machine()}",
        f"{platform.python_implementation()} {platform.python_version()}",
        libraries,
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def resident_megabytes(pid: int | None = None) -> float:
    """The memory that a process has in RAM, by default this one, in MB (10⁶ bytes); Linux only."""
    return _status_bytes("VmRSS", pid) / 1e6


def peak_megabytes() -> float:
    """The most that this process ever had in RAM, in MB; Linux only."""
    # Not `getrusage`, which counts what the parent had when it forked.
    return _status_bytes("VmHWM", None) / 1e6


def _status_bytes(name: str, pid: int | None) -> int:
    status = Path(f"/proc/{pid or 'self'}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
