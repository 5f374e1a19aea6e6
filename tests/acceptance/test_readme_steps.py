"""README's steps, done literally and in order in a fresh copy of the tree, by make and a shell."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.demo.servers import RegistryServer
from engine.settings import Settings
from tests.support.engine_process import EngineProcess
from tests.support.fresh_copy import copy_tree, install
from tests.support.handbook import PAGES
from tests.support.mock_cluster import MockCluster
from tests.support.snippets import Snippet, commands
from tests.support.walkthrough import KAFKA, REGISTRY

README = PAGES["README.md"]
COMMAND_SECONDS = 100.0


class Reader:
    """Somebody in a fresh copy who does what README says.

    `addresses` are the real ones of Kafka and the registry. The packages are installed already.
    `make test` is looked at only: it would run this test.
    """

    def __init__(self, folder: Path, addresses: dict[str, str]) -> None:
        self.folder = folder
        self.done: list[str] = []
        self._addresses = addresses
        self._exported: dict[str, str] = {}

    def follow(self, snippet: Snippet) -> None:
        """Write the file, or run the commands."""
        if name := snippet.attributes.get("file"):
            (self.folder / name).write_text(snippet.text)
        if snippet.language != "sh":
            return
        for command in commands(snippet):
            match command.words:
                case ("export", assignment):
                    name, _, value = assignment.partition("=")
                    self._exported[name] = self._addresses.get(value, value)
                case ("make", "run"):
                    self._serve()
                case ("make", "test"):
                    self._run("make", "-n", "test")
                case words:
                    self._run(*words)
            self.done.append(" ".join(command.words))

    def _serve(self) -> None:
        with EngineProcess(self._exported, self.folder, ("run",), program="make") as engine:
            engine.wait_ready()
            engine.stop()
            assert "engine.stopped" in engine.output

    def _run(self, *words: str) -> None:
        environment = {"LANG": "C.UTF-8", **self._exported}
        environment["PATH"] = f"{self.folder / '.venv' / 'bin'}:{os.environ['PATH']}"
        finished = subprocess.run(
            words,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        said = finished.stdout + finished.stderr
        assert finished.returncode == 0, f"{' '.join(words)}\n{said}"
        if words == ("make", "check"):
            assert "gate_watchlist" not in said, said
            assert "good: 12 rules, 0 disabled, 1 channel with 2 recipients" in said


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    copy = copy_tree(tmp_path / "copy")
    install(copy)
    with MockCluster(Settings().kafka_topics) as broker, RegistryServer() as registry:
        yield Reader(copy, {KAFKA: broker.bootstrap_servers, REGISTRY: registry.url})


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_they_end_well(reader: Reader) -> None:
    for snippet in README.snippets:
        reader.follow(snippet)
    assert reader.done == [
        "make demo",
        "make test",
        "export SMTP_PASSWORD=secret",
        "make check",
        "export KAFKA_BOOTSTRAP_SERVERS=localhost:9092",
        "export SCHEMA_REGISTRY_URL=http://localhost:8081",
        "make run",
        "alert-engine init",
        "alert-engine check",
    ]
