"""Every profile of the compose files is taken by docker compose itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engine.cli import main
from engine.cli.init import COMPOSE_FILE
from tests.image.engine_image import docker

pytestmark = pytest.mark.image

PROFILES = [(), ("demo",), ("monitoring",), ("replicas",), ("demo", "monitoring")]


def config(folder: Path, *arguments: str) -> dict[str, object]:
    found = json.loads(docker("compose", *arguments, "config", "--format", "json", folder=folder))
    assert isinstance(found, dict)
    return found


@pytest.fixture
def checkout(context: Path, tmp_path: Path) -> Path:
    """The compose files and what they mount, without a .env."""
    for name in ("docker-compose.yml", ".env.example"):
        shutil.copy(context / name, tmp_path / name)
    shutil.copytree(context / "deploy", tmp_path / "deploy")
    return tmp_path


@pytest.mark.parametrize("profiles", PROFILES, ids=lambda names: "+".join(names) or "none")
@pytest.mark.parametrize("has_env", [False, True], ids=["no .env", ".env.example"])
def test_every_profile_is_valid(checkout: Path, profiles: tuple[str, ...], has_env: bool) -> None:
    if has_env:
        shutil.copy(checkout / ".env.example", checkout / ".env")
    flags = [flag for name in profiles for flag in ("--profile", name)]
    services = config(checkout, *flags)["services"]
    assert isinstance(services, dict)
    wanted = {"alert-engine", "kafka", "schema-registry"}
    wanted |= {"cameras", "inbox"} if "demo" in profiles else set()
    wanted |= {"prometheus", "grafana"} if "monitoring" in profiles else set()
    wanted |= {"alert-engine-2", "postgresql"} if "replicas" in profiles else set()
    assert set(services) == wanted


def test_the_demo_file_turns_the_demo_on(checkout: Path) -> None:
    services = config(checkout, "--env-file", "deploy/demo/demo.env")["services"]
    assert isinstance(services, dict)
    assert {"cameras", "inbox"} <= set(services)


def test_the_replicas_file_turns_them_on_with_one_password(checkout: Path) -> None:
    found = config(checkout, "--env-file", "deploy/replicas.env")
    services = found["services"]
    assert isinstance(services, dict)
    assert {"alert-engine", "alert-engine-2", "postgresql"} <= set(services)
    secrets = found["secrets"]
    assert isinstance(secrets, dict)
    assert secrets["state-password"]["file"] == str(checkout / "state-password")


def test_the_file_for_an_existing_stack_is_valid(checkout: Path) -> None:
    found = config(checkout, "-f", "deploy/compose.existing-stack.yml")
    assert found["networks"] == {
        "alpr-network": {"name": "alpr-network", "external": True, "ipam": {}}
    }


def test_what_init_writes_is_valid(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path)]) == 0
    found = config(tmp_path, "-f", COMPOSE_FILE)["services"]
    assert isinstance(found, dict)
    engine = found["alert-engine"]
    (mount,) = [each for each in engine["volumes"] if each["type"] == "bind"]
    assert mount["source"] == str(tmp_path / "rules")
    assert engine["environment"].keys() >= {"KAFKA_TOPIC", "WEBHOOK_TOKEN"}
