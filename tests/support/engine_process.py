"""The installed `alert-engine` command in a process of its own, and what it says."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sysconfig
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from tests.support.arrivals import Arrivals
from tests.support.http_receiver import LOOPBACK
from tests.support.patience import PATIENCE_SECONDS, await_that
from tests.support.processes import end, free_port, signal_group, spawn

COMMAND = Path(sysconfig.get_path("scripts")) / "alert-engine"
# Loopback must not go through the proxy that the engine is given.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of output, without its end; `stream` is "stdout" or "stderr"."""

    stream: str
    text: str
    at: float


class EngineProcess:
    """A running command, `program` if given; a context manager that leaves no process behind.

    The process sees `environment` and PATH, nothing else of ours; METRICS_PORT is a free
    port and METRICS_HOST loopback unless given. Start it from the main thread. With a `stderr` of
    the caller's nothing is read from it here.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        folder: Path,
        arguments: Sequence[str] = ("run",),
        program: str = str(COMMAND),
        *,
        stderr: int = subprocess.PIPE,
    ) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "METRICS_HOST": LOOPBACK,
            "METRICS_PORT": str(free_port()),
            **environment,
        }
        self.lines: Arrivals[Line] = Arrivals()
        self._process = spawn(
            [program, *arguments],
            self.environment,
            folder,
            subprocess.PIPE,
            stderr,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(name, pipe), daemon=True)
            for name, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr))
            if pipe is not None
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def base_url(self) -> str:
        """The web port."""
        return f"http://{LOOPBACK}:{self.environment['METRICS_PORT']}"

    @property
    def output(self) -> str:
        """All that it said so far, both streams."""
        return "\n".join(line.text for line in self.lines.all())

    @property
    def stdout(self) -> str:
        """What it wrote to standard output so far."""
        return "\n".join(line.text for line in self.lines.all() if line.stream == "stdout")

    @property
    def stderr(self) -> str:
        """What it wrote to standard error so far."""
        return "\n".join(line.text for line in self.lines.all() if line.stream == "stderr")

    def wait_for_line(
        self, pattern: str, count: int = 1, timeout_seconds: float = PATIENCE_SECONDS
    ) -> Line:
        """The `count`th line in which the regex is found; AssertionError after the time."""
        expression = re.compile(pattern)
        found = self.lines.wait_for(
            count, timeout_seconds, lambda line: expression.search(line.text) is not None
        )
        return found[count - 1]

    def get(self, path: str, timeout_seconds: float = PATIENCE_SECONDS) -> tuple[int, str]:
        """Status and text of a page of the web port; OSError when nobody listens, or answers."""
        try:
            with DIRECT.open(self.base_url + path, timeout=timeout_seconds) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def readiness(self) -> tuple[bool, Any]:
        """Whether `/readyz` says 200, and its JSON; (False, None) while nobody listens."""
        try:
            status, text = self.get("/readyz")
        except OSError:
            return False, None
        return status == 200, json.loads(text)

    def wait_ready(self, is_ready: bool = True, timeout_seconds: float = PATIENCE_SECONDS) -> Any:
        """The JSON of `/readyz` once it is as wanted; AssertionError, with the output, if not."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            ready, body = self.readiness()
            if body is not None and ready is is_ready:
                return body
            assert self._process.poll() is None, f"it ended: {self.output}"
            assert time.monotonic() < deadline, f"/readyz: {body}\n{self.output}"
            time.sleep(0.05)

    def wait_for_check(self, name: str, words: str) -> Any:
        """The JSON of `/readyz` once this check fails with these words in its detail.

        AssertionError, with the output, if it never does.
        """
        bodies: list[Any] = [None]

        def is_there() -> bool:
            assert self._process.poll() is None, f"it ended: {self.output}"
            bodies.append(self.readiness()[1])
            check = bodies[-1] and bodies[-1]["checks"].get(name)
            return bool(check) and not check["ok"] and words in check["detail"]

        await_that(is_there, lambda: f"{bodies[-1]}\n{self.output}", step_seconds=0.05)
        return bodies[-1]

    def metric(self, name: str, **labels: str) -> float | None:
        """The value of one sample of `/metrics`; None when there is no such sample."""
        for line in self.get("/metrics")[1].splitlines():
            sample = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if sample is None or sample[1] != name:
                continue
            if dict(re.findall(r'(\w+)="([^"]*)"', sample[2] or "")) == labels:
                return float(sample[3])
        return None

    def wait_for_metric(
        self, name: str, at_least: float, timeout_seconds: float = PATIENCE_SECONDS, **labels: str
    ) -> float:
        """The sample's value once it is as high; AssertionError, with the output, if not."""
        deadline = time.monotonic() + timeout_seconds
        while (value := self.metric(name, **labels)) is None or value < at_least:
            assert time.monotonic() < deadline, f"{name} is {value}\n{self.output}"
            time.sleep(0.05)
        return value

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        signal_group(self._process, number)

    def wait(self, timeout_seconds: float = PATIENCE_SECONDS) -> int:
        """The exit status, all output read; subprocess.TimeoutExpired after the time."""
        status = self._process.wait(timeout_seconds)
        self._finish()
        return status

    def stop(self, timeout_seconds: float = PATIENCE_SECONDS) -> int:
        """SIGTERM, and the exit status: 0 also says that it needed less than its own 9 s.

        By its own clock: an engine that has not ended by then cuts itself short, with status 1.
        """
        self.signal(signal.SIGTERM)
        return self.wait(timeout_seconds)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        end(self._process)
        self._finish()

    def __enter__(self) -> EngineProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def _finish(self) -> None:
        for reader in self._readers:
            reader.join(PATIENCE_SECONDS)

    def _read(self, name: str, pipe: IO[bytes] | None) -> None:
        assert pipe is not None
        with pipe:
            for line in pipe:
                text = line.decode(errors="replace").rstrip("\r\n")
                self.lines.add(Line(name, text, time.monotonic()))
