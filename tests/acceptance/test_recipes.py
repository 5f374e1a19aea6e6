"""CONTRIBUTING's recipes are whole: followed word by word in a copy of the tree, they end green."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.handbook import ROOT

PARTS = ("engine", "channels", "tests", "docs", "rules", "schemas", "benchmarks", "deploy")
HEADING = re.compile(r"^### (Add .+)$", re.MULTILINE)
STEP = re.compile(
    r"^(?:A new file|At the end of|Before (?P<ticks>`+) ?(?P<anchor>.+?) ?(?P=ticks) in) "
    r"`(?P<path>[^`]+)`:\n\n(?P<fence>````?)\w+\n(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
COMMANDS = re.compile(r"Then `make lint type`, and:\n\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True)
class Recipe:
    """What a recipe says: the text for each file, and where; and the commands at its end."""

    steps: tuple[re.Match[str], ...]
    commands: tuple[str, ...]


def recipe(name: str) -> Recipe:
    """The recipe of that heading."""
    parts = HEADING.split((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    text = parts[parts.index(name) + 1]
    (commands,) = COMMANDS.findall(text)
    return Recipe(tuple(STEP.finditer(text)), tuple(commands.splitlines()))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the tree, without what was made in it."""
    made = shutil.ignore_patterns("__pycache__", ".*_cache", ".hypothesis")
    for part in PARTS:
        shutil.copytree(ROOT / part, tmp_path / part, ignore=made)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    return tmp_path


def follow(step: re.Match[str], tree: Path) -> None:
    """Do what a step says."""
    path, text, anchor = tree / step["path"], step["text"], step["anchor"]
    if step[0].startswith("A new file"):
        assert not path.exists(), path
        path.write_text(text, encoding="utf-8")
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if anchor is None:
        lines += ["\n\n", text]
    else:
        (place,) = [number for number, line in enumerate(lines) if anchor in line]
        lines.insert(place, text)
    path.write_text("".join(lines), encoding="utf-8")


def run(tree: Path, *words: str) -> None:
    """Run a module of this Python in the tree; AssertionError, with its output, if it fails."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}{done.stderr}"


def runs_of(commands: tuple[str, ...]) -> Iterator[list[str]]:
    """The commands' words behind the name of Python."""
    for command in commands:
        python, *words = shlex.split(command)
        assert python == ".venv/bin/python"
        yield words


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "steps"), [("Add a CEL function", 4), ("Add a channel", 6)])
def test_a_recipe_followed_word_by_word_ends_green(name: str, steps: int, tree: Path) -> None:
    found = recipe(name)
    assert len(found.steps) == steps
    for step in found.steps:
        follow(step, tree)
    changed = sorted({step["path"] for step in found.steps if step["path"].endswith(".py")})
    run(tree, "-m", "ruff", "check", ".")
    run(tree, "-m", "ruff", "format", "--check", ".")
    run(tree, "-m", "mypy", *changed)
    for words in runs_of(found.commands):
        run(tree, *words, "-q", "-p", "no:cacheprovider")
