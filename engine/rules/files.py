"""The rule files that paths stand for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from engine.errors import Place
from engine.rules.faults import FaultCode, Faults
from engine.settings import DEFAULT_RULES

_OTHER: Final = "give a rule file or a folder of them"
# What commands read that are given no path; its author has no rules yet.
_FIRST: Final = f"write a first set with `alert-engine init`, or {_OTHER}"

SUFFIXES: Final = frozenset({".yaml", ".yml"})


def rule_files(paths: Sequence[Path], faults: Faults) -> tuple[Path, ...]:
    """Every file given, and every YAML file at any depth of a folder given; each once, sorted.

    A file is read once, however many paths and links lead to it. A copy is another file, and so is
    a second name on the disk: inode numbers of shared folders may repeat, and a file that is left
    out in silence is worse than ids that are reported as used twice. Hidden files and folders are
    left out: a mounted Kubernetes ConfigMap keeps copies there.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if (reason := _unusable(path)) is not None:
            faults.error(
                Place(str(path)), FaultCode.UNREADABLE, f"the path can't be used: {reason}", _OTHER
            )
            files = []
        elif path.is_dir():
            files = sorted(_folder(path, faults))
            if not files:
                faults.error(
                    Place(str(path)),
                    FaultCode.NO_RULES,
                    "the folder holds no .yaml or .yml file",
                    "write a rule file into it, or give another folder",
                )
        elif path.is_file():
            files = [path]
        else:
            files = []
            what = "this is not a regular file" if path.exists() else "there is no such file"
            is_default = path == DEFAULT_RULES and not path.exists()
            remedy = _FIRST if is_default else _OTHER
            faults.error(Place(str(path)), FaultCode.UNREADABLE, what, remedy)
        for file in files:
            # Unlike resolve(), it takes a loop of links.
            found.setdefault(os.path.realpath(file), file)
    return tuple(sorted(found.values()))


def _unusable(path: Path) -> str | None:
    """Why the system can't even look at the path; None if it can, or if nothing is there."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None


def _folder(folder: Path, faults: Faults) -> Iterator[Path]:
    def on_error(error: OSError) -> None:
        faults.error(
            Place(str(error.filename or folder)),
            FaultCode.UNREADABLE,
            f"the folder can't be read: {error.strerror or error}",
            "let the service's user read it",
        )

    for where, folders, names in os.walk(folder, onerror=on_error):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(where, name)
            is_rule_file = path.suffix.lower() in SUFFIXES and not name.startswith(".")
            if is_rule_file and _may_be_file(path):
                yield path


def _may_be_file(path: Path) -> bool:
    """Whether it is a regular file, or is to be told of when it is read: missing, or forbidden."""
    try:
        return path.is_file() or not path.exists()
    except OSError:
        return True


def absolute(path: Path) -> Path:
    """The whole path, without `..` and without asking the file system."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
