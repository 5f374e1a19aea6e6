"""Finds the rule files below the paths that the user gave."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from engine.errors import Place
from engine.rules.faults import FaultCode, Faults
from engine.settings import DEFAULT_RULES

_OTHER: Final = "give a rule file or a folder of them"
#: For the default path: whoever gave none may have no rules yet.
_FIRST: Final = f"write a first set with `alert-engine init`, or {_OTHER}"

SUFFIXES: Final = frozenset({".yaml", ".yml"})


def rule_files(paths: Sequence[Path], faults: Faults) -> tuple[Path, ...]:
    """Every file of `paths` and every YAML file in their folders, at any depth; each once, sorted.

    Paths and symbolic links to one file count once. Hard links count as files of their own: inode
    numbers of shared folders may repeat, and to leave out a file silently is worse than to report
    its ids as used twice. Hidden files and folders are left out: a mounted Kubernetes ConfigMap
    keeps copies there. Paths that can't be used are added to `faults`.
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
            # Unlike Path.resolve(), it accepts a loop of links.
            found.setdefault(os.path.realpath(file), file)
    return tuple(sorted(found.values()))


def _unusable(path: Path) -> str | None:
    """Why the system can't look at the path; None where it can, or where nothing is there."""
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
    """Whether it is a regular file, or a missing or forbidden one, which the reader reports."""
    try:
        return path.is_file() or not path.exists()
    except OSError:
        return True


def absolute(path: Path) -> Path:
    """The absolute path without `..`; links are not followed."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
