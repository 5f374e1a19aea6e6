"""The docker compose commands that the pages tell."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.image.engine_image import docker
from tests.support.handbook import PAGES
from tests.support.snippets import commands

pytestmark = pytest.mark.image

GLOBAL_OPTIONS = {"-f", "--env-file", "--profile"}


def told() -> list[tuple[str, ...]]:
    """The arguments after `docker compose` of every such command."""
    return [
        tuple(command.words[2:])
        for snippet in PAGES["deployment.md"].snippets
        if snippet.language == "sh"
        for command in commands(snippet)
        if tuple(command.words[:2]) == ("docker", "compose")
    ]


def split(words: tuple[str, ...]) -> tuple[list[str], str, list[str]]:
    """Compose's own options, the subcommand, and what follows it."""
    rest = list(words)
    own: list[str] = []
    while rest[0] in GLOBAL_OPTIONS:
        own += rest[:2]
        del rest[:2]
    return own, rest[0], rest[1:]


@pytest.mark.parametrize("words", told(), ids=" ".join)
def test_every_compose_command_told_is_one(
    words: tuple[str, ...], context: Path, tmp_path: Path
) -> None:
    for name in ("docker-compose.yml", "deploy/compose.existing-stack.yml"):
        shutil.copy(context / name, tmp_path)
    shutil.copytree(context / "deploy", tmp_path / "deploy")
    own, subcommand, rest = split(words)
    services = docker("compose", *own, "--profile", "*", "config", "--services", folder=tmp_path)
    known = set(re.findall(r"--[a-z-]+", docker("compose", subcommand, "--help")))
    options = [word for word in rest if word.startswith("--")]
    # What follows the service is the container's command.
    names = [word for word in rest if not word.startswith("--")][:1]
    assert {option for option in options if option != "--version"} <= known
    assert {*names} <= set(services.split())
