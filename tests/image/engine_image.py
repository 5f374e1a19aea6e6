"""The image under test, built by a real Docker engine from a copy of the working tree.

Secrets are planted in the copy, where a careless build would pick them up.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TAG = "alpr-alert-engine:image-test"
CANARY = "canary-4f1c0d9e"
COMMAND_SECONDS = 600


class DockerError(AssertionError):
    """A docker command failed; the text holds its output."""


def docker(
    *arguments: str, environment: Mapping[str, str] | None = None, folder: Path = ROOT
) -> str:
    """The standard output of a docker command; DockerError with all its output when it fails."""
    done = subprocess.run(
        ["docker", *arguments],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_SECONDS,
    )
    if done.returncode:
        raise DockerError(f"docker {' '.join(arguments)}\n{done.stdout}{done.stderr}")
    return done.stdout


def inspect(name: str) -> dict[str, Any]:
    """What the engine knows of an image or a container."""
    [found] = json.loads(docker("inspect", name))
    assert isinstance(found, dict)
    return found


def has_buildkit() -> bool:
    """Whether `docker build` can use BuildKit here."""
    return (
        subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode
        == 0
    )


def base_image() -> str:
    """The base that the Dockerfile names."""
    found = re.search(r"^ARG PYTHON_IMAGE=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def copy_tree(target: Path) -> Path:
    """The working tree as a checkout has it, with secrets and state beside it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    (target / ".env").write_text(f"WEBHOOK_TOKEN={CANARY}\n")
    for name in (".git/config", "state/alerts.db", "engine/.env", "rules/secrets.yaml"):
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text(CANARY)
    return target


def build(context: Path, tag: str, *, buildkit: bool) -> None:
    """Build the Dockerfile of `context`, unmodified."""
    docker(
        "build",
        "--tag",
        tag,
        ".",
        folder=context,
        environment={"DOCKER_BUILDKIT": str(int(buildkit)), "WEBHOOK_TOKEN": CANARY},
    )
