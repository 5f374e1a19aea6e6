"""A page of the documentation, followed from top to bottom as its reader would.

Where a page has a Kafka, a registry or the engine on localhost, there are real ones on free ports.
`alert-engine run` is a process; the other commands run in this one, by the command line's entry,
which takes a tenth of the time, also those of `make check`. What installs or takes long is looked
at only: other `make` targets with `make -n`, the activation of the environment by its name.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

import certifi
import confluent_kafka

from engine.cli import main
from engine.settings import Settings
from engine.stream.options import consumer_options
from engine.stream.registry import registry_client
from tests.support.command import Finished
from tests.support.engine_process import EngineProcess
from tests.support.handbook import ROOT
from tests.support.snippets import Command, Snippet, commands

KAFKA: Final = "localhost:9092"
REGISTRY: Final = "http://localhost:8081"
POSTGRESQL: Final = "postgresql://alerts@localhost/alerts"
WEB: Final = "localhost:8003"
RECEIVER: Final = "http://localhost:8080"
CA_FILE: Final = "/etc/ssl/certs/ca-certificates.crt"
# What people have in their environment when they use the channels of the pages.
SECRETS: Final[Mapping[str, str]] = {
    "SMTP_PASSWORD": "p@ss/w#rd%41?&",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T12345678/B12345678/abcdEFGH1234ijkl5678MNOP",
    "WEBHOOK_TOKEN": "token-of-the-webhook-1",
    "WEBHOOK_SECRET": "secret-of-the-webhook-1",
    "TWILIO_ACCOUNT_SID": "AC0123456789abcdef0123456789abcdef",
    "TWILIO_AUTH_TOKEN": "fedcba9876543210fedcba9876543210",
    "CA_FILE": certifi.where(),
}
ANY_RULE: Final = "rules:\n  - {id: any, when: 'true', notify: []}\n"

MOUNTED_SECRETS = "/run/secrets/"


class Walkthrough:
    """One reader in a folder that has `rules/` of its own; ends the engine at the end.

    `addresses` are the real ones of `KAFKA`, `REGISTRY`, `CA_FILE`, `POSTGRESQL` and `RECEIVER`.
    """

    def __init__(self, folder: Path, addresses: Mapping[str, str]) -> None:
        self.folder = folder
        self.engine: EngineProcess | None = None
        self.addresses = dict(addresses)
        self._variables: dict[str, str] = {}
        self._namespace: dict[str, Any] = {"__name__": "page"}
        shutil.copytree(ROOT / "rules", folder / "rules")

    def __enter__(self) -> Walkthrough:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # What the page's clients hold on to must not outlive their broker.
        self._namespace.clear()
        if self.engine is None:
            return
        with self.engine:
            status = self.engine.stop()
        assert kind is not None or status == 0, self.engine.output

    def follow(self, snippet: Snippet) -> None:
        """Do what a snippet says; AssertionError where it is not as the page has it."""
        steps: Mapping[str, Callable[[Snippet], None]] = {
            "yaml": self._yaml,
            "csv": self._file,
            "jsonl": self._file,
            "python": self._python,
            "sh": self._commands,
            "console": self._commands,
        }
        if step := steps.get(snippet.language):
            step(snippet)

    def given(self, **variables: str) -> None:
        """The reader has these variables set from now on."""
        self._variables.update(variables)

    def running(self) -> EngineProcess:
        """The engine, started where it is not, and ready."""
        if self.engine is None:
            given = {name: self._real(value) for name, value in self._variables.items()}
            servers = {"KAFKA_BOOTSTRAP_SERVERS": KAFKA, "SCHEMA_REGISTRY_URL": REGISTRY}
            servers = {name: self._real(value) for name, value in servers.items()}
            self.engine = EngineProcess({**servers, "LOG_FORMAT": "json", **given}, self.folder)
        self.engine.wait_ready()
        return self.engine

    def _real(self, text: str) -> str:
        for written, real in self.addresses.items():
            text = text.replace(written, real)
        return text

    def _yaml(self, snippet: Snippet) -> None:
        name = snippet.attributes.get("file")
        if name is not None:
            (self.folder / name).write_text(snippet.text)
            return
        # Beside the shipped rules would be twice the same ids.
        place = self.folder / f"line-{snippet.line}"
        place.mkdir()
        (place / "snippet.yaml").write_text(snippet.text)
        if not re.search(r"^rules:", snippet.text, re.MULTILINE):
            (place / "any.yaml").write_text(ANY_RULE)
        for command in ("check", "test"):
            done = run_here({**SECRETS}, command, str(place))
            assert done.status == 0, f"{snippet.place}:\n{done.output}"
            is_good = command == "test" or ", 0 warnings" in done.output
            assert is_good, f"{snippet.place}:\n{done.output}"

    def _file(self, snippet: Snippet) -> None:
        (self.folder / snippet.attributes["file"]).write_text(snippet.text)

    def _python(self, snippet: Snippet) -> None:
        code = compile(self._real(snippet.text), snippet.place, "exec", dont_inherit=True)
        exec(code, self._namespace)
        if event := snippet.attributes.get("logs"):
            self.running().wait_for_line(re.escape(f'"event": "{event}"'))

    def _commands(self, snippet: Snippet) -> None:
        found = commands(snippet)
        assert found, f"{snippet.place}: no command"
        status = int(snippet.attributes.get("exit", "0"))
        for number, command in enumerate(found, 1):
            self._command(command, status if number == len(found) else 0, snippet.place)
        if any(command.words[0] == "export" for command in found):
            self._check_variables()

    def _secret(self, path: str) -> str:
        """A file of the reader's in place of a secret that a container would be given."""
        if not path.startswith(MOUNTED_SECRETS):
            return ""
        file = self.folder / Path(path).name
        file.write_text("user:a secret\n")
        return str(file)

    def _command(self, command: Command, status: int, place: str) -> None:
        match command.words:
            case ("export", assignment):
                name, _, value = assignment.partition("=")
                # A page shows one way after another to give a secret.
                self._variables.pop(name.removesuffix("_FILE"), None)
                self._variables[name] = self._secret(value) or value
            case ("make", *targets):
                lines = _look_at_make(targets)
                if targets == ["check"]:
                    for _, *arguments in map(shlex.split, lines):
                        done = run_here(self._variables, *arguments)
                        assert done.status == 0, f"{place}: {done.output}"
            case (".", script):
                assert f"VENV ?= {script.split('/')[0]}\n" in (ROOT / "Makefile").read_text(), place
            case ("curl", "-fsS", url):
                parts = urlsplit(url)
                assert parts.netloc == WEB, place
                assert self.running().get(parts.path)[0] == 200, place
            case ("alert-engine", "run"):
                self.running()
            case ("kill", "-HUP", _):
                self.running().signal(signal.SIGHUP)
                self.running().wait_for_line("rules.reloaded")
            case ("alert-engine", *arguments):
                variables = {**SECRETS, **self._variables, **command.variables}
                variables = {name: self._real(value) for name, value in variables.items()}
                done = run_here(variables, *map(self._real, arguments))
                if command.expected is not None:
                    _compare(command.expected, done.output, place)
                assert done.status == status, f"{place}: {done.output}"
            case ("docker" | "kubectl" | "git" | "cd" | "scp" | "mkdir", *_):
                # tests/image/test_deployment_page.py does these: it needs a Docker engine.
                return
            case ("openssl" | "chmod" | "cat", *_):
                # tests/image/test_replicas.py makes such a stack.
                return
            case words:
                raise AssertionError(f"{place}: {' '.join(words)}: say how this is to be tested")

    def _check_variables(self) -> None:
        """Make the clients that the variables so far describe; they connect in vain, if at all."""
        given = {name: self._real(value) for name, value in self._variables.items()}
        settings = Settings.from_environment(given)
        confluent_kafka.Consumer(consumer_options(settings)).close()
        url, options = settings.schema_registry_url, settings.schema_registry_options
        registry_client(url.reveal(), options.reveal()).close()


def run_here(variables: Mapping[str, str], *arguments: str) -> Finished:
    """`alert-engine` in this process and folder; it sees these variables only."""
    outer, said = dict(os.environ), io.StringIO()
    os.environ.clear()
    os.environ.update({"LANG": "C.UTF-8", **variables})
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = main(arguments)
    except SystemExit as ended:
        status = int(ended.code or 0)
    finally:
        os.environ.clear()
        os.environ.update(outer)
    return Finished(status, said.getvalue(), "")


def _look_at_make(targets: list[str]) -> list[str]:
    """What `make` would run, a line each, with the environment installed."""
    # A folder of that name would do for make.
    known = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {*targets} <= {*known}, f"make {' '.join(targets)}: no such target"
    command = ["make", "-n", "--no-print-directory", "INSTALLED=", *targets]
    # A `make` that runs these tests hands its own options on.
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _compare(expected: str, output: str, place: str) -> None:
    """`…` in what is expected stands for anything in its line."""
    pattern = re.compile(re.escape(_trimmed(expected)).replace("…", ".*"))
    assert pattern.fullmatch(_trimmed(output)), f"{place} has\n{expected}\nbut it is\n{output}"


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
