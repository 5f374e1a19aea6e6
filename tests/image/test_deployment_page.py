"""The steps of docs/deployment.md, done literally and in order, on a real Docker engine.

Each section has a reader of its own, who starts where the section does. `scp` copies on this
machine; `kubectl` is left out, for it needs a cluster.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.conftest import tell
from tests.image.engine_image import docker, inspect
from tests.image.stack import ENGINE, REGISTRY_SERVICE, STAND_IN, can_be_had, wait_until
from tests.support.engine_process import DIRECT
from tests.support.fresh_copy import ROOT, copy_tree, install
from tests.support.handbook import PAGES
from tests.support.http_receiver import LOOPBACK
from tests.support.processes import free_port
from tests.support.snippets import Snippet, codes

pytestmark = pytest.mark.image

PAGE = PAGES["deployment.md"]
COMMAND_SECONDS = 600
PAGE_SECONDS = 60.0
PORTS = ("KAFKA_PORT", "SCHEMA_REGISTRY_PORT", "INBOX_PORT", "ALERT_ENGINE_PORT")
PROJECT = "alert-engine-page-test"
OWN_RULES = "rules:\n  - {id: own, when: 'true', notify: []}\n"
# What stands for another machine.
SHELL = """\
scp() { cp "${@:1:$#-1}" "$STACK"; }
"""


def section_of(line: int) -> str:
    """The section in which a line of the page stands."""
    above = PAGE.path.read_text().splitlines()[: line - 1]
    return next(text[3:] for text in reversed(above) if text.startswith("## "))


def steps(section: str) -> list[Snippet]:
    """The shell snippets of a section, in order."""
    return [
        each for each in PAGE.snippets if each.language == "sh" and section_of(each.line) == section
    ]


def inline_commands(section: str) -> list[str]:
    """The commands in the section's tables and sentences."""
    text = PAGE.path.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [code for code in codes(prose) if code.startswith(("docker ", "chmod "))]


class Reader:
    """Somebody with a fresh checkout, a shell, and Docker; ports are free ones."""

    def __init__(self, folder: Path) -> None:
        self.checkout = copy_tree(folder / "checkout")
        install(self.checkout)
        self.stack = folder / "stack"
        self.stack.mkdir()
        files = ["docker-compose.yml"]
        if not can_be_had(registry_image()):
            files.append(str(ROOT / STAND_IN))
        self.environment = {
            "PATH": f"{self.checkout / '.venv' / 'bin'}:{os.environ['PATH']}",
            "HOME": os.environ["HOME"],
            "LANG": "C.UTF-8",
            "DOCKER_BUILDKIT": os.environ.get("DOCKER_BUILDKIT", ""),
            "COMPOSE_FILE": os.pathsep.join(files),
            "COMPOSE_PROJECT_NAME": PROJECT,
            "STACK": str(self.stack),
            **{name: str(free_port()) for name in PORTS},
        }
        self.environment |= {
            name: value for name, value in os.environ.items() if name.startswith("DOCKER_")
        }

    def do(self, text: str, folder: Path) -> str:
        """Run lines of a page as one types them; what they print."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", SHELL + text],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}\n{self.log()}"
        return done.stdout + done.stderr

    def log(self) -> str:
        """What the engine said last."""
        command = ["docker", "logs", "--tail", "40", ENGINE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def await_page(self, path: str) -> None:
        """Return when a page of the engine's web port says 200."""
        url = f"http://{LOOPBACK}:{self.environment['ALERT_ENGINE_PORT']}{path}"

        def is_good() -> bool:
            try:
                with DIRECT.open(url, timeout=5) as answer:
                    return int(answer.status) == 200
            except OSError:
                return False

        wait_until(is_good, path, PAGE_SECONDS)

    def clear(self) -> None:
        """Leave nothing behind."""
        subprocess.run(["docker", "rm", "--force", ENGINE], capture_output=True, check=False)
        self.do("docker compose --profile '*' down --volumes --timeout 5", self.checkout)


def registry_image() -> str:
    text = (ROOT / "docker-compose.yml").read_text()
    found = re.search(
        rf"^  {REGISTRY_SERVICE}:\n(?:    .*\n)*?    image: (\S+)", text, re.MULTILINE
    )
    assert found is not None
    return found[1]


@pytest.fixture
def reader(context: Path, tmp_path: Path) -> Iterator[Reader]:
    found = Reader(tmp_path)
    found.clear()
    try:
        yield found
    finally:
        found.clear()


def test_the_whole_page_is_done() -> None:
    sections = {section_of(each.line) for each in PAGE.snippets if each.language == "sh"}
    assert sections == {
        "Compose",
        "Without a checkout",
        "Beside an existing stack",
        "Jetson and other arm64",
        "Kubernetes",
        "Upgrade and rollback",
        "Backup of the state",
    }


def test_compose_with_upgrade_and_backup(reader: Reader) -> None:
    up, demo = steps("Compose")
    reader.do(up.text, reader.checkout)
    reader.await_page("/healthz")
    *table, down = inline_commands("Compose")
    assert len(table) >= 5
    for command in table:
        reader.do(command, reader.checkout)
    for section in ("Upgrade and rollback", "Backup of the state"):
        for step in steps(section):
            reader.do(step.text, reader.checkout)
    assert (reader.checkout / "alerts-backup.db").read_bytes().startswith(b"SQLite format 3")
    reader.await_page("/healthz")
    reader.do(demo.text, reader.checkout)
    assert "cameras" in reader.do("docker compose --profile demo ps --services", reader.checkout)
    reader.do(down, reader.checkout)
    assert "alert-engine" not in reader.do("docker compose ps --services", reader.checkout)


def test_without_a_checkout(image: str, reader: Reader, tmp_path: Path) -> None:
    docker("tag", image, "alpr-alert-engine:latest")
    for number, step in enumerate(steps("Without a checkout")):
        folder = tmp_path / f"empty-{number}"
        folder.mkdir()
        assert "good: 11 rules" in reader.do(step.text, folder)
        assert (folder / "site" / "rules" / "alert_rules.yaml").is_file()


def test_beside_an_existing_stack(reader: Reader) -> None:
    config = reader.stack / "config"
    config.mkdir()
    (config / "alert_rules.yaml").write_text(OWN_RULES)
    make, check, swap = steps("Beside an existing stack")
    reader.do(make.text, reader.checkout)
    # What is there before: Kafka, the registry, and an engine of that name.
    reader.do("docker compose up --detach --wait kafka schema-registry", reader.checkout)
    topics = "kafka /opt/kafka/bin/kafka-topics.sh --bootstrap-server kafka:29092"
    create = f"docker compose exec -T {topics} --create --topic alpr.events.plates"
    reader.do(create, reader.checkout)
    sleep = "import time; time.sleep(3600)"
    docker(
        "run", "--detach", "--name", ENGINE, "--network", "alpr-network", "--init",
        "--entrypoint", "python", "alpr-alert-engine:latest", "-c", sleep,
    )  # fmt: skip
    old = inspect(ENGINE)["Id"]
    del reader.environment["COMPOSE_FILE"]
    reader.environment["COMPOSE_PROJECT_NAME"] = f"{PROJECT}-stack"
    said = reader.do(check.text, reader.stack)
    assert "Loaded image: alpr-alert-engine:latest" in said
    assert "good: 1 rule," in said
    assert inspect(old)["State"]["Running"], "checked while the old engine is at work"
    reader.do(swap.text, reader.stack)
    assert inspect(ENGINE)["Id"] != old
    reader.await_page("/readyz")
    page = reader.do(f"docker exec {ENGINE} alert-engine check", reader.stack)
    assert "good: 1 rule," in page
    file = "compose.existing-stack.yml"
    reader.do(f"docker compose -f {file} down --volumes --timeout 5", reader.stack)
    reader.environment["COMPOSE_FILE"] = "docker-compose.yml"
    reader.environment["COMPOSE_PROJECT_NAME"] = PROJECT


def test_a_clone(reader: Reader, tmp_path: Path) -> None:
    (step,) = steps("Jetson and other arm64")
    shutil.rmtree(reader.checkout / ".venv")
    commit = "git -c user.name=x -c user.email=x@x.example commit --quiet --message all"
    reader.do(f"git init --quiet && git add --all && {commit}", reader.checkout)
    folder = tmp_path / "jetson"
    folder.mkdir()
    reader.do(step.text.replace("REPOSITORY", str(reader.checkout)), folder)
    reader.await_page("/healthz")


def test_kubernetes_is_only_read() -> None:
    # `kubectl` speaks to whatever cluster its user works with.
    (step,) = steps("Kubernetes")
    for line in step.text.splitlines():
        assert line.startswith("kubectl ")
        for name in re.findall(r"deploy/\S+", line):
            assert (ROOT / name).is_file() or name == "deployment/alert-engine"
    tell("the steps for Kubernetes are not done: there is no cluster")
