"""The `alert-engine` command run to its end: in this process, or installed in one of its own."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from engine.cli import main
from tests.support.engine_process import COMMAND
from tests.support.handbook import ROOT

TIMEOUT_SECONDS: Final = 120.0
NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command that has ended left: its exit status and all that it wrote."""

    status: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams."""
        return self.stdout + self.stderr


def alert_engine(
    folder: Path, *arguments: str | Path, variables: Mapping[str, str] = NO_VARIABLES
) -> Finished:
    """Run `alert-engine` in `folder`, in this process; it sees what `alert_engine_process` gives.

    A start of Python costs more than most commands. Not for `run` and `demo`, which take over the
    streams and signals of their process.
    """
    assert not {"run", "demo"} & {*arguments}, "alert_engine_process() is for these"
    stdout, stderr = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
        seen = _environment(variables)
        for name in os.environ.keys() - seen:
            patch.delenv(name)
        for name, value in seen.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
    return Finished(status, _written(stdout), _written(stderr))


def _written(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def alert_engine_process(
    folder: Path, *arguments: str | Path, variables: Mapping[str, str] = NO_VARIABLES
) -> Finished:
    """Run the installed command in `folder`; it sees PATH, the shipped schemas and `variables`."""
    done = subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env=_environment(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "SCHEMAS_PATH": str(ROOT / "schemas"),
        **variables,
    }
