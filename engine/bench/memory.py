"""The memory of this process, or of another, as Linux accounts for it; MB are 10⁶ bytes."""

from __future__ import annotations

from pathlib import Path


def resident_mb(pid: int | None = None) -> float | None:
    """What a process has in RAM, by default this one; None where that can't be seen."""
    return _status_mb("VmRSS", pid)


def peak_resident_mb() -> float | None:
    """The most that this process ever had in RAM; None where that can't be seen."""
    # Not `getrusage`, which counts what the parent had when it forked.
    return _status_mb("VmHWM", None)


def _status_mb(name: str, pid: int | None) -> float | None:
    try:
        status = Path(f"/proc/{pid or 'self'}/status").read_text(encoding="ascii")
    except OSError:
        return None
    (line,) = (line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024 / 1e6
