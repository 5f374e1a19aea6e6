"""The memory of processes and of the machine, as Linux accounts for it; MB are 10⁶ bytes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

# Of a container: its limit and its use, in both versions of control groups.
_GROUPS: Final = (
    ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current"),
    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def resident_mb(pid: int | None = None) -> float | None:
    """What a process has in RAM, by default this one; None where that can't be seen."""
    return _status_mb("VmRSS", pid)


def peak_resident_mb() -> float | None:
    """The most that this process ever had in RAM; None where that can't be seen."""
    # Not `getrusage`, which counts what the parent had when it forked.
    return _status_mb("VmHWM", None)


def available_mb(root: Path = Path("/")) -> float | None:
    """What more may be taken, within a container's limit too; None where that can't be seen."""
    found = re.search(r"^MemAvailable:\s*(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    free = [int(found[1]) * 1024] if found else []
    for limit, use in _GROUPS:
        numbers = [_text(root / name).strip() for name in (limit, use)]
        # A group without a limit says `max`.
        if all(number.isdigit() for number in numbers):
            free.append(int(numbers[0]) - int(numbers[1]))
    return max(0, min(free)) / 1e6 if free else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _status_mb(name: str, pid: int | None) -> float | None:
    try:
        status = Path(f"/proc/{pid or 'self'}/status").read_text(encoding="ascii")
    except OSError:
        return None
    (line,) = (line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024 / 1e6
