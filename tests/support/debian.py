"""Programs out of Debian packages, unpacked into `.cache` without installing them."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[2] / ".cache" / "debian"
FETCH_SECONDS = 300


class PackageUnavailableError(Exception):
    """The package can't be had here; the text says why."""


def program(name: str, package: str) -> str:
    """The path of a program: what is installed, else out of the package.

    Skips the test where neither can be had; with CI set that is a failure.
    """
    if installed := shutil.which(name):
        return installed
    try:
        return str(_unpacked(package) / "usr" / "bin" / name)
    except PackageUnavailableError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"needs {name}: {error}")


def unpack_with_missing(package: str) -> list[Path]:
    """The folders of a package, and of all that it depends on and that is not installed here.

    Raises PackageUnavailableError.
    """
    if shutil.which("apt-get") is None:
        raise PackageUnavailableError("no apt-get to fetch it with")
    command = ("apt-get", "install", "--simulate", "--no-install-recommends", package)
    try:
        plan = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=FETCH_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise PackageUnavailableError(str(error)) from error
    names = [line.split()[1] for line in plan.stdout.splitlines() if line.startswith("Inst ")]
    if not names:
        raise PackageUnavailableError(f"apt-get does not give {package}: {plan.stderr[-500:]}")
    return [_unpacked(name) for name in names]


def _unpacked(package: str) -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / package
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _fetch(package, folder)
    return folder


def _fetch(package: str, folder: Path) -> None:
    if shutil.which("apt-get") is None:
        raise PackageUnavailableError("no apt-get to fetch it with")
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        try:
            if not _download(package, scratch):
                # The lists may be older than the archive.
                _run("apt-get", "update", "-qq", folder=scratch)
                if not _download(package, scratch):
                    raise PackageUnavailableError(f"apt-get does not give {package}")
            [archive] = Path(scratch).glob("*.deb")
            content = Path(scratch) / "content"
            if _run("dpkg", "-x", str(archive), str(content), folder=scratch):
                raise PackageUnavailableError(f"{archive.name} can't be unpacked")
        except subprocess.TimeoutExpired as error:
            raise PackageUnavailableError(str(error)) from error
        content.rename(folder)


def _download(package: str, folder: str) -> bool:
    return _run("apt-get", "download", "-qq", package, folder=folder) == 0


def _run(*command: str, folder: str) -> int:
    return subprocess.run(
        command, cwd=folder, capture_output=True, check=False, timeout=FETCH_SECONDS
    ).returncode
