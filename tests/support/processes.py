"""Child processes that never outlive the test run."""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

# A server that restarts must find its port free: Linux gives clients ports from 32768 up.
BELOW_EPHEMERAL = range(20_000, 32_000)
ORPHAN = Path(__file__).with_name("orphan.py")
_running: set[subprocess.Popen[Any]] = set()


def spawn(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    stdout: IO[Any] | int,
    stderr: IO[Any] | int,
) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own.

    On Linux it dies with the *thread* that calls this: call it from the main thread.
    """
    process = subprocess.Popen(
        [sys.executable, "-S", str(ORPHAN), *command],
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    _running.add(process)
    return process


def signal_group(process: subprocess.Popen[Any], number: signal.Signals) -> None:
    """Send a signal to the process and its children; nothing happens when it has ended."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def end(process: subprocess.Popen[Any], grace_seconds: float = 0.0) -> int:
    """SIGTERM when there is grace, SIGKILL after it; the exit status."""
    if grace_seconds:
        signal_group(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
    signal_group(process, signal.SIGKILL)
    status = process.wait()
    _running.discard(process)
    return status


def free_port() -> int:
    """A port that nobody listens on just now, and that no outgoing connection will be given."""
    while True:
        port = secrets.choice(BELOW_EPHEMERAL)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@atexit.register
def _end_all() -> None:
    for process in list(_running):
        end(process)
