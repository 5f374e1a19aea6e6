from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from engine.errors import SettingsError
from engine.service.engine import kill_point_at


def run(spec: str, steps: str) -> subprocess.CompletedProcess[str]:
    program = (
        "from engine.service.engine import kill_point_at\n"
        f"kill_point = kill_point_at({spec!r})\n"
        f"for number, step in enumerate({steps!r}.split()):\n"
        "    print(number, flush=True)\n"
        "    kill_point(step)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )


def test_the_process_dies_the_counted_time_it_reaches_the_kill_point() -> None:
    done = run("store:2", "read store read store read")
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == ["0", "1", "2", "3"]


def test_nothing_dies_without_a_spec() -> None:
    assert run("", "read store").returncode == 0


@pytest.mark.parametrize("spec", ["stroe", "store:x", "store:0", ":1"])
def test_an_unknown_point_is_refused_by_name(spec: str) -> None:
    with pytest.raises(SettingsError, match="ALERT_ENGINE_FAULT_POINT"):
        kill_point_at(spec)
