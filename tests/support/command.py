"""The installed `alert-engine` command, run to its end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tests.support.engine_process import COMMAND
from tests.support.site import SCHEMAS

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
    """Run `alert-engine` in `folder`; it sees PATH, the shipped schemas and `variables` only."""
    done = subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "SCHEMAS_PATH": str(SCHEMAS),
            **variables,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())
