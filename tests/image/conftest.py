"""The image and the stack, made once; what they measured and what stood in, told at the end."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.engine_image import (
    TAG,
    base_image,
    build,
    copy_with_secrets,
    docker,
    has_buildkit,
    inspect,
)
from tests.image.stack import STAND_IN_LABEL, Stack

_told: list[str] = []


def tell(line: str) -> None:
    """Print a line at the end of the run."""
    _told.append(line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was measured, and what was not the real thing."""
    for line in _told:
        terminalreporter.write_line(f"image: {line}")


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the working tree with secrets planted in it."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        pytest.fail("needs a running Docker engine")
    return copy_with_secrets(tmp_path_factory.mktemp("context"))


@pytest.fixture(scope="session")
def image(context: Path) -> str:
    """The tag of the image, built now."""
    build(context, TAG, buildkit=has_buildkit())
    _tell_stand_in(base_image())
    return TAG


@pytest.fixture(scope="module")
def stack(image: str, context: Path) -> Iterator[Stack]:
    """The running stack."""
    with Stack(context) as running:
        _tell_stand_in("apache/kafka:4.0.0")
        if running.has_own_registry:
            tell("the schema registry is the test's own stand-in: its image can't be pulled here")
        yield running


@pytest.fixture(scope="module")
def replicas(image: str, context: Path) -> Iterator[Stack]:
    """The running stack with two engines on one PostgreSQL."""
    with Stack(context, replicas=True) as running:
        if running.has_own_database:
            tell("PostgreSQL is of Debian's packages: its image can't be pulled here")
        yield running


def _tell_stand_in(name: str) -> None:
    if what := (inspect(name)["Config"]["Labels"] or {}).get(STAND_IN_LABEL):
        tell(f"{name} is a local stand-in ({what})")


@pytest.fixture
def volume() -> Iterator[str]:
    """The name of a fresh volume; what Docker itself would call it says that nobody named it."""
    name = docker("volume", "create", f"image-test-{uuid.uuid4().hex[:8]}").strip()
    yield name
    docker("volume", "rm", "--force", name)
