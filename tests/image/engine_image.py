"""The image under test, built by a real Docker engine from a copy of the working tree.

Secrets are planted in the copy, where a careless build would pick them up.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.fresh_copy import copy_tree

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


def copy_with_secrets(target: Path) -> Path:
    """The working tree as a careful owner's checkout has it, with secrets and state beside it."""
    copy_tree(target)
    (target / ".env").write_text(f"WEBHOOK_TOKEN={CANARY}\n")
    for name in (".git/config", "state/alerts.db", "engine/.env", "rules/secrets.yaml"):
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text(CANARY)
    # What the image takes over as it is; the engine in it is another user.
    for name in ("schemas/plate_event.avsc", "rules/alert_rules.yaml", "deploy/healthcheck.py"):
        (target / name).chmod(0o600)
    (target / "schemas").chmod(0o700)
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
