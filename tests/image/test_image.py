"""The image as `docker build` makes it."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from engine.cli.init import COMPOSE_FILE
from tests.deploy.test_lock import LOCK, dockerfile_argument, locked
from tests.image.conftest import tell
from tests.image.engine_image import (
    CANARY,
    TAG,
    base_image,
    build,
    docker,
    has_buildkit,
    inspect,
)
from tests.support.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.image

MEGABYTE = 1_000_000
# Of it numpy, which indexes long lists by likeness, is about 60.
MOST_ABOVE_BASE = 200 * MEGABYTE
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
# The engine takes 9 at most; at 20 it would be killed.


def in_image(image: str, *command: str) -> str:
    return docker("run", "--rm", "--entrypoint", command[0], image, *command[1:])


def layers(image: str, folder: Path) -> list[tuple[str, bytes]]:
    """Every file of every layer of an image, and its configuration: name and content."""
    archive = folder / "image.tar"
    docker("save", "--output", str(archive), image)
    found: list[tuple[str, bytes]] = []
    with tarfile.open(archive) as whole:
        for member in whole:
            stream = whole.extractfile(member)
            if stream is None:
                continue
            content = stream.read()
            found.append((member.name, content))
            try:
                with tarfile.open(fileobj=io.BytesIO(content)) as layer:
                    for inner in layer:
                        inside = layer.extractfile(inner) if inner.isfile() else None
                        found.append((inner.name, inside.read() if inside else b""))
            except tarfile.ReadError:
                continue
    return found


@pytest.mark.parametrize("buildkit", [False, True], ids=["legacy builder", "BuildKit"])
def test_it_builds_with_either_builder(context: Path, buildkit: bool) -> None:
    if buildkit and not has_buildkit():
        pytest.skip("no buildx here")
    tag = f"alpr-alert-engine:image-test-{int(buildkit)}"
    build(context, tag, buildkit=buildkit)
    assert in_image(tag, "alert-engine", "--version").startswith("alert-engine ")
    docker("rmi", tag)


def test_it_adds_little_to_its_base(image: str) -> None:
    above = inspect(image)["Size"] - inspect(base_image())["Size"]
    tell(f"{above / MEGABYTE:.0f} MB above its base")
    assert above <= MOST_ABOVE_BASE


def test_the_version_is_the_same_everywhere(image: str) -> None:
    labels = inspect(image)["Config"]["Labels"]
    version = in_image(image, "alert-engine", "--version").split()[1]
    assert labels["org.opencontainers.image.version"] == version == dockerfile_argument("VERSION")
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_it_runs_as_a_numbered_user_with_a_health_check(image: str) -> None:
    config = inspect(image)["Config"]
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["Entrypoint"] == ["alert-engine"]
    assert in_image(image, "id", "-u").strip() == "10001"


def test_neither_build_tools_nor_caches_ship(image: str) -> None:
    script = (
        "import importlib.util as u, os, shutil, json;"
        "print(json.dumps([n for n in ('pip', 'setuptools', 'hatchling') if u.find_spec(n)]"
        " + [n for n in ('gcc', 'make', 'git') if shutil.which(n)]"
        " + [p for p in ('/root/.cache', '/build', '/opt/builder') if os.path.exists(p)]))"
    )
    assert json.loads(in_image(image, "/opt/alert-engine/bin/python", "-c", script)) == []


def test_no_secret_and_no_state_gets_in(image: str, tmp_path: Path) -> None:
    history = docker("history", "--no-trunc", image)
    assert CANARY not in history
    found = layers(image, tmp_path)
    assert any(name.endswith("alert_rules.yaml") for name, _ in found)
    assert [name for name, content in found if CANARY.encode() in content] == []
    unwanted = ("/.env", ".git/config", "docker-compose.yml", "rules/secrets.yaml")
    assert [name for name, _ in found if f"/{name}".endswith(unwanted)] == []


def test_every_locked_package_ships_with_its_licence(image: str) -> None:
    rows = [
        line.split("\t")
        for line in in_image(image, "cat", "/app/THIRD-PARTY-LICENSES.txt").splitlines()
        if not line.startswith("#")
    ]
    shipped = {name.replace("_", "-"): version for name, version, _ in rows}
    assert (
        shipped.items()
        <= {**locked(LOCK), "alpr-alert-engine": dockerfile_argument("VERSION")}.items()
    )
    assert [name for name, _, licence in rows if licence == "unknown"] == []


def test_the_shipped_rules_are_good(image: str) -> None:
    assert "good:" in docker("run", "--rm", image, "check")


RULE = "rules:\n  - {{id: {0}, when: 'true', notify: []}}\n"


def check(image: str, *options: str) -> tuple[int, str]:
    """Status and output of `check` in a container, which is the engine's own user."""
    done = subprocess.run(
        ["docker", "run", "--rm", *options, image, "check"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_every_file_of_a_mounted_folder_is_in_force(image: str, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    mount = ("--volume", f"{folder}:/app/config:ro")
    status, said = check(image, *mount)
    assert (status, "/app/config:1:1: the folder holds no" in said) == (1, True)
    for name in ("gate.yaml", "night.yml"):
        (folder / name).write_text(RULE.format(name[:4]))
    status, said = check(image, *mount)
    assert (status, said[:14]) == (0, "good: 2 rules,")


def test_a_file_mounted_over_the_sample_is_in_force_alone(image: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RULE.format("mine"))
    status, said = check(
        image, "--volume", f"{tmp_path / 'mine.yaml'}:/app/config/alert_rules.yaml:ro"
    )
    assert (status, said[:13]) == (0, "good: 1 rule,")


def test_either_variable_names_other_rules(image: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RULE.format("mine"))
    mount = ("--volume", f"{tmp_path / 'mine.yaml'}:/site/mine.yaml:ro")
    for variables in (
        ("RULES_CONFIG_PATH=/site/mine.yaml",),
        ("RULES_PATH=/site", "RULES_CONFIG_PATH="),
    ):
        flags = [part for each in variables for part in ("--env", each)]
        assert check(image, *mount, *flags)[1].startswith("good: 1 rule,")
    status, said = check(image, *mount, "--env", "RULES_PATH=/site")
    assert status == 2
    assert "differs from RULES_CONFIG_PATH, which is /app/config: let one of them be empty" in said


def test_rules_that_its_user_may_not_read_are_told(image: str, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "gate.yaml").write_text(RULE.format("gate"))
    mount = ("--volume", f"{folder}:/app/config:ro")
    (folder / "gate.yaml").chmod(0o600)
    status, said = check(image, *mount)
    assert status == 2
    assert "/app/config/gate.yaml:1:1: " in said
    assert "Permission denied" in said
    folder.chmod(0o700)
    status, said = check(image, *mount)
    assert status == 2
    assert "let the service's user read it" in said


def test_init_out_of_the_image_writes_what_it_reads(image: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    docker("run", "--rm", "--volume", f"{tmp_path}:/site", image, "init", "/site")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"rules", "schemas", ".env", COMPOSE_FILE}
    assert check(image, "--volume", f"{tmp_path / 'rules'}:/app/config:ro")[0] == 0
    done = subprocess.run(
        ["docker", "run", "--rm", image, "init"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "name a folder that you may write to" in done.stderr


def run_alone(image: str, *options: str) -> str:
    """Start the engine with no Kafka to be found; the container's id."""
    away = ("--env", "KAFKA_BOOTSTRAP_SERVERS=localhost:1")
    return docker("run", "--detach", *HARDENED, "--tmpfs", "/tmp", *away, *options, image).strip()


def log_of(container: str, wanted: str) -> str:
    """The container's log, once it holds `wanted`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        done = subprocess.run(
            ["docker", "logs", container], capture_output=True, text=True, check=True
        )
        if wanted in done.stderr + done.stdout:
            return done.stderr + done.stdout
        assert time.monotonic() < deadline, done.stderr + done.stdout
        time.sleep(0.1)


def stop(container: str) -> int:
    """The exit status after `docker stop`, 137 where it had to kill; the container is removed."""
    docker("stop", "--time", "20", container)
    status = inspect(container)["State"]["ExitCode"]
    docker("rm", "--volumes", container)
    assert isinstance(status, int)
    return status


def test_without_a_volume_it_works_and_warns(image: str) -> None:
    container = run_alone(image)
    assert "state.temporary" in log_of(container, "engine.started")
    assert stop(container) == 0


def test_with_a_volume_it_does_not_warn(image: str, volume: str) -> None:
    container = run_alone(image, "--volume", f"{volume}:/data")
    assert "state.temporary" not in log_of(container, "engine.started")
    assert stop(container) == 0


def test_a_stop_during_the_start_is_heard(image: str) -> None:
    # As compose does: before Python has come up, a process 1 of its own would not hear it.
    container = run_alone(image, "--init")
    assert stop(container) in (0, 143), "killed: process 1 did not take the signal"


def test_broken_rules_end_it_with_their_faults(image: str) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--env", "RULES_CONFIG_PATH=/app/none.yaml", TAG],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert "/app/none.yaml" in done.stderr
