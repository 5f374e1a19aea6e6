"""A real Prometheus that scrapes one engine."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.debian import program
from tests.support.engine_process import DIRECT
from tests.support.http_receiver import LOOPBACK
from tests.support.patience import PATIENCE_SECONDS, await_that
from tests.support.processes import end, free_port, spawn

PACKAGE = "prometheus"
CONFIG = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
scrape_configs:
  - job_name: alert-engine
    static_configs: [{{targets: ["{target}"]}}]
"""


def promtool() -> str:
    """The path of promtool; skips the test where it can't be had."""
    return program("promtool", PACKAGE)


class Prometheus:
    """Scrapes `target` (host:port) each second; a context manager."""

    def __init__(self, folder: Path, target: str) -> None:
        config = folder / "prometheus.yml"
        config.write_text(CONFIG.format(target=target))
        self._port = free_port()
        self._log = folder / "prometheus.log"
        with self._log.open("wb") as log:
            self._process = spawn(
                [
                    program("prometheus", PACKAGE),
                    f"--config.file={config}",
                    f"--storage.tsdb.path={folder / 'tsdb'}",
                    f"--web.listen-address={LOOPBACK}:{self._port}",
                ],
                {},
                folder,
                log,
                subprocess.STDOUT,
            )

    @property
    def url(self) -> str:
        """Its own pages."""
        return f"http://{LOOPBACK}:{self._port}"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now; AssertionError with Prometheus' own words."""
        data = urllib.parse.urlencode({"query": expression}).encode()
        try:
            with DIRECT.open(f"{self.url}/api/v1/query", data, timeout=PATIENCE_SECONDS) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{expression}: {error.read().decode()}") from error
        series = found["data"]["result"]
        assert isinstance(series, list)
        return series

    def wait_for(
        self, expression: str, is_good: Callable[[list[dict[str, Any]]], bool] = bool
    ) -> list[dict[str, Any]]:
        """The series once they are as wanted, by default any; AssertionError after a minute."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            nonlocal found
            try:
                found = self.query(expression)
            except OSError:
                found = []
            return is_good(found)

        def told() -> str:
            return f"{expression}: {found}\n{self._log.read_text()}"

        await_that(is_there, told, step_seconds=0.2)
        return found

    def __enter__(self) -> Prometheus:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        end(self._process)
