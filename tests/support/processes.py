"""Child processes that never outlive the test run."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

# A server that restarts must find its port free: Linux gives clients ports from 32768 up.
BELOW_EPHEMERAL = range(20_000, 32_000)
ORPHAN = Path(__file__).with_name("orphan.py")
# One byte of it is locked for each port that was given away, until the process ends.
PORTS = Path(tempfile.gettempdir()) / f"alert-engine-test-ports-{os.getuid()}"
_running: set[subprocess.Popen[Any]] = set()
_given: set[int] = set()


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
    """A port that nobody listens on, and that no outgoing connection will be given.

    It is the caller's for as long as this process lives: tests that run beside it, in whatever
    process, are given other ones, also before anybody listens on it.
    """
    while True:
        port = secrets.choice(BELOW_EPHEMERAL)
        if port in _given or not _is_ours(port):
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@cache
def _locked_file() -> int:
    # Never closed: the system drops a process's locks of a file when it closes any handle of it.
    return os.open(PORTS, os.O_RDWR | os.O_CREAT, 0o600)


def _is_ours(port: int) -> bool:
    """Whether no other process of the tests has the port; from now on none has."""
    try:
        fcntl.lockf(_locked_file(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _given.add(port)
    return True


@atexit.register
def _end_all() -> None:
    for process in list(_running):
        end(process)
