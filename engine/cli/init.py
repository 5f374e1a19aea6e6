"""`alert-engine init`: writes first rules, their JSON schema, a `.env` and a compose file."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.errors import AlertEngineError
from engine.rules.faults import Faults
from engine.rules.load import rule_files
from engine.settings.settings import folder

RULES: Final = "rules"
SCHEMAS: Final = ("rules.schema.json", "tests.schema.json")
COMPOSE_FILE: Final = "compose.existing-stack.yml"
# The container reads them as another user. Only .env holds secrets.
_FOR_ALL: Final = 0o644
_FOLDER_FOR_ALL: Final = 0o755
_FOR_OWNER: Final = 0o600


@dataclass(frozen=True, slots=True)
class FirstFile:
    """A file to write: path below the site's folder, content and permissions."""

    path: Path
    text: str
    mode: int


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `init`."""
    parser.description = (
        "Writes a first set of rules with the JSON schema for editors, a .env and a compose file"
        " into a folder. What is there already stays as it is; where there are rules, no others"
        " are added."
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), metavar="FOLDER", help="default: this one"
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the missing files, and report for each whether it was written or left."""
    site: Path = arguments.folder
    try:
        site.mkdir(parents=True, exist_ok=True)
        has_rules = bool(rule_files([site / RULES], Faults()))
        for first in first_files():
            path = site / first.path
            is_sample = first.path.parts[0] == RULES
            if is_sample and has_rules and not path.exists():
                _say("left", path, "no sample is added to rules that are there")
            elif _write(path, first):
                _say("wrote", path)
            else:
                _say("left", path, "it is there already")
    except OSError as error:
        raise AlertEngineError(
            f"{error.filename}: can't be written: {error.strerror}, name a folder that you may "
            "write to"
        ) from error
    sys.stdout.write(f"next: alert-engine check {site / RULES}\n")
    return 0


def first_files() -> Iterator[FirstFile]:
    """The files that a site begins with."""
    samples = sorted(folder(RULES).glob("*.yaml"))
    # The list of a sample has its name.
    lists = (path.with_suffix(".csv") for path in samples)
    for path in sorted((*samples, *filter(Path.is_file, lists))):
        yield FirstFile(Path(RULES, path.name), path.read_text(encoding="utf-8"), _FOR_ALL)
    # Rule files name them in their first lines, for editors.
    for name in SCHEMAS:
        keys = (folder("schemas") / name).read_text(encoding="utf-8")
        yield FirstFile(Path("schemas", name), keys, _FOR_ALL)
    deploy = folder("deploy")
    environment = (deploy / "site.env").read_text(encoding="utf-8")
    yield FirstFile(Path(".env"), environment, _FOR_OWNER)
    # The shipped file mounts rules from `config`; here they are in the folder that `check` reads.
    compose = (deploy / COMPOSE_FILE).read_text(encoding="utf-8").replace("./config", f"./{RULES}")
    yield FirstFile(Path(COMPOSE_FILE), compose, _FOR_ALL)


def _write(path: Path, first: FirstFile) -> bool:
    """Write one file; False where it exists already. Raises OSError."""
    if not path.parent.is_dir():
        path.parent.mkdir()
        path.parent.chmod(_FOLDER_FOR_ALL)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, first.mode)
    except FileExistsError:
        return False
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            # Not left to the umask: the container reads the file as another user.
            path.chmod(first.mode)
            file.write(first.text)
    except OSError as error:
        # A cut-off file would be left as it is the next time. A failed write names no file.
        path.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error
    return True


def _say(what: str, path: Path, why: str = "") -> None:
    sys.stdout.write(f"{what:<5} {path}{f': {why}' if why else ''}\n")
