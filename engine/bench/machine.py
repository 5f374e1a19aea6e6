"""The machine that a measurement is made on, and the memory of processes; MB are 10⁶ bytes."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

DISTRIBUTION: Final = "alpr-alert-engine"
UNKNOWN: Final = "unknown"
# The names of ARM cores by implementer and part: `/proc/cpuinfo` has these numbers only.
_ARM_PARTS: Final[Mapping[tuple[int, int], str]] = {
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD05): "Cortex-A55",
    (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse N1",
    (0x41, 0xD40): "Neoverse V1",
    (0x41, 0xD42): "Cortex-A78AE",
    (0x41, 0xD49): "Neoverse N2",
    (0x41, 0xD4F): "Neoverse V2",
    (0x4E, 0x003): "NVIDIA Denver 2",
    (0x4E, 0x004): "NVIDIA Carmel",
}
_MODE_NAME: Final = re.compile(r"NV Power Mode:\s*(\S.*?)\s*$", re.MULTILINE)
_MODE_NUMBER: Final = re.compile(r"pmode:0*(\d+)")
_POWER_MODEL: Final = re.compile(r"<\s*POWER_MODEL\s[^>]*>")
_ASK_SECONDS: Final = 5.0
# A container's limit of memory and its use, in both versions of control groups.
_GROUPS: Final = (
    ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current"),
    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


@dataclass(frozen=True, slots=True)
class Machine:
    """The hardware and its software; a text that can't be read is "unknown".

    `cores` are those that this process may use. `model` is the board's name in the device tree of
    such machines as a Jetson; `power_mode` is a Jetson's. `memory_mb` is the whole memory, `load`
    the load average of the last minute; both are None elsewhere than on Linux.
    """

    cpu: str
    cores: int
    architecture: str
    model: str
    power_mode: str
    memory_mb: int | None
    load: float | None
    system: str
    python: str
    engine: str

    @property
    def is_busy(self) -> bool:
        """Whether other processes leave no core free, so that measured times are too long."""
        return self.load is not None and self.load > self.cores - 0.5

    def hardware(self) -> list[str]:
        """Processor, model and power mode, as texts for people."""
        cores = "1 core" if self.cores == 1 else f"{self.cores} cores"
        texts = [f"{cores} of {self.cpu} ({self.architecture})"]
        if self.model != UNKNOWN:
            texts.append(self.model)
        if self.power_mode != UNKNOWN:
            texts.append(f"power mode {self.power_mode}")
        return texts

    def software(self) -> list[str]:
        """Python and the engine with their versions, as texts for people."""
        return [self.python, f"alert-engine {self.engine}"]


def ask_nvpmodel() -> str:
    """The output of a Jetson's `nvpmodel -q`; "" where it is missing or fails."""
    command = shutil.which("nvpmodel")
    if command is None:
        return ""
    try:
        return subprocess.run(  # noqa: S603 - the command found on PATH, without a shell
            [command, "-q"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ASK_SECONDS,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def read_machine(root: Path = Path("/"), ask: Callable[[], str] = ask_nvpmodel) -> Machine:
    """Describe this machine by the system files below `root` and the output of nvpmodel (`ask`)."""
    return Machine(
        cpu=_cpu(_text(root / "proc/cpuinfo")),
        cores=_cores(),
        architecture=platform.machine(),
        model=_text(root / "proc/device-tree/model").strip("\0 \n") or UNKNOWN,
        power_mode=_power_mode(root, ask),
        memory_mb=_memory_mb(_text(root / "proc/meminfo")),
        load=_load(_text(root / "proc/loadavg")),
        system=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        engine=version(DISTRIBUTION),
    )


def resident_mb(pid: int | None = None) -> float | None:
    """The resident memory of a process, by default this one; None where that can't be read."""
    return _status_mb("VmRSS", pid)


def peak_resident_mb() -> float | None:
    """The largest resident memory that this process had so far; None where that can't be read."""
    # Not `getrusage`, which counts what the parent had when it forked.
    return _status_mb("VmHWM", None)


def available_mb(root: Path = Path("/")) -> float | None:
    """The free memory, within a container's limit too; None where that can't be read."""
    found = re.search(r"^MemAvailable:\s*(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    free = [int(found[1]) * 1024] if found else []
    for limit, use in _GROUPS:
        numbers = [_text(root / name).strip() for name in (limit, use)]
        # A group without a limit says `max`.
        if all(number.isdigit() for number in numbers):
            free.append(int(numbers[0]) - int(numbers[1]))
    return max(0, min(free)) / 1e6 if free else None


def _status_mb(name: str, pid: int | None) -> float | None:
    try:
        status = Path(f"/proc/{pid or 'self'}/status").read_text(encoding="ascii")
    except OSError:
        return None
    (line,) = (line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024 / 1e6


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu(cpuinfo: str) -> str:
    """The processor's name; of an ARM with several kinds of core, all of them."""
    fields = [
        (name.strip(), value.strip())
        for name, colon, value in (line.partition(":") for line in cpuinfo.splitlines())
        if colon
    ]
    kinds: dict[str, None] = {}
    implementer = 0
    for name, value in fields:
        if name == "CPU implementer":
            implementer = _number(value)
        elif name == "CPU part":
            kinds[_arm_name(implementer, _number(value))] = None
    names = [value for name, value in fields if name == "model name" and value]
    if kinds and not all(kind.startswith("ARM ") for kind in kinds):
        return " + ".join(kinds)
    return next(iter([*names, *kinds]), "") or platform.processor() or UNKNOWN


def _arm_name(implementer: int, part: int) -> str:
    return _ARM_PARTS.get((implementer, part), f"ARM {implementer:#04x}/{part:#05x}")


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return 0


def _power_mode(root: Path, ask: Callable[[], str]) -> str:
    """The name of the Jetson's power mode, by nvpmodel or its files; else its number."""
    if found := _MODE_NAME.search(ask()):
        return found[1]
    found = _MODE_NUMBER.search(_text(root / "var/lib/nvpmodel/status"))
    if found is None:
        return UNKNOWN
    for model in _POWER_MODEL.findall(_text(root / "etc/nvpmodel.conf")):
        words: dict[str, str] = dict(
            word.partition("=")[::2] for word in model.strip("<> ").split()
        )
        if words.get("ID") == found[1] and (name := words.get("NAME")):
            return name
    return f"mode {found[1]}"


def _memory_mb(meminfo: str) -> int | None:
    found = re.search(r"^MemTotal:\s*(\d+) kB", meminfo, re.MULTILINE)
    return round(int(found[1]) * 1024 / 1e6) if found else None


def _load(loadavg: str) -> float | None:
    try:
        return float(loadavg.split()[0])
    except (IndexError, ValueError):
        return None
