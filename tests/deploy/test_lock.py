from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"
BUILD_LOCK = ROOT / "requirements-build.lock"
# Debian 12's C library; wheels for an older one run as well.
NEWEST_GLIBC = 36
OLDEST_GLIBC = 17


def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def dockerfile_argument(name: str) -> str:
    found = re.search(rf"^ARG {name}=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def locked(path: Path) -> dict[str, str]:
    """Name → version, of every pinned line."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*?\])?==([^ ;\\]+)", path.read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pins}


def asked_for() -> set[str]:
    """What the lock file says the project itself wants."""
    direct, name = set(), ""
    for line in LOCK.read_text().splitlines():
        if found := re.match(r"([A-Za-z0-9._-]+)(?:\[.*?\])?==", line):
            name = canonicalize_name(found[1])
        elif "alpr-alert-engine (pyproject.toml)" in line:
            direct.add(name)
    return direct


def dependencies() -> list[Requirement]:
    """What the image needs: the project's own, and those of the extra `demo`."""
    table = project()["project"]
    assert isinstance(table, dict)
    texts = [*table["dependencies"], *table["optional-dependencies"]["demo"]]
    return [Requirement(text) for text in texts]


def test_the_lock_holds_what_the_project_asks_for_and_nothing_else() -> None:
    # After a change of pyproject.toml: make lock
    assert asked_for() == {canonicalize_name(each.name) for each in dependencies()}


def test_every_pin_is_a_version_that_the_project_takes() -> None:
    pins = locked(LOCK)
    wrong = [
        str(each)
        for each in dependencies()
        if pins[canonicalize_name(each.name)] not in each.specifier
    ]
    assert wrong == [], "run `make lock`"


@pytest.mark.parametrize("path", [LOCK, BUILD_LOCK], ids=lambda path: path.name)
def test_every_pin_has_hashes(path: Path) -> None:
    blocks = re.split(r"^(?=[A-Za-z0-9])", path.read_text(), flags=re.MULTILINE)[1:]
    assert len(blocks) == len(locked(path))
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


def test_the_builder_is_what_pyproject_names() -> None:
    system = project()["build-system"]
    assert isinstance(system, dict)
    pins = locked(BUILD_LOCK)
    for text in system["requires"]:
        requirement = Requirement(text)
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier


def test_the_dockerfile_names_the_projects_version() -> None:
    table = project()["project"]
    assert isinstance(table, dict)
    assert dockerfile_argument("VERSION") == table["version"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("machine", ["aarch64", "x86_64"])
def test_every_dependency_has_a_wheel_for_the_images_python(machine: str, tmp_path: Path) -> None:
    found = re.search(r":(\d+\.\d+)", dockerfile_argument("PYTHON_IMAGE"))
    assert found is not None
    platforms = [f"manylinux2014_{machine}"] + [
        f"manylinux_2_{minor}_{machine}" for minor in range(OLDEST_GLIBC, NEWEST_GLIBC + 1)
    ]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--python-version", found[1], "--implementation", "cp"]
    for platform in platforms:
        command += ["--platform", platform]
    done = subprocess.run(
        [*command, "--dest", str(tmp_path), "--requirement", str(LOCK)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    wheels = [path.name for path in tmp_path.iterdir()]
    assert all(name.endswith(".whl") for name in wheels)
    assert sum(name.endswith(f"_{machine}.whl") for name in wheels) >= 5
