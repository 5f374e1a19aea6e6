from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from engine.bench.machine import available_mb, peak_resident_mb, resident_mb

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


def test_what_is_kept_is_resident() -> None:
    before = resident_mb()
    kept = b"x" * 50_000_000
    after = resident_mb()
    assert before is not None
    assert after is not None
    assert 45 < after - before < 60, len(kept)


def test_the_peak_stays_when_the_memory_is_gone() -> None:
    resident = resident_mb()
    assert resident is not None
    assert len(b"x" * 60_000_000)
    peak = peak_resident_mb()
    assert peak is not None
    assert peak > resident + 50


def test_another_process_is_asked_by_its_id() -> None:
    assert resident_mb(os.getppid())


def test_a_process_that_is_gone_has_no_memory_to_be_seen() -> None:
    process = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(process, 0)
    assert resident_mb(process) is None


def machine(root: Path, **files: str) -> Path:
    """A root with `/proc/meminfo`, and control groups of both versions where given."""
    names = {
        "meminfo": "proc/meminfo",
        "limit": "sys/fs/cgroup/memory.max",
        "use": "sys/fs/cgroup/memory.current",
        "old_limit": "sys/fs/cgroup/memory/memory.limit_in_bytes",
        "old_use": "sys/fs/cgroup/memory/memory.usage_in_bytes",
    }
    for key, text in files.items():
        path = root / names[key]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = "MemTotal: 9000000 kB\nMemAvailable:    1000000 kB\n"


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({"meminfo": MEMINFO}, 1024.0),
        ({"meminfo": MEMINFO, "limit": "max\n", "use": "5000000\n"}, 1024.0),
        ({"meminfo": MEMINFO, "limit": "512000000\n", "use": "12000000\n"}, 500.0),
        ({"meminfo": MEMINFO, "old_limit": "9000000000000\n", "old_use": "12000000\n"}, 1024.0),
        ({"meminfo": MEMINFO, "old_limit": "512000000\n", "old_use": "12000000\n"}, 500.0),
        ({"limit": "100\n", "use": "200\n"}, 0.0),
        ({}, None),
    ],
)
def test_what_is_free_is_free_within_a_containers_limit_too(
    tmp_path: Path, files: dict[str, str], free: float | None
) -> None:
    assert available_mb(machine(tmp_path, **files)) == free


def test_what_is_free_here_can_be_seen() -> None:
    available = available_mb()
    assert available is not None
    assert available > 1
